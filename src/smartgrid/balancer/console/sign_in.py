"""Signing in to the console and out again: the routes, and the cookie as a way to know a caller (`web.access`).

A person signs in with the provider, or with a token: the link that `smartgrid up --auth` prints has one behind its #.
Either ends in one cookie that has the owner, the scopes and the expiry, sealed; no token is kept. Requests of the page
carry the cookie by themselves, also those that another site makes the browser send, so whatever changes something
needs a header, too, that only the page's own script can set. No JSON route ever redirects: the page gets 401 and says
"sign in". Whoever has signed in may do what their scopes say at all of the balancer's routes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from flask import Flask, Response, request
from pydantic_core import to_json

from smartgrid.auth import issuers
from smartgrid.auth.principal import Principal
from smartgrid.auth.scopes import GRID_READ, PEOPLE
from smartgrid.balancer.console import login as logins
from smartgrid.balancer.console import sealed
from smartgrid.balancer.console.login import Login
from smartgrid.balancer.console.provider import Provider, ProviderError
from smartgrid.balancer.console.sealed import Sealer
from smartgrid.balancer.settings import BalancerSettings
from smartgrid.runtime.start_error import StartError
from smartgrid.web import auditing
from smartgrid.web.access import Guard, needs, principal, unauthenticated
from smartgrid.web.app import JSON
from smartgrid.web.auditing import audited
from smartgrid.web.problems import ProblemError

HEADER = "Smartgrid-Console"
SESSION = "session"
LOGIN_LIFE_S = 600
MAX_LOGINS = 8
"""Begun at once in one browser: cookies are sent with each request, and a server bounds what it takes of them."""
MAX_CODE = 4096
SAFE = ("GET", "HEAD")
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignIn:
    """The views, with what they need. `url` is the console's own address, where it is known."""

    guard: Guard
    sealer: Sealer
    provider: Provider | None
    url: str
    session_s: float

    def install(self, app: Flask) -> None:
        """Add the routes."""
        app.add_url_rule("/console/session", "console_session", self.session, methods=["GET"])
        app.add_url_rule("/console/session", "console_sign_in", self.sign_in, methods=["POST"])
        app.add_url_rule("/console/session", "console_sign_out", self.sign_out, methods=["DELETE"])
        app.add_url_rule("/console/login", "console_login", self.login, methods=["GET"])
        app.add_url_rule("/console/callback", "console_callback", self.callback, methods=["GET"])

    # ------------------------------------------------------------------ who it is

    def who(self) -> Principal | None:
        """Whom the request's cookie names. Raises a problem (403) where another site may have sent it."""
        found = self._opened()
        if found is None:
            return None
        if request.method not in SAFE:
            _require_header()
        return Principal(str(found["owner"]), frozenset(found["scopes"]))

    @needs()
    def session(self) -> Response:
        """Whether anyone is asked, who the page acts for, what they may do, and how one signs in."""
        found = self._opened() if self.guard.asks else None
        anonymous = self.guard.anonymous
        scopes = found["scopes"] if found else sorted(anonymous.scopes) if anonymous else []
        shown = {
            "asks": self.guard.asks,
            "signed_in": found is not None,
            "scopes": scopes,
            "expires_s": found["exp"] if found else None,
            "provider": self.provider is not None,
        }
        return _json(shown)

    # ------------------------------------------------------------------ with a token

    @audited("sign-in")
    @needs(GRID_READ)
    def sign_in(self) -> Response:
        """A cookie for a token, which must be in the header: whoever has but a cookie does not get another."""
        header = request.headers.get("Authorization")
        if not self.guard.asks or header is None:
            raise unauthenticated("Send a token in the header Authorization: Bearer.")
        caller = principal()
        if caller.is_service:
            raise ProblemError(403, "forbidden", "The console is for people; this is the token of a service.")
        token = header.partition(" ")[2].strip()  # the guard has checked it
        expires_s = float(jwt.decode(token, options={"verify_signature": False})["exp"])
        return self._signed_in(caller, min(expires_s, time.time() + self.session_s), _json({"signed_in": True}))

    @audited("sign-out")
    @needs()
    def sign_out(self) -> Response:
        """The browser forgets the cookie."""
        _require_header()
        caller = self.who()
        if caller is not None:
            auditing.note_who(caller)
        response = _json({"signed_in": False})
        self._forget(response, self._cookie(SESSION))
        return response

    # ------------------------------------------------------------------ with the provider

    @needs()
    def login(self) -> Response:
        """To the provider."""
        begun = logins.begin()
        where = self.provider.url(begun) if self.provider is not None else None
        if where is None:
            return self._home("provider")
        response = _to(where)
        known = [name for name in request.cookies if name.startswith(self._cookie("login-"))]
        for name in known if len(known) >= MAX_LOGINS else ():
            self._forget(response, name)
        content = {"nonce": begun.nonce, "verifier": begun.verifier}
        text = self.sealer.seal(f"login {begun.state}", content, time.time() + LOGIN_LIFE_S)
        self._set(response, self._cookie(f"login-{begun.state}"), text, LOGIN_LIFE_S)
        return response

    @audited("sign-in")
    @needs()
    def callback(self) -> Response:
        """Back from the provider, with a code or a reason why there is none."""
        state, code = request.args.get("state", ""), request.args.get("code", "")
        name = self._cookie(f"login-{state[:64]}")
        text = request.cookies.get(name)
        kept = self.sealer.open(f"login {state}", text, time.time()) if text else None
        if kept is None or self.provider is None:
            return self._home("other-login")
        if not code or len(code) > MAX_CODE:
            log.info("sign-in refused", extra={"reason": str(request.args.get("error", ""))[:100]})
            response = self._home("denied")
        else:
            response = self._finish(code, Login(state, kept["nonce"], kept["verifier"]), self.provider)
        self._forget(response, name)
        return response

    def _finish(self, code: str, login: Login, provider: Provider) -> Response:
        try:
            caller = provider.principal(code, login)
        except ProviderError as error:
            log.warning("sign-in failed", extra={"reason": str(error)[:500]})
            return self._home("provider")
        if caller.is_service or not caller.may(GRID_READ):
            auditing.note_who(caller, "forbidden")
            return self._home("may-not")
        auditing.note_who(caller)
        return self._signed_in(caller, time.time() + self.session_s, self._home(None))

    # ------------------------------------------------------------------ cookies

    @property
    def _is_https(self) -> bool:
        return urlsplit(self.url).scheme == "https" or request.environ.get("wsgi.url_scheme") == "https"

    def _cookie(self, name: str) -> str:
        """Over https a name that only this host can have set; else with the port, which cookies do not tell apart."""
        if self._is_https:
            return f"__Host-smartgrid-{name}"
        return f"smartgrid-{request.environ['SERVER_PORT']}-{name}"

    def _opened(self) -> dict[str, Any] | None:
        if "HTTP_COOKIE" not in request.environ:
            return None
        text = request.cookies.get(self._cookie(SESSION))
        return self.sealer.open(SESSION, text, time.time()) if text else None

    def _signed_in(self, caller: Principal, expires_s: float, response: Response) -> Response:
        content = {"owner": caller.owner, "scopes": sorted(caller.scopes & PEOPLE)}
        text = self.sealer.seal(SESSION, content, expires_s)
        self._set(response, self._cookie(SESSION), text, max(0, int(expires_s - time.time())))
        return response

    def _set(self, response: Response, name: str, value: str, life_s: int) -> None:
        response.set_cookie(name, value, max_age=life_s, path="/", secure=self._is_https, httponly=True, samesite="Lax")

    def _forget(self, response: Response, name: str) -> None:
        self._set(response, name, "", 0)

    def _home(self, failure: str | None) -> Response:
        """To the page, which says in words why nobody is signed in."""
        return _to("/" + (f"#{urlencode({'sign-in': failure})}" if failure else ""))


