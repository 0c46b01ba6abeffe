"""The console of `smartgrid up --auth`: signed in to by its link, and operated."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from console.conftest import PICTURES
from smartgrid.auth.local_issuer import ISSUER, LocalIssuer
from smartgrid.auth.principal import owner_of
from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_READ, GRID_SERVICE
from support.http import Reply, call
from support.ports import free_ports
from support.processes import environment, wait_until

Open = Callable[..., Page]
TIMEOUT_S = 120.0
LINK = re.compile(r"console +(http://\S+/)#token=(\S+)")
PROOF = {"Smartgrid-Console": "1"}


class Up:
    """`smartgrid up --auth`, and its issuer."""

    def __init__(self, folder: Path) -> None:
        self._out, self.data_dir = folder / "up.out", folder / "data"
        gateway, balancer, substation, _ = free_ports(4)
        self.gateway, self.balancer = f"http://127.0.0.1:{gateway}", f"http://127.0.0.1:{balancer}"
        ports = {"--gateway-port": gateway, "--balancer-port": balancer, "--substation-port": substation}
        options = [str(each) for pair in ports.items() for each in pair]
        command = [sys.executable, "-m", "smartgrid", "up", "--auth", "--substations", "2", "--capacity-kw", "100"]
        with self._out.open("w") as out:
            self.popen = subprocess.Popen(
                [*command, "--data-dir", str(self.data_dir), *options], env=environment({}), stdout=out, stderr=out
            )

    def wait_ready(self) -> None:
        wait_until(lambda: "\nready\n" in self._out.read_text(), TIMEOUT_S, "up is ready")

    def link(self) -> str:
        """As it was printed."""
        found = LINK.search(self._out.read_text())
        assert found
        return f"{found[1]}#token={found[2]}"

    def link_of(self, subject: str, *scopes: str) -> str:
        return f"{self.balancer}/#token={self.token(subject, *scopes)}"

    def token(self, subject: str, *scopes: str, lifetime_s: float = 3600.0) -> str:
        return LocalIssuer(self.data_dir / "auth").token(subject, scopes, lifetime_s)

    def bearer(self, subject: str, *scopes: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject, *scopes)}"}

    def charge(self, vehicle_id: str) -> str:
        body = {"vehicle_id": vehicle_id, "energy_kwh": 40, "max_power_kw": 11}
        reply = call(
            "POST", f"{self.gateway}/charge", json=body, headers=self.bearer("driver", CHARGE_WRITE, CHARGE_READ)
        )
        assert reply.status == 201, reply.body
        return str(reply.json()["session_id"])

    def audited(self, action: str) -> list[dict[str, Any]]:
        text = (self.data_dir / "logs" / "balancer.log").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"stream":"audit"')]
        return [line for line in lines if line["did"] == action]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("auth"))
    try:
        running.wait_ready()
        yield running
    finally:
        running.popen.send_signal(signal.SIGTERM)
        running.popen.wait(TIMEOUT_S)


@pytest.fixture
def operator_page(up: Up, open_page: Open) -> Page:
    page = open_page(up.link())
    expect(page.locator(".substation .name")).to_have_text(["substation-0", "substation-1"])
    return page


def cookie(up: Up, *scopes: str, subject: str = "someone") -> dict[str, str]:
    """The header of one who has signed in."""
    reply = call("POST", f"{up.balancer}/console/session", headers=up.bearer(subject, *scopes))
    assert reply.status == 200, reply.body
    return {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}


def put(up: Up, capacity_kw: float, headers: dict[str, str]) -> Reply:
    url = f"{up.balancer}/substations/substation-0/capacity"
    return call("PUT", url, json={"capacity_kw": capacity_kw}, headers=headers)


# ---------------------------------------------------------------------- in a browser


def test_the_printed_link_signs_in_and_leaves_no_token_behind(up: Up, operator_page: Page) -> None:
    expect(operator_page.locator("#connection-text")).to_have_text("Live")
    expect(operator_page.locator("#sign-in")).to_be_hidden()

    assert operator_page.url == f"{up.balancer}/"
    assert operator_page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    (kept,) = operator_page.context.cookies()
    assert (kept["httpOnly"], kept["sameSite"]) == (True, "Lax")
    assert "eyJ" not in kept["value"]


def test_a_reload_stays_signed_in(operator_page: Page) -> None:
    operator_page.reload()

    expect(operator_page.locator("#connection-text")).to_have_text("Live")


def test_without_a_link_the_page_asks_to_sign_in_and_takes_a_token(up: Up, open_page: Open) -> None:
    page = open_page(up.balancer + "/")
    expect(page.locator("#sign-in-title")).to_be_visible()
    expect(page.locator("#main")).to_be_hidden()

    page.locator("#token").fill(up.token("viewer", GRID_READ))
    page.locator("#token").press("Enter")

    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#sign-in")).to_be_hidden()


def test_a_token_that_is_none_is_said_so(up: Up, open_page: Open) -> None:
    page = open_page(f"{up.balancer}/#token=nonsense")

    expect(page.locator("#sign-in-problem")).to_contain_text("not signed in")
    assert "nonsense" not in page.url


def test_a_driver_is_told_that_they_may_not(up: Up, open_page: Open) -> None:
    page = open_page(up.link_of("driver", CHARGE_READ, CHARGE_WRITE))

    expect(page.locator("#sign-in-problem")).to_contain_text("may not see the grid")
    page.screenshot(path=PICTURES / "may-not.png")
    expect(page.locator("#main")).to_be_hidden()


def test_an_operator_limits_a_substation(up: Up, operator_page: Page) -> None:
    operator_page.locator("[data-name=substation-0] button").click()
    operator_page.locator("#limit").click()
    operator_page.locator("#confirm-value").fill("62.5")
    operator_page.screenshot(path=PICTURES / "limit.png")
    operator_page.locator("#confirm-yes").click()

    expect(operator_page.locator("#details-done")).to_have_text("The limit of substation-0 is 62.5 kW.")
    expect(operator_page.locator("[data-name=substation-0] .numbers").first).to_contain_text("of 62.5 kW")
    wait_until(lambda: bool(up.audited("capacity")), what="a line of the audit")
    line = up.audited("capacity")[-1]
    assert (line["who"], line["to"]) == (owner_of(ISSUER, "operator"), {"name": "substation-0", "capacity_kw": 62.5})


def test_a_limit_that_is_none_is_refused_in_the_dialog(operator_page: Page) -> None:
    operator_page.locator("[data-name=substation-0] button").click()
    operator_page.locator("#limit").click()
    operator_page.locator("#confirm-value").fill("-5")
    operator_page.locator("#confirm-yes").click()

    expect(operator_page.locator("#confirm-problem")).to_contain_text("from 0 to")


def test_what_is_not_confirmed_is_not_done(operator_page: Page) -> None:
    operator_page.locator("[data-name=substation-1] button").click()
    operator_page.locator("#drain").click()
    operator_page.locator("#confirm-no").click()

    expect(operator_page.locator("#confirm")).to_be_hidden()
    expect(operator_page.locator("[data-name=substation-1] .state")).to_have_text("available")


def test_an_operator_drains_a_substation_and_has_it_take_cars_again(operator_page: Page) -> None:
    operator_page.locator("[data-name=substation-1] button").click()
    operator_page.locator("#drain").click()
    expect(operator_page.locator("#confirm-title")).to_have_text("Drain substation-1")
    operator_page.locator("#confirm-yes").click()
    expect(operator_page.locator("[data-name=substation-1] .state")).to_have_text("draining")

    expect(operator_page.locator("#drain")).to_have_text("Take cars again…")
    operator_page.locator("#drain").click()
    operator_page.locator("#confirm-yes").click()
    expect(operator_page.locator("[data-name=substation-1] .state")).to_have_text("available")


def test_an_operator_stops_a_session(up: Up, operator_page: Page) -> None:
    where = up.charge("EV-TO-STOP").partition(".")[0]
    operator_page.locator(f"[data-name={where}] button").click()
    row = operator_page.locator("#details-rows tr", has_text="EV-TO-STOP")
    expect(row).to_be_visible()
    operator_page.screenshot(path=PICTURES / "operator.png")

    row.locator("button.stop").click()
    operator_page.locator("#confirm-yes").click()

    expect(operator_page.locator("#details-done")).to_have_text("EV-TO-STOP was stopped.")
    expect(row).to_have_count(0)
    wait_until(lambda: bool(up.audited("stop")), what="a line of the audit")
    assert up.audited("stop")[-1]["outcome"] == "done"


def test_who_may_only_look_is_offered_nothing_else(up: Up, open_page: Open) -> None:
    up.charge("EV-SEEN")
    page = open_page(up.link_of("viewer", GRID_READ))
    where = page.locator(".substation", has_text="1 car").first
    where.locator("button").click()

    expect(page.locator("#details-rows tr")).not_to_have_count(0)
    expect(page.locator("#operate")).to_be_hidden()
    expect(page.locator("#details-rows button.stop").first).to_be_hidden()


def test_signing_out_ends_it(up: Up, operator_page: Page) -> None:
    operator_page.locator("#sign-out").click()

    expect(operator_page.locator("#sign-in-title")).to_be_visible()
    assert operator_page.context.cookies() == []
    wait_until(lambda: bool(up.audited("sign-out")), what="a line of the audit")


def test_when_the_balancer_forgets_who_it_was_the_page_asks_again(operator_page: Page) -> None:
    operator_page.context.clear_cookies()

    expect(operator_page.locator("#sign-in-problem")).to_have_text("You are not signed in any more.")


# ---------------------------------------------------------------------- without one


@pytest.mark.parametrize("path", ["/console/feed", "/console/history", "/console/sessions/substation-0"])
def test_json_is_refused_with_a_problem_and_never_redirects(up: Up, path: str) -> None:
    reply = call("GET", up.balancer + path)

    assert (reply.status, reply.json()["code"]) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_site_cannot_use_the_cookie(up: Up) -> None:
    """It can make the browser send the cookie, but not the header."""
    signed_in = cookie(up, GRID_READ, "grid:operate")

    refused = put(up, 11, signed_in)

    assert (refused.status, refused.json()["code"]) == (403, "forbidden")
    assert "Smartgrid-Console" in refused.json()["detail"]
    assert put(up, 77, signed_in | PROOF).json()["capacity_kw"] == 77


def test_a_cookie_allows_no_more_than_the_token_did(up: Up) -> None:
    refused = put(up, 11, cookie(up, GRID_READ) | PROOF)

    assert (refused.status, refused.json()["needs"]) == (403, ["grid:operate"])


def test_a_cookie_gets_no_other_cookie(up: Up) -> None:
    """Else whoever has one stays for ever."""
    reply = call("POST", f"{up.balancer}/console/session", headers=cookie(up, GRID_READ) | PROOF)

    assert reply.status == 401


def test_a_cookie_lives_no_longer_than_the_token(up: Up) -> None:
    bearer = {"Authorization": f"Bearer {up.token('short', GRID_READ, lifetime_s=90)}"}
    reply = call("POST", f"{up.balancer}/console/session", headers=bearer)

    found = re.search(r"Max-Age=(\d+)", reply.headers["Set-Cookie"])
    assert found
    assert 0 < int(found[1]) <= 90


@pytest.mark.parametrize("scopes", [(CHARGE_READ,), (GRID_SERVICE,)])
def test_who_is_no_viewer_or_no_person_gets_no_cookie(up: Up, scopes: tuple[str, ...]) -> None:
    reply = call("POST", f"{up.balancer}/console/session", headers=up.bearer("someone", *scopes))

    assert reply.status == 403
    assert "Set-Cookie" not in reply.headers


def test_a_cookie_that_is_none_is_nobodys(up: Up) -> None:
    name = cookie(up, GRID_READ)["Cookie"].partition("=")[0]

    assert call("GET", f"{up.balancer}/console/feed", headers={"Cookie": f"{name}=forged"}).status == 401


def test_signing_in_is_audited_also_where_it_is_forbidden(up: Up) -> None:
    cookie(up, GRID_READ, subject="audited-viewer")
    call("POST", f"{up.balancer}/console/session", headers=up.bearer("audited-driver", CHARGE_READ))

    def outcomes() -> set[tuple[str, str]]:
        return {(line["who"], line["outcome"]) for line in up.audited("sign-in")}

    expected = {
        (owner_of(ISSUER, "audited-viewer"), "done"),
        (owner_of(ISSUER, "audited-driver"), "forbidden"),
    }
    wait_until(lambda: expected <= outcomes(), what="both lines of the audit")
