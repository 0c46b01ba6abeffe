"""Issuers and tokens for tests, of every kind of key; what they sign may be as wrong as one likes."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from smartgrid.auth.issuers import Issuer

ISSUER, AUDIENCE = "https://login.example.com", "smartgrid"
LIFETIME_S = 3600


class SigningKey:
    """A key pair by its id."""

    def __init__(self, algorithm: str = "EdDSA", kid: str = "one", *, rsa_bits: int = 2048) -> None:
        self.algorithm, self.kid = algorithm, kid
        self.private: Any
        if algorithm == "EdDSA":
            self.private, to_jwk = Ed25519PrivateKey.generate(), OKPAlgorithm.to_jwk
        elif algorithm == "ES256":
            self.private, to_jwk = ec.generate_private_key(ec.SECP256R1()), ECAlgorithm.to_jwk
        else:
            self.private, to_jwk = rsa.generate_private_key(65537, rsa_bits), RSAAlgorithm.to_jwk
        self.public: dict[str, Any] = {**json.loads(to_jwk(self.private.public_key())), "kid": kid, "use": "sig"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        given = {name: value for name, value in {"kid": self.kid, **header}.items() if value is not None}
        return jwt.encode(claims, self.private, self.algorithm, headers=given)


def claims(now_s: float | None = None, **changes: Any) -> dict[str, Any]:
    """Those of a good token; a claim that is changed to None is left out."""
    issued_s = int(time.time() if now_s is None else now_s)
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "driver-1",
        "scope": "charge:write charge:read",
        "iat": issued_s,
        "exp": issued_s + LIFETIME_S,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def key_set(*keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.public for key in keys]}).encode()


def issuer(**changes: Any) -> Issuer:
    return Issuer.model_validate({"issuer": ISSUER, "audience": AUDIENCE, "jwks": "/nowhere.json", **changes})
