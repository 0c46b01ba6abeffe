"""Chargers' Basic keys: which are good enough, and how they are kept. Pure.

A password that a person has chosen needs a slow hash, since it can be guessed from a list. A charger's key is made by a
machine: 16 to 40 random bytes, which no one guesses however fast the hash is. So one salted BLAKE2b is right, and
10,000 chargers that reconnect at once cost 20 ms instead of minutes; in return, keys that are too weak for it are
refused when a charger is registered. Compared is in constant time.

The same key comes in two forms. In 1.6 the operator sees, and ChangeConfiguration sends, the hexadecimal text of a
binary key; some chargers then authenticate with that text, others with the bytes it stands for (OCPP 1.6 security,
A00). Both are the same key here: hashed are the bytes, if the text is hexadecimal, else the text.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from smartgrid.protocol.chargers import MAX_KEY, MIN_KEY

MIN_DISTINCT = 6
KEY_BYTES = 20
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,32}")
_SCHEME, _SALT_BYTES, _DIGEST_BYTES = "blake2b", 16, 32


class WeakKeyError(ValueError):
    """A key that could be guessed; the message is one sentence."""


def new_key() -> str:
    """Random, 20 bytes as hexadecimal text: what 1.6 and 2.x both take."""
    return secrets.token_hex(KEY_BYTES).upper()


def hash_key(key: str) -> str:
    """The form in which a key is kept. Raises WeakKeyError."""
    if not MIN_KEY <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise WeakKeyError(f"a charger's key must be {MIN_KEY} to {MAX_KEY} printable ASCII characters")
    if len(set(key)) < MIN_DISTINCT:
        raise WeakKeyError(f"a charger's key must be random: this has fewer than {MIN_DISTINCT} different characters")
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_SCHEME}${salt.hex()}${_digest(_plain(key.encode()), salt).hex()}"


def is_hash(text: str) -> bool:
    """Whether this is what `hash_key` returns."""
    return _parsed(text) is not None


def is_key(presented: bytes, key_hash: str) -> bool:
    """Whether this is the key of the hash, as text or as bytes. False for no hash."""
    parsed = _parsed(key_hash)
    if parsed is None or len(presented) > MAX_KEY:
        return False
    salt, digest = parsed
    is_it = hmac.compare_digest(_digest(presented, salt), digest)
    return is_it | hmac.compare_digest(_digest(_plain(presented), salt), digest)


def _plain(key: bytes) -> bytes:
    return bytes.fromhex(key.decode()) if _HEX.fullmatch(key) else key


def _digest(key: bytes, salt: bytes) -> bytes:
    return hashlib.blake2b(key, salt=salt, digest_size=_DIGEST_BYTES).digest()


def _parsed(key_hash: str) -> tuple[bytes, bytes] | None:
    scheme, _, rest = key_hash.partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != _SCHEME or len(salt) != 2 * _SALT_BYTES or len(digest) != 2 * _DIGEST_BYTES:
        return None
    try:
        return bytes.fromhex(salt), bytes.fromhex(digest)
    except ValueError:
        return None
