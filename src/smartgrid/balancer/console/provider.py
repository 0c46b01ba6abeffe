"""The OpenID provider with which people sign in to the console.

Its endpoints are found by discovery, in a thread of its own that tries until it has found them, and again each hour: a
balancer starts and serves while the provider is away, and nobody waits for it but who signs in just then.

Who it is, the ID token says, which must be for this client; its keys, and what its claims mean here, are those of the
issuer's entry in `SMARTGRID_AUTH_ISSUERS`. Scopes are what the entry makes of the ID token and, as some providers put
roles into the access token only, of that one too, where the grid believes it for the same person. ID tokens
are looked at here only: as a bearer of the API none is believed, as it has another audience.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt

from smartgrid.auth.authenticator import Authenticator, KeysAwayError
from smartgrid.auth.issuers import Issuer
from smartgrid.auth.principal import Principal
from smartgrid.auth.tokens import TokenError
from smartgrid.balancer.console import login as logins
from smartgrid.balancer.console.login import Endpoints, Login
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError, origin_and_path
from smartgrid.runtime.bounded_file import first_bytes

TIMEOUT_S = 5.0
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 60.0
AGAIN_S = 3600.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_SECRET_BYTES = 4096
WELL_KNOWN = "/.well-known/openid-configuration"
log = logging.getLogger(__name__)


class ProviderError(Exception):
    """The provider does not answer, or not as it should. The message is for the log."""


class Provider:
    """The provider whose tokens `issuer` describes. `api` knows the tokens that the API takes."""

    def __init__(
        self,
        issuer: Issuer,
        api: Authenticator,
        *,
        client_id: str,
        secret_file: Path | None,
        redirect_uri: str,
        scope: str,
    ) -> None:
        self._issuer, self._api, self._client_id, self._secret_file = issuer, api, client_id, secret_file
        self._redirect_uri, self._scope = redirect_uri, scope
        entry = issuer.model_copy(update={"audience": client_id, "type": None})
        self._id_tokens = Authenticator([entry])
        self._endpoints: Endpoints | None = None

    def start(self) -> None:
        """Begin to look for the endpoints and the keys."""
        self._id_tokens.start()
        threading.Thread(target=self._discover, name="console-provider", daemon=True).start()

    def url(self, login: Login) -> str | None:
        """Where to send the browser; None while the provider has not been found."""
        found = self._endpoints
        if found is None:
            return None
        return logins.authorization_url(found, login, self._client_id, self._redirect_uri, self._scope)

    def principal(self, code: str, login: Login) -> Principal:
        """Who has logged in, and what they may do. Raises ProviderError."""
        tokens = self._tokens(code, login)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderError("the answer has no id_token")
        try:
            found = self._id_tokens.principal(id_token)
        except (TokenError, KeysAwayError) as error:
            raise ProviderError(f"the ID token is not believed: {error}") from error
        claims = jwt.decode(id_token, options={"verify_signature": False})  # it has just been verified
        if claims.get("nonce") != login.nonce:
            raise ProviderError("the ID token is of another login")
        if claims.get("azp", self._client_id) != self._client_id:
            raise ProviderError("the ID token was made for another client")
        return Principal(found.owner, found.scopes | self._scopes_of(tokens.get("access_token"), found.owner))

    def _scopes_of(self, access_token: Any, owner: str) -> frozenset[str]:
        if not isinstance(access_token, str):
            return frozenset()
        try:
            found = self._api.principal(access_token)
        except (TokenError, KeysAwayError):
            return frozenset()
        return found.scopes if found.owner == owner else frozenset()

    def _tokens(self, code: str, login: Login) -> dict[str, Any]:
        endpoints = self._endpoints
        if endpoints is None:
            raise ProviderError("it has not been found yet")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": login.verifier,
            "client_id": self._client_id,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        headers |= self._secret()
        found = self._ask("POST", endpoints.token, urlencode(form).encode(), headers)
        if not isinstance(found, dict):
            raise ProviderError("the answer is no object")
        return found

    def _secret(self) -> dict[str, str]:
        """`client_secret_basic` (RFC 6749, 2.3.1); read each time, as secrets are replaced."""
        if self._secret_file is None:
            return {}
        try:
            secret = first_bytes(self._secret_file, MAX_SECRET_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            raise ProviderError(f"the client's secret cannot be read: {error}") from error
        pair = f"{quote(self._client_id, safe='')}:{quote(secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _discover(self) -> None:
        wait_s, spread = FIRST_RETRY_S, random.Random()
        pause = threading.Event()
        while True:
            try:
                base = self._issuer.issuer.rstrip("/")
                document = self._ask("GET", base + WELL_KNOWN, None, {"Accept": "application/json"})
                self._endpoints = logins.endpoints(document, self._issuer.issuer)
                wait_s = AGAIN_S
            except (ProviderError, ValueError) as error:
                log.warning("the console's provider is not found", extra={"reason": str(error)[:500]})
                wait_s = FIRST_RETRY_S if wait_s == AGAIN_S else min(MAX_RETRY_S, 2 * wait_s)
            pause.wait(wait_s * spread.uniform(0.8, 1.2))

    def _ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
        origin, path = origin_and_path(url)
        client = HttpClient(origin, ca_file=self._issuer.ca, connect_timeout_s=TIMEOUT_S, max_idle=0)
        try:
            answer = client.request(
                method,
                path,
                timeout_s=TIMEOUT_S,
                body=body,
                headers=headers,
                resend=False,
                max_answer_bytes=MAX_ANSWER_BYTES,
            )
        except (NotSentError, OutcomeUnknownError) as error:
            raise ProviderError(str(error)) from error
        finally:
            client.close()
        parts = urlsplit(url)
        if answer.status != 200:
            raise ProviderError(f"{parts.netloc}{parts.path} answered {answer.status}")
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise ProviderError(f"{parts.netloc}{parts.path} did not answer with JSON") from error
