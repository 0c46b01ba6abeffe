"""Chargers' keys."""

from __future__ import annotations

import pytest

from smartgrid.edge.registry.keys import WeakKeyError, hash_key, is_hash, is_key, new_key
from smartgrid.protocol.chargers import MAX_KEY

KEY = "00112233445566778899AABBCCDDEEFF00112233"


def test_a_key_is_known_by_its_hash_and_no_other_is() -> None:
    found = hash_key(KEY)
    assert is_key(KEY.encode(), found)
    assert not is_key(KEY[:-1].encode() + b"4", found)
    assert not is_key(b"", found)


def test_hexadecimal_text_and_the_bytes_that_it_stands_for_are_the_same_key() -> None:
    found = hash_key(KEY)
    assert is_key(bytes.fromhex(KEY), found)
    assert is_key(KEY.lower().encode(), found)
    assert is_key(KEY.encode(), hash_key(KEY.lower()))


def test_any_other_text_is_the_key_as_it_is() -> None:
    found = hash_key("Some-key/of 2.0.1!")
    assert is_key(b"Some-key/of 2.0.1!", found)
    assert not is_key(b"some-key/of 2.0.1!", found)


def test_bytes_that_happen_to_be_hexadecimal_text_are_a_key_too() -> None:
    """A binary key of which each byte is a hexadecimal digit: whichever way it is read."""
    raw = b"0123456789abcdef0123"
    assert is_key(raw, hash_key(raw.hex()))
    assert is_key(raw, hash_key(raw.decode()))


def test_a_hash_tells_neither_the_key_nor_who_has_the_same() -> None:
    first, second = hash_key(KEY), hash_key(KEY)
    assert first != second
    assert KEY.lower() not in first.lower()
    assert is_hash(first)


def test_a_hash_is_no_key() -> None:
    found = hash_key(KEY)
    assert not is_key(found.encode(), found)


@pytest.mark.parametrize(
    "key", ["", "secret", "x" * 15, "x" * 40, "01" * 20, "A" * 65, "0123456789abcde\u00e9", "0123456789abcde\n"]
)
def test_a_key_that_could_be_guessed_or_not_be_sent_is_refused(key: str) -> None:
    with pytest.raises(WeakKeyError, match="a charger's key must be"):
        hash_key(key)


@pytest.mark.parametrize(
    "found", ["", "blake2b$00$00", "md5$" + "0" * 32 + "$" + "0" * 64, "blake2b$" + "g" * 32 + "$" + "0" * 64]
)
def test_what_is_no_hash_lets_nobody_in(found: str) -> None:
    assert not is_hash(found)
    assert not is_key(b"", found)
    assert not is_key(KEY.encode(), found)


def test_a_key_that_is_longer_than_any_is_not_hashed() -> None:
    assert not is_key(b"x" * (MAX_KEY + 1), hash_key(KEY))


def test_new_keys_are_random_and_good_in_both_versions() -> None:
    found = {new_key() for _ in range(100)}
    assert len(found) == 100
    for key in found:
        assert len(bytes.fromhex(key)) == 20
        assert is_key(bytes.fromhex(key), hash_key(key))
