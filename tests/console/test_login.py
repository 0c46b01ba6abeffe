"""A login by code with PKCE, as far as it is decided without a network."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from smartgrid.balancer.console import login
from smartgrid.balancer.console.login import Endpoints

ISSUER = "https://login.example.com"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "code_challenge_methods_supported": ["S256", "plain"],
}


def test_the_challenge_is_that_of_the_standards_example():
    """RFC 7636, appendix B."""
    assert (
        login.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_the_browser_takes_along_the_state_the_nonce_and_the_challenge_but_not_the_verifier():
    begun = login.begin()
    url = login.authorization_url(
        Endpoints(f"{ISSUER}/auth?tenant=1", f"{ISSUER}/token"),
        begun,
        "console",
        "https://grid/console/callback",
        "openid",
    )

    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked.pop("tenant") == "1"
    assert asked == {
        "response_type": "code",
        "client_id": "console",
        "redirect_uri": "https://grid/console/callback",
        "scope": "openid",
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": login.challenge(begun.verifier),
        "code_challenge_method": "S256",
    }
    assert begun.verifier not in url


def test_no_two_logins_are_alike():
    first, second = login.begin(), login.begin()

    assert not {first.state, first.nonce, first.verifier} & {second.state, second.nonce, second.verifier}
    assert 43 <= len(first.verifier) <= 128


def test_endpoints_come_from_the_issuers_own_document():
    assert login.endpoints(DOCUMENT, ISSUER) == Endpoints(f"{ISSUER}/auth", f"{ISSUER}/token")


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example.com"},
        {"authorization_endpoint": "http://login.example.com/auth"},  # an https issuer does not send people to http
        {"token_endpoint": None},
        {"token_endpoint": "javascript:alert(1)"},
        {"token_endpoint": f"{ISSUER}/token\r\nX: y"},
        {"authorization_endpoint": f"{ISSUER}/{'a' * 3000}"},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_a_document_that_is_wrong_is_not_believed(changes):
    with pytest.raises(ValueError, match=r"."):
        login.endpoints(DOCUMENT | changes, ISSUER)


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_what_is_no_document_is_not_believed(document):
    with pytest.raises(ValueError, match="not that of"):
        login.endpoints(document, ISSUER)
