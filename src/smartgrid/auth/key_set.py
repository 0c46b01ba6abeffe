"""A JSON Web Key Set as it is believed (RFC 7517): keys to verify with, of a kind and strength that will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic_core import from_json

MAX_KEYS = 100
MAX_KEY_SET_BYTES = 256 * 1024
LEAST_RSA_BITS = 2048
KeySet = Mapping[str, jwt.PyJWK]
"""Keys by id. The one key of a set that names none is at ""."""


class KeySetError(Exception):
    """What was read is no key set with a usable key in it."""


def parse(text: bytes | str) -> KeySet:
    """The usable keys of a set. Raises KeySetError where there is none.

    Keys that are for encryption, symmetric, too short or of an unknown kind are left out: others may use the same set.
    """
    try:
        listed = from_json(text)["keys"]
        entries: list[dict[str, Any]] = [each for each in listed[:MAX_KEYS] if isinstance(each, dict)]
    except (ValueError, KeyError, TypeError) as error:
        raise KeySetError(f"no key set: {error}") from error
    found = {str(entry.get("kid", "")): key for entry in entries if (key := _usable(entry)) is not None}
    if not found:
        raise KeySetError(f"no usable key among {len(entries)}")
    return found


def _usable(entry: dict[str, Any]) -> jwt.PyJWK | None:
    if entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in entry.items() if name != "d"})
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, NotImplementedError):
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA_BITS
    return None if is_short else key


def withdrawn(before: KeySet, after: KeySet) -> bool:
    """Whether a key that was there is gone, or another key now has its name."""
    return any(kid not in after or after[kid].key != key.key for kid, key in before.items())
