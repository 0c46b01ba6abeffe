"""Which keys of a key set are used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.auth import key_set
from smartgrid.auth.key_set import KeySetError
from support.tokens import SigningKey
from support.tokens import key_set as published

GOOD = SigningKey()
SHORT = SigningKey("RS256", "short", rsa_bits=1024)


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "shared"},
        {**GOOD.public, "use": "enc", "kid": "for encryption"},
        SHORT.public,
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "of an unknown curve"},
        {"kid": "of no kind"},
        {**GOOD.public, "alg": "none", "kid": "for no signature"},
        "no key at all",
    ],
)
def test_a_key_that_will_not_do_is_left_out_and_the_others_stay(other: Any) -> None:
    assert set(key_set.parse(json.dumps({"keys": [other, GOOD.public]}))) == {"one"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 7}', '{"keys": []}', '{"keys": null}', "\xff"])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(KeySetError):
        key_set.parse(text)


FIELDS = st.sampled_from(["keys", "kty", "kid", "crv", "x", "y", "n", "e", "use", "alg", "d"])
SCALARS = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner), max_leaves=20))
def test_rubbish_is_refused_and_never_an_error(value: Any) -> None:
    with pytest.raises(KeySetError):
        key_set.parse(json.dumps({"keys": [value]}))


def test_no_more_keys_than_a_hundred_are_looked_at() -> None:
    keys = [{**GOOD.public, "kid": str(number)} for number in range(200)]
    assert len(key_set.parse(json.dumps({"keys": keys}))) == key_set.MAX_KEYS


def test_a_key_is_withdrawn_when_it_is_gone_or_another_has_its_name() -> None:
    before = key_set.parse(published(GOOD))
    assert not key_set.withdrawn(before, key_set.parse(published(GOOD, SigningKey(kid="two"))))
    assert key_set.withdrawn(before, key_set.parse(published(SigningKey(kid="two"))))
    assert key_set.withdrawn(before, key_set.parse(published(SigningKey(kid="one"))))
