"""A page that follows a session with the browser's own EventSource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support.grid import charge
from support.processes import Process, running, wait_until

FOLLOW = """id => {
  window.told = [];
  window.source = new EventSource(`/sessions/${id}/events`);
  source.addEventListener("session", event => told.push(JSON.parse(event.data).state));
}"""


@pytest.fixture
def gateway(balancer: Process, tmp_path: Path) -> Iterator[Process]:
    made = Process("gateway", tmp_path / "gateway", balancer_url=balancer.url)
    with running(made):
        yield made


@pytest.fixture
def page(gateway: Process, open_page: Callable[..., Page]) -> Page:
    page = open_page(gateway.url + "/")
    page.wait_for_load_state("networkidle")  # the page itself has all that it asks for, before a gateway is killed
    return page


def test_it_is_told_what_changes_and_does_not_come_back_after_the_end(gateway: Process, page: Page) -> None:
    session_id = charge(gateway, "EV-page").json()["session_id"]

    page.evaluate(FOLLOW, session_id)
    wait_until(lambda: page.evaluate("told.join() == 'Charging'"), 60)
    gateway.call("DELETE", f"/sessions/{session_id}")

    wait_until(lambda: page.evaluate("told.join() == 'Charging,Idle'"), 60)
    wait_until(lambda: page.evaluate("source.readyState == EventSource.CLOSED"), 60)
    assert page.evaluate("told.join()") == "Charging,Idle"


def test_it_comes_back_by_itself_where_a_gateway_was_killed(gateway: Process, page: Page) -> None:
    session_id = charge(gateway, "EV-page").json()["session_id"]
    page.evaluate(FOLLOW, session_id)
    wait_until(lambda: page.evaluate("told.length == 1"), 60)

    gateway.kill()
    gateway.restart()

    wait_until(lambda: page.evaluate("told.length == 2"), 60)
    gateway.call("DELETE", f"/sessions/{session_id}")
    wait_until(lambda: page.evaluate("told.at(-1) == 'Idle'"), 60)
