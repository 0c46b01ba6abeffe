"""The console in a real browser, on a real balancer with a real substation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from console.conftest import PICTURES, WAIT_MS
from support.processes import Process, frozen, wait_until

Open = Callable[..., Page]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
MARKUP = "<img src=x onerror=alert(1)>"

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(autouse=True)
def _empty(balancer: Process) -> Iterator[None]:
    yield
    for state in ("Waiting", "Charging"):  # first those who would start as the others end
        for session in balancer.call("GET", f"/charge?state={state}").json()["sessions"]:
            balancer.call("DELETE", f"/charge/{session['session_id']}")
    wait_until(lambda: _is_seen_empty(balancer), WAIT_MS / 1000, "the page shows no car of this test to the next one")


def _is_seen_empty(balancer: Process) -> bool:
    """In the page's list of cars, which is kept for a moment for all who ask."""
    reply = balancer.call("GET", "/console/sessions/substation-0")
    return reply.status == 200 and not reply.json()["sessions"] and not reply.json()["waiting"]


def charge(balancer: Process, vehicle_id: str = "EV-1", **car: float) -> None:
    body = {"vehicle_id": vehicle_id, "energy_kwh": 40, "max_power_kw": 20, **car}
    assert balancer.call("POST", "/charge", json=body).status == 201


