"""An OpenID provider that says what a test wants, also what a real one never would."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

CLIENT = "console"
AUDIENCE = "smartgrid"


class StubProvider:
    """`id_claims` are put over those of the next ID token; `access_token` and `token_status` are what it answers."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.id_claims: dict[str, Any] = {}
        self.access_token: str | None = None
        self.token_status = 200
        self.forms: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[StubProvider]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def reset(self) -> None:
        self.id_claims, self.access_token, self.token_status = {}, None, 200
        self.forms.clear()

    def issuer(self) -> dict[str, Any]:
        """An entry of SMARTGRID_AUTH_ISSUERS."""
        return {
            "issuer": self.url,
            "audience": AUDIENCE,
            "jwks": f"{self.url}/keys",
            "claims": {"scope": "groups"},
            "grants": {
                "viewers": ["grid:read"],
                "operators": ["grid:read", "grid:operate"],
                "drivers": ["charge:read"],
            },
        }

    def token(self, **claims: Any) -> str:
        now_s = int(time.time())
        whole = {"iss": self.url, "sub": "anna", "iat": now_s, "exp": now_s + 60, **claims}
        return jwt.encode(whole, self.key, "EdDSA", headers={"kid": "1"})

    def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        public = json.loads(OKPAlgorithm.to_jwk(self.key.public_key()))
        return 200, {"keys": [{**public, "kid": "1", "alg": "EdDSA", "use": "sig"}]}

    def _tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The code that a test sends is the nonce and the challenge which the browser was sent with."""
        self.forms.append(form)
        nonce, _, challenge = form["code"].partition(".")
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": CLIENT, "nonce": nonce, "groups": ["operators"], **self.id_claims}
        found: dict[str, Any] = {"token_type": "Bearer", "id_token": self.token(**claims)}
        return self.token_status, found | ({"access_token": self.access_token} if self.access_token else {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*stub._answer(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._send(*stub._tokens({name: values[0] for name, values in parse_qs(body).items()}))

            def _send(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
