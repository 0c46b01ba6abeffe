"""Logs in at an identity provider: runs in a pod, with nothing but the standard library, and prints what it was given.

The argument is JSON: `issuer`, `client`, `redirect_uri`, `user`, `password`, and `flow`: `code` does what a browser and
an application do together, by authorization code with PKCE; `password` is the password grant. `wrong_verifier` has the
application prove itself with another verifier than the one that the login began with.
"""

from __future__ import annotations

import base64
import hashlib
import html
import http.cookiejar
import json
import re
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TIMEOUT_S = 10
SCOPE = "openid email groups"


class RefusedError(Exception):
    """The provider says no; the message is what it said."""


class BackAtApplicationError(Exception):
    """The browser was sent to the application; the message is where to."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Followed, but for the one that leads back to the application."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        if newurl.startswith(self.redirect_uri):
            raise BackAtApplicationError(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def query(**values: str) -> str:
    return urllib.parse.urlencode(values)


def tokens(issuer: str, **form: str) -> dict[str, Any]:
    """Ask the token endpoint."""
    try:
        with urllib.request.urlopen(f"{issuer}/token", query(**form).encode(), TIMEOUT_S) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise RefusedError(f"{error.code} {error.read().decode()}") from None


def code_flow(asked: dict[str, Any]) -> dict[str, Any]:
    """Begin the login, fill in the page's form, and exchange the code that the browser brings back."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    start = asked["issuer"] + "/auth?" + query(
        client_id=asked["client"], redirect_uri=asked["redirect_uri"], response_type="code", scope=SCOPE, state=state,
        code_challenge=challenge, code_challenge_method="S256",
    )  # fmt: skip
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(log_in(start, asked)).query)
    if back["state"] != [state]:
        raise RefusedError("the state that came back is another one")
    return tokens(
        asked["issuer"], grant_type="authorization_code", client_id=asked["client"], code=back["code"][0],
        redirect_uri=asked["redirect_uri"],
        code_verifier=secrets.token_urlsafe(48) if asked.get("wrong_verifier") else verifier,
    )  # fmt: skip


def log_in(start: str, asked: dict[str, Any]) -> str:
    """What the browser does, up to the address at the application that it is sent to."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies, Redirects(asked["redirect_uri"]))
    try:
        with browser.open(start, timeout=TIMEOUT_S) as page:
            action = re.search(r'<form[^>]*action="([^"]+)"', page.read().decode())
            if action is None:
                raise RefusedError("the page has no form")
            target = urllib.parse.urljoin(page.url, html.unescape(action[1]))
        form = query(login=asked["user"], password=asked["password"]).encode()
        with browser.open(target, form, TIMEOUT_S):
            raise RefusedError("still at the login page")
    except BackAtApplicationError as where:
        return str(where)
    except urllib.error.HTTPError as error:
        raise RefusedError(f"{error.code} at the login page") from None


def password_grant(asked: dict[str, Any]) -> dict[str, Any]:
    """Hand over the password itself, which only tests do."""
    return tokens(
        asked["issuer"], grant_type="password", client_id=asked["client"], scope=SCOPE, username=asked["user"],
        password=asked["password"],
    )  # fmt: skip


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    try:
        given = {"code": code_flow, "password": password_grant}[wanted["flow"]](wanted)
        print(json.dumps({"id_token": given["id_token"]}))  # noqa: T201 - the harness reads it
    except RefusedError as refusal:
        print(json.dumps({"refused": str(refusal)}))  # noqa: T201
