"""Signing in with an identity provider, at two balancers that share a key: what is believed, and what is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from console.stub_provider import AUDIENCE, CLIENT, StubProvider
from support.http import Reply, call
from support.ports import free_port
from support.processes import Process, run_to_end, running, wait_until

Open = Callable[..., Page]
CONSOLE_URL = "https://grid.example.com"  # as behind a proxy that ends TLS
PROOF = {"Smartgrid-Console": "1"}


@dataclass(frozen=True)
class Balancers:
    provider: StubProvider
    first: Process
    second: Process


@pytest.fixture(scope="module")
def running_balancers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancers]:
    folder = tmp_path_factory.mktemp("provider")
    (folder / "key").write_bytes(b"k" * 32)
    with StubProvider().running() as provider:
        settings = {
            "auth_issuers": json.dumps([provider.issuer()]),
            "console_issuer": provider.url,
            "console_client_id": CLIENT,
            "console_url": CONSOLE_URL,
            "console_key_file": folder / "key",
        }
        first, second = (Process("balancer", folder / name, **settings) for name in ("first", "second"))
        with running(first, second):
            for each in (first, second):
                wait_until(lambda each=each: "/auth?" in location(start(each)), what="the provider is found")
            yield Balancers(provider, first, second)


@pytest.fixture
def grid(running_balancers: Balancers) -> Balancers:
    running_balancers.provider.reset()
    return running_balancers


def start(balancer: Process) -> Reply:
    return balancer.call("GET", "/console/login")


def location(reply: Reply) -> str:
    assert reply.status == 303
    return str(reply.headers["Location"])


def asked(begun: Reply) -> dict[str, str]:
    """What the browser takes to the provider."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location(begun)).query).items()}


def cookies(reply: Reply) -> dict[str, str]:
    """The cookies that an answer leaves in the browser."""
    found = [each.partition(";")[0].partition("=") for each in reply.headers.get_all("Set-Cookie") or []]  # type: ignore[attr-defined]
    return {name: value for name, _, value in found if value}


def sent(kept: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}


def come_back(balancer: Process, begun: Reply, kept: dict[str, str] | None = None, **query: str) -> Reply:
    """As the provider sends the browser back; by default with the cookies that the browser was given."""
    taken = asked(begun)
    query = {"state": taken["state"], "code": f"{taken['nonce']}.{taken['code_challenge']}", **query}
    kept = cookies(begun) if kept is None else kept
    return balancer.call("GET", f"/console/callback?{urlencode(query)}", headers=sent(kept))


def sign_in(balancer: Process) -> Reply:
    return come_back(balancer, start(balancer))


def session(balancer: Process, kept: dict[str, str]) -> list[str]:
    """What one may do who comes with these cookies."""
    return list(balancer.call("GET", "/console/session", headers=sent(kept)).json()["scopes"])


def test_a_login_that_goes_well_ends_at_the_page_with_one_cookie(grid: Balancers) -> None:
    done = sign_in(grid.first)

    assert location(done) == "/"
    assert session(grid.first, cookies(done)) == ["grid:operate", "grid:read"]
    assert grid.first.call("GET", "/console/feed", headers=sent(cookies(done))).status == 200


def test_over_https_the_cookies_are_this_hosts_alone(grid: Balancers) -> None:
    for reply in (start(grid.first), sign_in(grid.first)):
        for line in reply.headers.get_all("Set-Cookie"):  # type: ignore[attr-defined]
            assert line.startswith("__Host-smartgrid-")
            for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
                assert attribute in line
            assert "Domain" not in line


def test_what_one_balancer_has_begun_another_one_finishes(grid: Balancers) -> None:
    done = come_back(grid.second, start(grid.first))

    assert session(grid.first, cookies(done)) == session(grid.second, cookies(done)) == ["grid:operate", "grid:read"]


def test_the_code_is_exchanged_with_the_verifier(grid: Balancers) -> None:
    sign_in(grid.first)

    (form,) = grid.provider.forms
    assert form["grant_type"] == "authorization_code"
    assert form["client_id"] == CLIENT
    assert form["redirect_uri"] == f"{CONSOLE_URL}/console/callback"


def test_a_browser_that_did_not_begin_the_login_is_not_signed_in(grid: Balancers) -> None:
    """Else a link with an attacker's code would sign people in as the attacker."""
    begun, others = start(grid.first), cookies(start(grid.first))

    for kept in ({}, others):
        done = come_back(grid.first, begun, kept)
        assert location(done) == "/#sign-in=other-login"
        assert session(grid.first, cookies(done)) == []
    assert grid.provider.forms == []


def test_two_tabs_do_not_take_each_others_login(grid: Balancers) -> None:
    first, second = start(grid.first), start(grid.first)
    both = cookies(first) | cookies(second)

    for begun in (first, second):
        assert location(come_back(grid.first, begun, both)) == "/"


def test_a_login_is_good_for_one_time(grid: Balancers) -> None:
    done = sign_in(grid.first)

    forgotten = [line for line in done.headers.get_all("Set-Cookie") if "login-" in line]  # type: ignore[attr-defined]
    assert len(forgotten) == 1
    assert "Max-Age=0" in forgotten[0]


