"""What the console gives a browser to keep, so that nothing has to be kept here. Pure: time is an argument.

There may be several balancers, and a browser's next request may go to any of them, so a session is in the browser's
cookie, encrypted and signed (AES-256-GCM) with a key that all balancers have. What is sealed for one purpose opens for
no other, and not after its time. What does not open is nobody's: a wrong key, a forgery and a cookie of another grid on
the same host cannot be told apart, and need not be.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.start_error import StartError

LEAST_KEY_BYTES = 32
MAX_KEY_BYTES = 64 * 1024
NONCE_BYTES = 12
MAX_SEALED_CHARACTERS = 3000
"""Browsers drop a cookie of more than 4096 bytes."""


class Sealer:
    """Seals and opens with a key made of `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hashlib.blake2b(secret, digest_size=32, person=b"smartgrid-seal").digest())

    def seal(self, purpose: str, content: Mapping[str, Any], expires_s: float) -> str:
        """Text that only `open` with the same purpose reads, until `expires_s`, in seconds since 1970."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = json.dumps({"exp": expires_s, **content}, separators=(",", ":")).encode()
        sealed = self._cipher.encrypt(nonce, text, purpose.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, sealed: str, now_s: float) -> dict[str, Any] | None:
        """What was sealed; None where it was not, or not for this, or its time is over."""
        if len(sealed) > MAX_SEALED_CHARACTERS:
            return None
        try:
            whole = base64.b64decode(sealed + "=" * (-len(sealed) % 4), b"-_", validate=True)
            content: dict[str, Any] = json.loads(
                self._cipher.decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], purpose.encode())
            )
        except (InvalidTag, ValueError, binascii.Error):
            return None
        return content if content["exp"] > now_s else None


def load(path: Path | None) -> Sealer:
    """With the secret in a file, which all balancers have; else with one of our own until we end. Raises StartError."""
    if path is None:
        return Sealer(secrets.token_bytes(LEAST_KEY_BYTES))
    try:
        secret = first_bytes(path, MAX_KEY_BYTES).strip()
    except OSError as error:
        raise StartError(f"SMARTGRID_CONSOLE_KEY_FILE={path}: {error.strerror or error}") from None
    if len(secret) < LEAST_KEY_BYTES:
        raise StartError(f"SMARTGRID_CONSOLE_KEY_FILE={path}: needs {LEAST_KEY_BYTES} random bytes at the least")
    return Sealer(secret)