def _require_header() -> None:
    if request.headers.get(HEADER) != "1":
        raise ProblemError(403, "forbidden", f"What is changed with the console's cookie needs the header {HEADER}: 1.")


def _to(where: str) -> Response:
    return Response(status=303, headers={"Location": where, **NO_STORE})


def _json(content: object) -> Response:
    return Response(to_json(content), headers=NO_STORE, content_type=JSON)


def of_settings(settings: BalancerSettings, guard: Guard) -> SignIn:
    """By the settings; begins to look for the provider, if there is one. Raises StartError."""
    provider = _provider(settings, guard)
    if provider is not None:
        provider.start()
    sealer = sealed.load(settings.console_key_file)
    return SignIn(guard, sealer, provider, settings.console_url, settings.console_session_h * 3600)


def _provider(settings: BalancerSettings, guard: Guard) -> Provider | None:
    name = settings.console_issuer
    if not name:
        return None
    if not settings.console_client_id or not settings.console_url:
        raise StartError("SMARTGRID_CONSOLE_ISSUER needs SMARTGRID_CONSOLE_CLIENT_ID and SMARTGRID_CONSOLE_URL, too")
    entries = [each for each in issuers.load(settings.auth_issuers) if each.issuer == name] if guard.asks else []
    if not entries or guard.authenticator is None:
        raise StartError(f"SMARTGRID_CONSOLE_ISSUER={name} must be one of SMARTGRID_AUTH_ISSUERS")
    return Provider(
        entries[0],
        guard.authenticator,
        client_id=settings.console_client_id,
        secret_file=settings.console_client_secret_file,
        redirect_uri=f"{settings.console_url}/console/callback",
        scope=settings.console_scope,
    )
