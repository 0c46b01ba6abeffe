"""The key set of an identity provider, over HTTP, which can be slow, away, or given other keys."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from support.processes import Started
from support.tokens import SigningKey, issuer, key_set


class IdentityProvider(Started):
    """Publishes `keys`; counts how often it was asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys, self.asked, self.status = list(keys), 0, 200
        self.answers = threading.Event()
        self.answers.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                provider.answers.wait(30)
                body = key_set(*provider.keys)
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def entry(self, **changes: Any) -> dict[str, Any]:
        """What `SMARTGRID_AUTH_ISSUERS` has of it."""
        found: dict[str, Any] = issuer(jwks=self.url, **changes).model_dump(exclude_defaults=True)
        return found

    def start(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def end(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()