def test_a_browser_keeps_only_so_many_logins(grid: Balancers) -> None:
    kept: dict[str, str] = {}
    for _ in range(30):
        reply = grid.first.call("GET", "/console/login", headers=sent(kept))
        for line in reply.headers.get_all("Set-Cookie"):  # type: ignore[attr-defined]
            name, _, value = line.partition(";")[0].partition("=")
            kept.pop(name, None)
            kept |= {name: value} if value else {}

    assert len(kept) <= 9


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": AUDIENCE},  # a token of the API is no ID token of ours
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"exp": 1},
        {"iss": "https://evil.example.com"},
        {"sub": ""},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_of_this_login_signs_nobody_in(grid: Balancers, claims: dict[str, object]) -> None:
    grid.provider.id_claims = claims

    done = sign_in(grid.first)

    assert location(done) == "/#sign-in=provider"
    assert session(grid.first, cookies(done)) == []


def test_an_id_token_is_no_bearer_of_the_api(grid: Balancers) -> None:
    token = grid.provider.token(aud=CLIENT, groups=["operators"])

    reply = grid.first.call("GET", "/substations", headers={"Authorization": f"Bearer {token}"})

    assert reply.status == 401


def test_who_may_not_see_the_grid_gets_no_cookie(grid: Balancers) -> None:
    grid.provider.id_claims = {"groups": ["drivers"]}

    done = sign_in(grid.first)

    assert location(done) == "/#sign-in=may-not"
    assert cookies(done) == {}


def test_roles_that_only_the_access_token_has_count_if_it_is_the_same_persons(grid: Balancers) -> None:
    grid.provider.id_claims = {"groups": ["viewers"]}
    grid.provider.access_token = grid.provider.token(aud=AUDIENCE, groups=["operators"])
    assert session(grid.first, cookies(sign_in(grid.first))) == ["grid:operate", "grid:read"]

    grid.provider.access_token = grid.provider.token(aud=AUDIENCE, groups=["operators"], sub="somebody else")
    assert session(grid.first, cookies(sign_in(grid.first))) == ["grid:read"]


def test_an_access_token_that_nobody_can_read_does_not_matter(grid: Balancers) -> None:
    grid.provider.access_token = "opaque"

    assert location(sign_in(grid.first)) == "/"


def test_a_provider_that_fails_is_said_so(grid: Balancers) -> None:
    grid.provider.token_status = 500

    assert location(sign_in(grid.first)) == "/#sign-in=provider"


def test_somebody_who_changed_their_mind_is_not_signed_in(grid: Balancers) -> None:
    begun = start(grid.first)
    query = {"state": asked(begun)["state"], "error": "access_denied"}

    done = grid.first.call("GET", f"/console/callback?{urlencode(query)}", headers=sent(cookies(begun)))

    assert location(done) == "/#sign-in=denied"


def test_nothing_that_comes_back_is_put_into_the_address(grid: Balancers) -> None:
    done = grid.first.call("GET", "/console/callback?state=//evil.example.com&code=x&error=%0d%0aX:1")

    assert re.fullmatch(r"/#sign-in=[a-z-]+", location(done))


def test_a_login_that_is_audited_names_the_person(grid: Balancers) -> None:
    before = grid.first.log().count('"did":"sign-in"')
    sign_in(grid.first)

    wait_until(lambda: grid.first.log().count('"did":"sign-in"') == before + 1, what="a line of the audit")
    assert "anna" not in grid.first.log()


def test_what_is_changed_with_a_providers_login_needs_the_header_too(grid: Balancers) -> None:
    kept = sent(cookies(sign_in(grid.first)))
    url = "/substations/nowhere/draining"

    assert grid.first.call("PUT", url, json={"draining": True}, headers=kept).status == 403
    assert grid.first.call("PUT", url, json={"draining": True}, headers=kept | PROOF).status == 404


def test_where_anybody_may_look_operators_sign_in_by_a_button(grid: Balancers, tmp_path: Path, open_page: Open) -> None:
    settings = {name: grid.first.settings[name] for name in ("auth_issuers", "console_issuer", "console_client_id")}
    settings |= {"console_url": CONSOLE_URL, "auth_anonymous": "grid:read"}
    with Process("balancer", tmp_path, **settings) as balancer:
        page = open_page(balancer.url + "/")
        expect(page.locator("#connection-text")).to_have_text("Live")
        expect(page.locator("#sign-in")).to_be_hidden()

        page.locator("#to-sign-in").click()

        expect(page.locator("#sign-in-provider a")).to_be_visible()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"console_issuer": "https://nobody.example.com"}, "must be one of SMARTGRID_AUTH_ISSUERS"),
        ({"console_client_id": ""}, "SMARTGRID_CONSOLE_CLIENT_ID"),
        ({"console_url": "grid.example.com"}, "SMARTGRID_CONSOLE_URL"),
        ({"console_key_file": "/nonexistent"}, "SMARTGRID_CONSOLE_KEY_FILE"),
    ],
)
def test_settings_that_do_not_fit_are_refused(grid: Balancers, tmp_path: Path, settings: dict, said: str) -> None:
    given = {**grid.first.settings, "data_dir": tmp_path, "port": free_port(), **settings}

    code, error = run_to_end("balancer", **given)

    assert code == 2
    assert said in error


def test_a_balancer_serves_while_the_provider_is_away(tmp_path: Path) -> None:
    provider = StubProvider()
    settings = {
        "auth_issuers": json.dumps([provider.issuer()]),
        "console_issuer": provider.url,
        "console_client_id": CLIENT,
        "console_url": CONSOLE_URL,
    }
    provider._server.server_close()
    with Process("balancer", tmp_path, **settings) as balancer:
        assert location(start(balancer)) == "/#sign-in=provider"
        assert call("GET", balancer.url + "/").status == 200
