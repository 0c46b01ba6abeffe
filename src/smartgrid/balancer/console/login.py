"""One login by authorization code with PKCE (RFC 7636), as far as it is decided here. Pure.

The browser is sent to the provider with a state, a nonce and the hash of a verifier. All three are kept in a cookie of
this login, so the answer is good only in the browser that asked: a link with somebody else's code signs nobody in. The
cookie is named by the state, so that two tabs do not take each other's.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

RANDOM_BYTES = 24
VERIFIER_BYTES = 48
MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Login:
    """`state` names it, `nonce` is to come back in the ID token, `verifier` proves to the provider who asked."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked for a login, and where a code is turned into tokens."""

    authorization: str
    token: str


def begin() -> Login:
    return Login(
        secrets.token_urlsafe(RANDOM_BYTES), secrets.token_urlsafe(RANDOM_BYTES), secrets.token_urlsafe(VERIFIER_BYTES)
    )


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_url(endpoints: Endpoints, login: Login, client_id: str, redirect_uri: str, scope: str) -> str:
    """Where the browser goes."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": login.state,
        "nonce": login.nonce,
        "code_challenge": challenge(login.verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if urlsplit(endpoints.authorization).query else "?"
    return f"{endpoints.authorization}{joint}{urlencode(query)}"


def endpoints(document: Any, issuer: str) -> Endpoints:
    """From a provider's discovery document. Raises ValueError that says what is wrong with it."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError(f"the document is not that of {issuer}")
    found = Endpoints(*(_url(document, name, issuer) for name in ("authorization_endpoint", "token_endpoint")))
    methods = document.get("code_challenge_methods_supported", ["S256"])
    if not isinstance(methods, list) or "S256" not in methods:
        raise ValueError("the provider has no PKCE with S256")
    return found


def _url(document: dict[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or len(url) > MAX_URL or not url.isascii() or not url.isprintable():
        raise ValueError(f"{name} is no URL")
    allowed = ("https",) if urlsplit(issuer).scheme == "https" else ("http", "https")
    parts = urlsplit(url)
    if parts.scheme not in allowed or not parts.hostname or parts.fragment:
        raise ValueError(f"{name} must be an {allowed[-1]} URL")
    return url