def test_the_page_shows_the_fleet_and_loads_nothing_from_elsewhere(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")

    expect(page.locator(".substation .name")).to_have_text(["substation-0"])
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#total-capacity")).to_contain_text("of 100.0 kW")


def test_the_page_allows_no_script_or_style_but_its_own(balancer: Process) -> None:
    policy = balancer.call("GET", "/").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_cars_that_come_are_seen_without_a_reload(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")
    expect(page.locator(".substation .sessions")).to_have_text("0 cars")
    page.evaluate("window.stayed = true")

    for _ in range(3):
        charge(balancer)

    expect(page.locator(".substation .sessions")).to_have_text("3 cars")
    expect(page.locator("#total-sessions")).to_have_text("3")
    expect(page.locator(".substation .numbers b")).to_have_text("60.0")
    expect(page.locator("#total-decisions")).not_to_have_text("0.0")
    expect(page.locator("#chart-summary")).to_contain_text("Load 60.0 kW now")
    assert page.evaluate("window.stayed")
    page.screenshot(path=PICTURES / "load.png")


def test_what_is_wanted_past_the_capacity_is_shown_beyond_a_mark(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")
    for _ in range(7):
        charge(balancer)

    expect(page.locator(".substation .limit")).to_be_visible()
    expect(page.locator(".substation .numbers").first).to_contain_text("100.0 of 100.0 kW · wants 140.0")
    expect(page.locator(".substation")).to_have_attribute("data-level", "red")


def test_a_click_shows_the_sessions_with_power_and_energy(balancer: Process, open_page: Open) -> None:
    charge(balancer, "EV-7")
    page = open_page(balancer.url + "/")

    page.locator(".substation button").click()

    row = page.locator("#details-rows tr")
    expect(row).to_contain_text("EV-7")
    expect(row).to_contain_text("20.0 kW")
    expect(row).to_contain_text("of 40.00 kWh")
    page.screenshot(path=PICTURES / "sessions.png")


def test_who_waits_is_seen_with_its_place_and_its_start(balancer: Process, open_page: Open) -> None:
    charge(balancer, "EV-truck", max_power_kw=100, min_power_kw=100)
    for name, kw in (("EV-first", 60), ("EV-second", 50)):
        body = {"vehicle_id": name, "energy_kwh": 40, "max_power_kw": kw, "min_power_kw": kw, "wait": True}
        assert balancer.call("POST", "/charge", json=body).status == 202
    page = open_page(balancer.url + "/")

    expect(page.locator(".substation .state")).to_have_text("2 wait")
    expect(page.locator(".substation .sessions")).to_have_text("1 car")
    expect(page.locator("#total-waiting")).to_have_text("2")
    expect(page.locator("#total-waiting-power")).to_have_text("110.0 kW")
    page.locator(".substation button").click()

    expect(page.locator("#details-state")).to_contain_text("1 car, 2 wait")
    expect(page.locator("#waiting-title")).to_have_text("2 wait for power")
    rows = page.locator("#waiting-rows tr")
    expect(rows.locator("td:first-child")).to_have_text(["1", "2"])
    expect(rows.locator(".vehicle")).to_have_text(["EV-first", "EV-second"])
    expect(rows.first).to_contain_text("40.00 kWh, up to 60.0 kW")
    expect(rows.first).to_contain_text("in 2")  # of the 24 minutes that the truck takes
    page.screenshot(path=PICTURES / "waiting.png")


def test_an_operator_stops_who_waits_and_the_next_moves_up(balancer: Process, open_page: Open) -> None:
    charge(balancer, "EV-truck", max_power_kw=100, min_power_kw=100)
    for name in ("EV-first", "EV-second"):
        body = {"vehicle_id": name, "energy_kwh": 40, "max_power_kw": 60, "min_power_kw": 60, "wait": True}
        assert balancer.call("POST", "/charge", json=body).status == 202
    page = open_page(balancer.url + "/#substation-0")
    rows = page.locator("#waiting-rows tr")

    rows.filter(has_text="EV-first").locator("button.stop").click()
    expect(page.locator("#confirm-text")).to_contain_text("It waits no longer")
    page.locator("#confirm-yes").click()

    expect(page.locator("#details-done")).to_have_text("EV-first was stopped.")
    expect(rows.locator("td:first-child")).to_have_text(["1"])
    page.locator("#confirm").wait_for(state="hidden")


def test_where_nobody_waits_there_is_no_list(balancer: Process, open_page: Open) -> None:
    charge(balancer, "EV-7")
    page = open_page(balancer.url + "/#substation-0")

    expect(page.locator("#details-rows tr")).to_have_count(1)
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#total-waiting")).to_have_text("0")


def test_markup_in_a_vehicle_id_stays_text(balancer: Process, open_page: Open) -> None:
    charge(balancer, MARKUP)
    page = open_page(balancer.url + "/#substation-0")

    expect(page.locator("#details-rows .vehicle")).to_have_text(MARKUP)
    expect(page.locator("#details-rows img")).to_have_count(0)


def test_everything_can_be_done_with_the_keyboard(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")
    page.locator(".substation button").focus()

    page.keyboard.press("Enter")
    expect(page.locator("#details-title")).to_be_focused()
    page.keyboard.press("Escape")

    expect(page.locator("#details")).to_be_hidden()
    expect(page.locator(".substation button")).to_be_focused()


def test_the_back_button_closes_the_sessions(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")
    page.locator(".substation button").click()
    expect(page.locator("#details")).to_be_visible()

    page.go_back()

    expect(page.locator("#details")).to_be_hidden()


def test_a_lost_connection_is_said_plainly_and_ends_by_itself(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/")
    expect(page.locator("#connection-text")).to_have_text("Live")

    with frozen(balancer):
        expect(page.locator("#alert")).to_contain_text("The balancer does not answer. All numbers are from")
        expect(page.locator("#connection-text")).to_have_text("Connection lost")
        page.screenshot(path=PICTURES / "lost.png")

    expect(page.locator("#alert")).to_be_hidden()
    expect(page.locator("#connection-text")).to_have_text("Live")


def test_a_substation_that_does_not_answer_is_shown_as_such(
    balancer: Process, substation: Process, open_page: Open
) -> None:
    page = open_page(balancer.url + "/")
    expect(page.locator(".substation")).to_have_attribute("data-state", "Available")

    substation.kill()
    try:
        expect(page.locator(".substation")).to_have_attribute("data-state", "Silent")
        expect(page.locator(".substation .state")).to_contain_text("no answer for")
        page.locator(".substation button").click()
        expect(page.locator("#details-problem")).to_contain_text("does not answer")
        page.screenshot(path=PICTURES / "silent.png")
    finally:
        substation.restart()

    expect(page.locator(".substation")).to_have_attribute("data-state", "Available")


def test_in_dark_mode_the_page_is_dark(balancer: Process, open_page: Open) -> None:
    page = open_page(balancer.url + "/", color_scheme="dark")
    expect(page.locator(".substation")).to_be_visible()

    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
    )

    assert max(red, green, blue) < 64
    page.screenshot(path=PICTURES / "dark.png")


def test_on_a_phone_nothing_is_wider_than_the_screen(balancer: Process, open_page: Open) -> None:
    charge(balancer)
    page = open_page(balancer.url + "/", **PHONE)
    expect(page.locator(".substation")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=PICTURES / "phone.png")

    page.locator(".substation button").tap()

    expect(page.locator("#details-rows tr")).to_have_count(1)
    assert page.locator("#details").bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
