"""An issuer of one's own, in a folder: for a grid on one machine, and for the tests.

`smartgrid up --auth` makes it, gives each process its token, and `smartgrid token` prints tokens for people. The
private key never leaves the folder, which is only its owner's to read; services get the public key set.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from smartgrid.auth import scopes
from smartgrid.runtime.private_file import write_private

AUDIENCE = "smartgrid"
ISSUER = "urn:smartgrid:local"
ALGORITHM = "EdDSA"


class NoIssuerError(Exception):
    """The folder has no issuer; the message is one sentence."""


class LocalIssuer:
    """Signs tokens with the key in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Raises NoIssuerError."""
        try:
            pem = (folder / "issuer.pem").read_bytes()
            key = serialization.load_pem_private_key(pem, None)
        except (OSError, ValueError) as error:
            raise NoIssuerError(f"{folder} has no issuer's key: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise NoIssuerError(f"{folder / 'issuer.pem'} must be an Ed25519 key")
        self.folder, self._key = folder, key
        self._kid = _kid(key)

    @classmethod
    def open(cls, folder: Path) -> LocalIssuer:
        """The issuer of the folder, made if there is none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / "issuer.pem").exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(folder / "issuer.pem", pem)
        made = cls(folder)
        made._publish()
        return made

    @property
    def issuers_path(self) -> Path:
        """What `SMARTGRID_AUTH_ISSUERS` takes."""
        return self.folder / "issuers.json"

    def token(self, subject: str, wanted: Iterable[str], lifetime_s: float, now_s: float | None = None) -> str:
        """A signed token."""
        issued_s = int(time.time() if now_s is None else now_s)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "scope": " ".join(sorted(wanted)),
            "iat": issued_s,
            "exp": issued_s + int(lifetime_s),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._kid, "typ": "at+jwt"})

    def write_token(self, path: Path, subject: str, wanted: Iterable[str], lifetime_s: float) -> None:
        """A token in a file that only its owner may read, replaced whole."""
        write_private(path, self.token(subject, wanted, lifetime_s).encode())

    def _publish(self) -> None:
        public = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        keys = {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": ALGORITHM}]}
        write_private(self.folder / "jwks.json", json.dumps(keys).encode())
        issuer: dict[str, Any] = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": str((self.folder / "jwks.json").resolve()),
            "algorithms": [ALGORITHM],
            "type": "at+jwt",
            "grants": {scope: [scope] for scope in sorted(scopes.ALL)},
        }
        write_private(self.issuers_path, json.dumps([issuer], indent=1).encode())


def _kid(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()[:16]
