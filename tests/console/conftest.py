"""A browser, and grids to look at with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from console.stub_substations import StubSubstations
from support.processes import Process, running

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(__file__).resolve().parents[2] / "results" / "console"
WAIT_MS = 20_000
MANY = 200


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; on Debian: apt-get install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests: a new one costs a second of CPU, a new page in one that has another open a quarter of that."""
    with browser.new_context() as context:
        context.set_default_timeout(WAIT_MS)
        context.new_page()
        yield context


class Errors(list[str]):
    """What went wrong in a page: scripts that failed, and what the page was not allowed to load."""


@pytest.fixture
def open_page(browser: Browser, profile: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Open a page that must cause no error and load nothing from elsewhere. Who is signed in is forgotten after."""
    errors = Errors()

    with ExitStack() as stack:
        stack.callback(profile.clear_cookies)

        def opened(url: str, **options: object) -> Page:
            origin = url.partition("#")[0]
            context = profile
            if options:
                context = stack.enter_context(browser.new_context(**options))  # type: ignore[arg-type]
                context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            stack.callback(page.close)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("dialog", lambda dialog: errors.append(f"dialog {dialog.message}") or dialog.dismiss())
            page.on("request", lambda sent: sent.url.startswith(origin) or errors.append(f"asked for {sent.url}"))
            page.goto(url)
            return page

        yield opened
    assert errors == []


@dataclass(frozen=True)
class Grids:
    """A real grid of one substation, and a balancer before many stubs."""

    substation: Process
    balancer: Process
    stubs: StubSubstations
    large_balancer: Process


@pytest.fixture(scope="session")
def grids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grids]:
    """All processes start at once."""
    folder = tmp_path_factory.mktemp("console")
    with StubSubstations(MANY).running() as stubs:
        substation = Process("substation", folder / "substation", name="substation-0", capacity_kw=100)
        balancer = Process("balancer", folder / "balancer", substations=substation.url, poll_interval_s=0.5)
        large_balancer = Process("balancer", folder / "large", substations=stubs.fleet())
        with running(substation, balancer, large_balancer):
            yield Grids(substation, balancer, stubs, large_balancer)


@pytest.fixture(scope="session")
def substation(grids: Grids) -> Process:
    return grids.substation


@pytest.fixture(scope="session")
def balancer(grids: Grids) -> Process:
    return grids.balancer


@pytest.fixture(scope="session")
def stubs(grids: Grids) -> StubSubstations:
    return grids.stubs


@pytest.fixture(scope="session")
def large_balancer(grids: Grids) -> Process:
    return grids.large_balancer
