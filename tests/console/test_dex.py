"""Signing in to the console with Dex, a real identity provider, in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.conftest import WAIT_MS
from support.http import answers
from support.ports import free_port
from support.processes import Process, running, wait_until

BUILT = Path.home() / ".cache" / "smart-grid" / "cluster" / "bin" / "dex"  # for the tests on a cluster
DEX = os.environ.get("DEX") or shutil.which("dex") or (str(BUILT) if BUILT.exists() else None)
CLIENT, PASSWORD = "smartgrid-console", "password"
PASSWORD_HASH = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W"
GROUPS = {"operator": "operators", "driver": "drivers"}

pytestmark = pytest.mark.skipif(DEX is None, reason="Dex is not built: make cluster, or name it in DEX")


@dataclass(frozen=True)
class Grid:
    issuer: str
    balancer: Process


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder, port = tmp_path_factory.mktemp("dex"), free_port()
    issuer, secret = f"http://127.0.0.1:{port}/dex", folder / "secret"
    secret.write_text("the+secret/of:console\n")
    entry = {
        "issuer": issuer,
        "audience": "smartgrid",
        "jwks": f"{issuer}/keys",
        "claims": {"scope": "groups"},
        "grants": {"operators": ["grid:read", "grid:operate"], "drivers": ["charge:read", "charge:write"]},
    }
    balancer = Process(
        "balancer",
        folder / "balancer",
        auth_issuers=json.dumps([entry]),
        console_issuer=issuer,
        console_client_id=CLIENT,
        console_client_secret_file=secret,
        console_scope="openid groups",
    )
    balancer.settings["console_url"] = balancer.url
    (folder / "dex.yaml").write_text(json.dumps(configuration(issuer, port, balancer.url, secret.read_text().strip())))
    with (folder / "dex.log").open("w") as log:
        dex = subprocess.Popen([str(DEX), "serve", str(folder / "dex.yaml")], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(f"{issuer}/.well-known/openid-configuration"), 60, "Dex answers")
        with running(balancer):
            yield Grid(issuer, balancer)
    finally:
        dex.kill()
        dex.wait(30)


def configuration(issuer: str, port: int, console: str, secret: str) -> dict[str, object]:
    people = [
        {"email": f"{name}@example.com", "username": name, "userID": name, "groups": [group], "hash": PASSWORD_HASH}
        for name, group in GROUPS.items()
    ]
    client = {"id": CLIENT, "name": "Console", "secret": secret, "redirectURIs": [f"{console}/console/callback"]}
    return {
        "issuer": issuer,
        "storage": {"type": "memory"},
        "web": {"http": f"127.0.0.1:{port}"},
        "oauth2": {"skipApprovalScreen": True},
        "enablePasswordDB": True,
        "staticPasswords": people,
        "staticClients": [client],
    }


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def log_in(page: Page, grid: Grid, name: str) -> None:
    page.goto(grid.balancer.url)
    page.locator("#sign-in-provider a").click()
    page.locator("input[type=text], input[type=email]").first.fill(f"{name}@example.com")
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()


def test_an_operator_logs_in_and_is_back_at_the_console(page: Page, grid: Grid) -> None:
    log_in(page, grid, "operator")

    expect(page.locator("#connection-text")).to_have_text("Live")
    assert page.url == f"{grid.balancer.url}/"
    scopes = page.evaluate("fetch('/console/session').then((answer) => answer.json()).then((found) => found.scopes)")
    assert scopes == ["grid:operate", "grid:read"]


def test_a_driver_logs_in_and_is_told_that_they_may_not(page: Page, grid: Grid) -> None:
    log_in(page, grid, "driver")

    expect(page.locator("#sign-in-problem")).to_contain_text("may not see the grid")
    assert page.url == f"{grid.balancer.url}/"


def test_a_wrong_password_does_not_come_back(page: Page, grid: Grid) -> None:
    page.goto(grid.balancer.url)
    page.locator("#sign-in-provider a").click()
    page.locator("input[type=text], input[type=email]").first.fill("operator@example.com")
    page.locator("input[type=password]").fill("wrong")
    page.locator("button[type=submit]").click()

    expect(page.locator("#login-error")).to_be_visible()
    assert page.url.startswith(grid.issuer)
