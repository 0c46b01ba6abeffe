"""A substation's chargers on the console, with real chargers led by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from console.conftest import PICTURES
from support.grid import Grid
from support.hand_charger import HandCharger
from support.processes import Process, wait_until

Open = Callable[..., Page]
MARKUP = "<img src=x>"


@pytest.fixture(scope="module")
def charging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """22 kW, which the tests' chargers share."""
    with Grid(tmp_path_factory.mktemp("charging"), [22.0], edge={"registration": "open"}) as grid:
        yield grid


def ready(charger: HandCharger) -> None:
    charger.boot()
    charger.status("Available")
    charger.wait_limit(lambda amps: amps == 0, "its default profile", "TxDefaultProfile")


def row(page: Page, charger: str) -> object:
    return page.locator(f'#chargers-rows tr[data-charger="{charger}"]')


def test_a_car_is_seen_with_its_amps_by_phase_and_the_limit(charging: Grid, open_page: Open) -> None:
    with HandCharger(charging.edge, "CP1") as charger, HandCharger(charging.edge, MARKUP) as other:
        ready(charger)
        other.boot()
        other.status("Available")
        charger.status("Charging")
        transaction_id = charger.start("EV-7")
        charger.wait_limit(lambda amps: amps > 6, "its share")
        charger.meter(transaction_id, 500, (15.9, 15.8, 0.0))
        page = open_page(charging.balancer.url + "/#substation-0")

        expect(page.locator("#chargers-title")).to_have_text("2 connectors")
        expect(row(page, "CP1")).to_contain_text("CP1 · 1")
        expect(row(page, "CP1")).to_contain_text("EV-7")
        expect(row(page, "CP1")).to_contain_text("15.9 / 15.8 / 0.0 A")
        expect(row(page, "CP1")).to_contain_text("limit")
        expect(page.locator("#chargers-rows img")).to_have_count(0)
        expect(page.locator("#details-rows tr")).to_contain_text("0.50 kWh")
        page.screenshot(path=PICTURES / "chargers.png")
        charger.stop(transaction_id, 600)


def test_one_that_leaves_is_seen_to_be_away(charging: Grid, open_page: Open) -> None:
    with HandCharger(charging.edge, "CP-away") as charger:
        charger.boot()
        charger.status("Available")
        page = open_page(charging.balancer.url + "/#substation-0")
        expect(row(page, "CP-away")).to_contain_text("Available")

    expect(row(page, "CP-away")).to_contain_text("offline since")


def test_what_chargers_may_draw_above_the_capacity_is_said_in_red(charging: Grid, open_page: Open) -> None:
    with HandCharger(charging.edge, "CP-cut") as charger:
        ready(charger)
        charger.status("Charging")
        transaction_id = charger.start("EV-cut")
        charger.wait_limit(lambda amps: amps > 6, "its share")
        charger.silent.add("SetChargingProfile")
        charger.meter(transaction_id, 100, 30)
        charging.substations[0].call("PUT", "/capacity", json={"capacity_kw": 9})
        page = open_page(charging.balancer.url + "/#substation-0")

        expect(page.locator("#details-over")).to_contain_text("Above its capacity")
        expect(page.locator(".substation .state")).to_contain_text("kW too much")
        charging.substations[0].call("PUT", "/capacity", json={"capacity_kw": 100})
        expect(page.locator("#details-over")).to_be_hidden()
        charging.substations[0].call("PUT", "/capacity", json={"capacity_kw": 22})
        charger.silent.clear()
        charger.stop(transaction_id, 200)


def test_who_does_not_obey_is_said_in_red(charging: Grid, open_page: Open) -> None:
    with HandCharger(charging.edge, "CP-wild") as charger:
        charger.boot()
        charger.status("Available")
        charger.answers["SetChargingProfile"] = {"status": "Rejected"}
        charger.status("Charging")
        transaction_id = charger.start("EV-8")
        charger.meter(transaction_id, 100, 30)

        def is_seen() -> bool:
            charger.meter(transaction_id, 100, 30)
            found = charging.edge.call("GET", "/chargers/substation-0/CP-wild").json()
            return found["obedience"] in ("rejects", "ignores")

        wait_until(is_seen, 120, "it is seen not to obey")
        page = open_page(charging.balancer.url + "/#substation-0")

        expect(page.locator("#chargers-title")).to_contain_text("1 not under control")
        said = row(page, "CP-wild").locator(".obeys")  # type: ignore[attr-defined]
        expect(said).to_have_text("refuses limits")
        assert said.evaluate("each => getComputedStyle(each).fontWeight") == "600"
        page.screenshot(path=PICTURES / "disobedient.png")
        charger.stop(transaction_id, 200)


def test_one_that_waits_for_power_is_said_so_at_its_charger(charging: Grid, open_page: Open) -> None:
    with HandCharger(charging.edge, "CP-first") as first, HandCharger(charging.edge, "CP-second") as second:
        charging.substations[0].call("PUT", "/capacity", json={"capacity_kw": 6})
        transactions = []
        for number, charger in enumerate((first, second)):
            ready(charger)
            charger.status("Charging")
            transactions.append(charger.start(f"EV-{number}"))
            charger.meter(transactions[number], 100, 0)
        page = open_page(charging.balancer.url + "/#substation-0")

        expect(row(page, "CP-second")).to_contain_text("waits, place 1")
        expect(row(page, "CP-second")).to_contain_text("3 \u00d7 0.0 A")
        expect(row(page, "CP-first")).to_contain_text("offered 6.0 kW")
        expect(page.locator("#waiting-rows tr")).to_contain_text("once there is room")
        for charger, transaction_id in zip((first, second), transactions, strict=True):
            charger.stop(transaction_id, 200)
        charging.substations[0].call("PUT", "/capacity", json={"capacity_kw": 22})


def test_an_edge_that_does_not_answer_is_said_so_and_the_sessions_are_shown(charging: Grid, open_page: Open) -> None:
    page = open_page(charging.balancer.url + "/#substation-0")
    expect(page.locator("#chargers")).to_be_visible()

    charging.edge.kill()
    try:
        expect(page.locator("#chargers-problem")).to_contain_text("The edge, where the chargers are, does not answer")
        expect(page.locator("#details-empty")).to_be_visible()
    finally:
        charging.edge.restart()


def test_a_grid_without_an_edge_shows_nothing_of_chargers_and_asks_for_none(balancer: Process, open_page: Open) -> None:
    asked: list[str] = []
    page = open_page(balancer.url + "/")
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".substation button").click()
    expect(page.locator("#details-empty")).to_be_visible()

    expect(page.locator("#chargers")).to_be_hidden()
    assert not any("/console/chargers" in url for url in asked)
    assert balancer.call("GET", "/console/chargers/substation-0").json()["code"] == "no-edge"
