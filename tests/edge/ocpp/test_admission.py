"""Who is let in, by security profile."""

from __future__ import annotations

import base64

import pytest

from smartgrid.edge.ocpp.admission import Admitted, Proof, Refusal, decide
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.keys import hash_key

CHARGER = ChargerId("substation-0", "CP:1")
KEY, NEW_KEY, OTHER_KEY = (
    "0011223344556677889AABBCCDDEEFF001122334",
    "a-Key-of-2.0.1-that-is-text",
    "another-Key-of-somebody",
)
KEY_HASH, NEW_KEY_HASH = hash_key(KEY), hash_key(NEW_KEY)
HERE = "192.0.2.1"


def basic(user: str, key: str | bytes) -> str:
    return "Basic " + base64.b64encode(user.encode() + b":" + (key.encode() if isinstance(key, str) else key)).decode()


def of_profile(profile: int, **more: str) -> ChargerSpec:
    return ChargerSpec(security_profile=profile, key_hash=KEY_HASH if profile in (1, 2) else "", **more)


def status(spec: ChargerSpec, proof: Proof, next_key_hash: str = "") -> int:
    found = decide(CHARGER, spec, next_key_hash, proof)
    return found.status if isinstance(found, Refusal) else 101


def test_pitfall_24_profile_0_asks_nothing() -> None:
    assert status(of_profile(0), Proof(HERE)) == 101
    assert status(of_profile(0), Proof(HERE, authorization=basic("x", "y"))) == 101


@pytest.mark.parametrize("key", [KEY, KEY.lower(), bytes.fromhex(KEY)])
def test_pitfall_24_profile_1_takes_the_key_as_hexadecimal_text_and_as_bytes(key: str | bytes) -> None:
    assert status(of_profile(1), Proof(HERE, authorization=basic("CP:1", key))) == 101


def test_pitfall_24_a_key_that_is_text_is_taken_as_it_is() -> None:
    spec = ChargerSpec(security_profile=1, key_hash=NEW_KEY_HASH)
    assert status(spec, Proof(HERE, authorization=basic("CP:1", NEW_KEY))) == 101
    assert status(spec, Proof(HERE, authorization=basic("CP:1", NEW_KEY.upper()))) == 401


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer " + basic("CP:1", KEY).removeprefix("Basic "),
        basic("CP:2", KEY),
        basic("cp:1", KEY),
        basic("", KEY),
        basic("CP:1", OTHER_KEY),
        basic("CP:1", ""),
        basic("CP:1", KEY + "0"),
        basic("CP:1", KEY[:-2]),
        basic("CP:1", bytes(20)),
        basic("CP:1", KEY_HASH),
        "Basic " + base64.b64encode(b"CP:1" + KEY.encode()).decode(),
        basic("CP:1", "x" * 5000),
    ],
)
def test_pitfall_24_profile_1_with_another_key_or_name_or_none_gets_401(authorization: str | None) -> None:
    assert status(of_profile(1), Proof(HERE, authorization=authorization)) == 401


def test_pitfall_24_a_wrong_key_is_told_apart_from_none() -> None:
    wrong = decide(CHARGER, of_profile(1), "", Proof(HERE, authorization=basic("CP:1", OTHER_KEY)))
    none = decide(CHARGER, of_profile(1), "", Proof(HERE))
    assert isinstance(wrong, Refusal)
    assert isinstance(none, Refusal)
    assert (wrong.reason, none.reason) == ("wrong_key", "no_key")


@pytest.mark.parametrize("profile", [2, 3])
def test_pitfall_24_no_charger_steps_down_to_a_plain_connection(profile: int) -> None:
    proof = Proof(HERE, is_encrypted=False, authorization=basic("CP:1", KEY), certificate_name="CP:1")
    assert status(of_profile(profile), proof) == 403


def test_pitfall_24_profile_2_is_the_key_over_tls() -> None:
    assert status(of_profile(2), Proof(HERE, True, basic("CP:1", KEY))) == 101
    assert status(of_profile(2), Proof(HERE, True, basic("CP:1", OTHER_KEY))) == 401
    assert status(of_profile(2), Proof(HERE, True, None, certificate_name="CP:1")) == 401


def test_pitfall_24_profile_1_may_come_over_tls() -> None:
    assert status(of_profile(1), Proof(HERE, True, basic("CP:1", KEY))) == 101


def test_pitfall_24_profile_3_is_a_certificate_with_the_charger_s_name() -> None:
    assert status(of_profile(3), Proof(HERE, True, certificate_name="CP:1")) == 101
    for name in (None, "CP:2", "cp:1", ""):
        assert status(of_profile(3), Proof(HERE, True, basic("CP:1", KEY), name)) == 403


def test_pitfall_24_or_with_the_name_that_it_is_registered_with() -> None:
    spec = of_profile(3, certificate_subject="serial-4711")
    assert status(spec, Proof(HERE, True, certificate_name="serial-4711")) == 101
    assert status(spec, Proof(HERE, True, certificate_name="CP:1")) == 403


def test_pitfall_24_while_a_key_is_rotated_both_are_good_and_it_is_told_which_was_used() -> None:
    def by(key: str) -> Admitted | Refusal:
        return decide(CHARGER, of_profile(1), NEW_KEY_HASH, Proof(HERE, authorization=basic("CP:1", key)))

    assert by(KEY) == Admitted(by_next_key=False)
    assert by(NEW_KEY) == Admitted(by_next_key=True)
    assert isinstance(by(OTHER_KEY), Refusal)


def test_pitfall_24_a_registration_without_a_key_that_needs_one_lets_nobody_in() -> None:
    spec = ChargerSpec(security_profile=1)
    for key in ("", KEY, bytes(20)):
        assert status(spec, Proof(HERE, authorization=basic("CP:1", key))) == 401
