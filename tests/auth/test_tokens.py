"""Which tokens are believed, and which are not, however good they look."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.auth import key_set, scopes, tokens
from smartgrid.auth.issuers import Issuer
from smartgrid.auth.principal import Principal, owner_of
from smartgrid.auth.tokens import TokenError, UnknownKeyError
from support.tokens import AUDIENCE, ISSUER, SigningKey, claims, issuer
from support.tokens import key_set as published

NOW_S = 1_800_000_000.0
KEY = SigningKey()
OTHER = SigningKey(kid="two")


def verify(token: str, trusted: Issuer | None = None, *keys: SigningKey, now_s: float = NOW_S) -> Principal:
    found = key_set.parse(published(*(keys or (KEY,))))
    return tokens.verify(token, [(trusted or issuer(), found)], now_s)[0]


def refused(token: str, trusted: Issuer | None = None, *keys: SigningKey, now_s: float = NOW_S) -> str:
    with pytest.raises(TokenError) as refusal:
        verify(token, trusted, *keys, now_s=now_s)
    assert str(refusal.value).endswith(".")
    return refusal.value.kind


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_good_token_says_who_it_is_and_what_it_may(algorithm: str) -> None:
    key = SigningKey(algorithm)
    found = verify(key.sign(claims(NOW_S)), None, key)
    assert found == Principal(owner_of(ISSUER, "driver-1"), frozenset({scopes.CHARGE_READ, scopes.CHARGE_WRITE}))


def test_it_holds_until_it_expires_and_the_leeway_is_over() -> None:
    found = key_set.parse(published(KEY))
    _, until_s = tokens.verify(KEY.sign(claims(NOW_S)), [(issuer(), found)], NOW_S)
    assert until_s == NOW_S + 3600 + tokens.LEEWAY_S


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"exp": NOW_S - 31}, "expired"),
        ({"nbf": NOW_S + 31}, "not-yet"),
        ({"iat": NOW_S + 31}, "not-yet"),
        ({"exp": None}, "missing-claim"),
        ({"exp": True}, "bad-time"),
        ({"exp": 1e300}, "bad-time"),
        ({"nbf": "soon"}, "bad-time"),
        ({"aud": "another"}, "bad-audience"),
        ({"aud": None}, "missing-claim"),
        ({"aud": []}, "missing-claim"),
        ({"aud": [AUDIENCE + "x"]}, "bad-audience"),
        ({"iss": "https://evil.example.com"}, "unknown-issuer"),
        ({"iss": ISSUER + "/"}, "unknown-issuer"),
        ({"iss": None}, "unknown-issuer"),
        ({"sub": None}, "no-subject"),
        ({"sub": ""}, "no-subject"),
    ],
)
def test_a_claim_that_is_wrong_or_missing_is_refused(changes: dict[str, Any], kind: str) -> None:
    assert refused(KEY.sign(claims(NOW_S, **changes))) == kind


@pytest.mark.parametrize("changes", [{"exp": NOW_S - 29}, {"nbf": NOW_S + 29}, {"aud": ["another", AUDIENCE]}])
def test_clocks_may_differ_and_there_may_be_other_audiences(changes: dict[str, Any]) -> None:
    assert verify(KEY.sign(claims(NOW_S, **changes)))


def test_a_token_without_a_signature_is_refused() -> None:
    assert refused(jwt.encode(claims(NOW_S), None, "none", headers={"kid": "one"})) == "bad-algorithm"


def test_a_public_key_is_not_taken_for_a_shared_secret() -> None:
    raw = base64.urlsafe_b64decode(KEY.public["x"] + "=")
    forged = jwt.encode(claims(NOW_S), raw, "HS256", headers={"kid": "one"})
    assert refused(forged) == "bad-algorithm"


def test_the_algorithm_must_be_that_of_the_key_and_one_of_the_issuers() -> None:
    key = SigningKey("RS256")
    assert refused(key.sign(claims(NOW_S)), issuer(algorithms=["ES256"]), key) == "bad-algorithm"
    header, _, rest = key.sign(claims(NOW_S)).partition(".")
    told = json.dumps({"alg": "ES256", "kid": "one"}).encode()
    swapped = base64.urlsafe_b64encode(told).rstrip(b"=").decode() + "." + rest
    assert header
    assert refused(swapped, None, key) == "bad-signature"


def test_what_another_key_has_signed_is_refused_under_a_known_name() -> None:
    assert refused(SigningKey(kid="one").sign(claims(NOW_S))) == "bad-signature"


def test_a_key_that_is_not_in_the_set_is_said_to_be_unknown() -> None:
    found = key_set.parse(published(KEY))
    with pytest.raises(UnknownKeyError) as refusal:
        tokens.verify(OTHER.sign(claims(NOW_S)), [(issuer(), found)], NOW_S)
    assert refusal.value.issuer == issuer()


def test_where_a_token_says_its_key_is_nobody_looks() -> None:
    token = OTHER.sign(claims(NOW_S), jku="http://127.0.0.1:1/keys", jwk=OTHER.public)
    assert refused(token) == "unknown-key"


def test_without_a_key_id_the_key_is_the_only_one() -> None:
    token = KEY.sign(claims(NOW_S), kid=None)
    assert verify(token)
    assert refused(token, None, KEY, OTHER) == "unknown-key"


def test_an_id_token_does_not_pass_where_access_tokens_have_a_type() -> None:
    strict = issuer(type="at+jwt")
    assert verify(KEY.sign(claims(NOW_S), typ="at+jwt"), strict)
    assert verify(KEY.sign(claims(NOW_S), typ="application/AT+JWT"), strict)
    assert refused(KEY.sign(claims(NOW_S)), strict) == "bad-type"


def test_a_token_of_another_of_the_issuers_audiences_is_checked_by_its_own_entry() -> None:
    found = key_set.parse(published(KEY))
    both = [(issuer(), found), (issuer(audience="others", everyone=["grid:read"]), found)]
    assert tokens.verify(KEY.sign(claims(NOW_S, aud="others")), both, NOW_S)[0].may("grid:read")


def test_a_subject_that_is_no_text_is_refused() -> None:
    assert refused(KEY.sign(claims(NOW_S, sub="\ud800"))) == "no-subject"


def test_a_token_that_is_too_long_is_not_even_read() -> None:
    assert refused(KEY.sign(claims(NOW_S, padding="x" * tokens.MAX_TOKEN_BYTES))) == "malformed"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_rubbish_is_refused_with_a_sentence(text: str) -> None:
    assert refused(text) in {"malformed", "unknown-issuer"}


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=10),
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
)
def test_any_header_is_refused_or_believed_and_never_an_error(value: Any, name: str) -> None:
    head = json.dumps({"alg": "EdDSA", "kid": "one", name: value}).encode()
    _, _, rest = KEY.sign(claims(NOW_S)).partition(".")
    token = base64.urlsafe_b64encode(head).rstrip(b"=").decode() + "." + rest
    with pytest.raises(TokenError):
        verify(token)


@pytest.mark.parametrize(
    ("named", "given", "expected"),
    [
        ("", "DE", None),
        ("country", "DE", "DE"),
        ("address.country", {"country": "DE"}, "DE"),
        ("country", None, ""),
        ("country", ["DE"], ""),
        ("country", "DE\r\nX: y", ""),
        ("country", "", ""),
        ("country", "D" * 64, ""),
    ],
)
def test_a_token_says_where_its_cars_may_be_charged_if_its_issuers_tokens_have_to(
    named: str, given: Any, expected: str | None
) -> None:
    trusted, outermost = issuer(claims={"residency": named}), named.partition(".")[0] or "country"

    assert verify(KEY.sign(claims(NOW_S, **{outermost: given})), trusted).residency == expected
