"""Cars that wait, as a client of the gateway sees them, from a real grid with its list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gateway.following import follow
from smartgrid.protocol.headers import REPLAYED
from support.grid import Grid, car, charge, sessions
from support.http import Reply
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes
PLACES = 12


@pytest.fixture
def full(grid: Grid) -> list[str]:
    """The sessions of a grid that is full."""
    return [charge(grid.gateway, f"filler-{i}").json()["session_id"] for i in range(PLACES)]


def ask(grid: Grid, vehicle_id: str, prefer: str | None = None, key: str | None = None, **changes: object) -> Reply:
    headers = {name: value for name, value in (("Prefer", prefer), ("Idempotency-Key", key)) if value is not None}
    body = car(vehicle_id, **changes)
    return grid.gateway.call("POST", "/charge", json=body, headers=headers, timeout_s=60)


def look(grid: Grid, session_id: str, query: str = "") -> Reply:
    return grid.gateway.call("GET", f"/sessions/{session_id}{query}", timeout_s=90)


def free(grid: Grid, session_id: str) -> None:
    assert grid.gateway.call("DELETE", f"/sessions/{session_id}").status == 200


# ------------------------------------------------------------------ to be let wait


@pytest.mark.usefixtures("full")
def test_a_car_that_may_wait_is_told_where_it_stands(grid: Grid) -> None:
    reply = ask(grid, "EV-patient", wait=True)

    session = reply.json()
    assert reply.status == 202
    assert reply.headers["Location"] == f"/sessions/{session['session_id']}"
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert (session["state"], session["position"], session["started_at"]) == ("Waiting", 1, None)
    assert session["expected_start"] > session["joined_at"]


@pytest.mark.usefixtures("full")
def test_without_asking_to_wait_a_full_grid_refuses_as_ever(grid: Grid) -> None:
    reply = ask(grid, "EV-hasty")
    assert (reply.status, reply.json()["code"]) == (503, "no-capacity")


def test_where_there_is_room_nobody_waits(grid: Grid) -> None:
    reply = ask(grid, "EV-lucky", "respond-async", wait=True)
    assert (reply.status, reply.json()["state"]) == (201, "Charging")
    assert reply.headers["Preference-Applied"] is None


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10, Respond-Async; x=1"])
@pytest.mark.usefixtures("full")
def test_the_preference_to_be_told_later_asks_for_the_same(grid: Grid, prefer: str) -> None:
    reply = ask(grid, "EV-prefers", prefer)
    assert (reply.status, reply.json()["state"]) == (202, "Waiting")
    assert reply.headers["Preference-Applied"] == "respond-async"


@pytest.mark.usefixtures("full")
def test_other_preferences_are_ignored(grid: Grid) -> None:
    reply = ask(grid, "EV-minimal", "return=minimal")
    assert (reply.status, reply.headers["Preference-Applied"]) == (503, None)


@pytest.mark.usefixtures("full")
def test_what_the_body_says_counts_more_than_a_preference(grid: Grid) -> None:
    reply = ask(grid, "EV-no", "respond-async", wait=False)
    assert (reply.status, reply.headers["Preference-Applied"]) == (503, None)


def test_until_when_a_car_waits_needs_that_it_waits(grid: Grid) -> None:
    reply = ask(grid, "EV-until", wait_until="2030-01-01T00:00:00Z")
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
    assert "wait_until needs wait: true" in reply.json()["detail"]


@pytest.mark.usefixtures("full")
def test_a_repeat_gets_the_session_that_waits(grid: Grid) -> None:
    first, again = (ask(grid, "EV-repeats", key="waits-once", wait=True) for _ in range(2))
    assert (first.status, again.status) == (202, 202)
    assert again.json()["session_id"] == first.json()["session_id"]
    assert (first.headers[REPLAYED], again.headers[REPLAYED]) == (None, "true")
    assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.usefixtures("full")
def test_the_same_key_for_another_car_is_refused_while_the_first_waits(grid: Grid) -> None:
    assert ask(grid, "EV-one", key="one-car", wait=True).status == 202
    other = ask(grid, "EV-other", key="one-car", wait=True)
    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")


# ------------------------------------------------------------------ while it waits


@pytest.mark.usefixtures("full")
def test_those_who_wait_are_listed_by_their_state(grid: Grid) -> None:
    waiting = {ask(grid, f"EV-{i}", wait=True).json()["session_id"] for i in range(4)}
    listed = [each["session_id"] for each in sessions(grid.gateway, limit=3, state="Waiting")]
    assert sorted(listed) == sorted(waiting)
    assert waiting.isdisjoint(each["session_id"] for each in sessions(grid.gateway, state="Charging"))


@pytest.mark.usefixtures("full")
def test_who_waits_can_be_stopped(grid: Grid) -> None:
    session_id = ask(grid, "EV-gives-up", wait=True).json()["session_id"]
    stopped = grid.gateway.call("DELETE", f"/sessions/{session_id}").json()
    assert (stopped["state"], stopped["end_reason"], stopped["delivered_kwh"]) == ("Idle", "Stopped", 0)
    assert stopped["started_at"] is None


@pytest.mark.usefixtures("full")
def test_who_waits_no_longer_than_it_said_is_told_so(grid: Grid) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    session_id = ask(grid, "EV-until", wait=True, wait_until=until).json()["session_id"]
    ended = look(grid, session_id, "?wait_s=60").json()
    assert (ended["state"], ended["end_reason"]) == ("Idle", "WaitExpired")


def test_power_that_frees_starts_the_car_under_the_id_that_it_was_given(grid: Grid, full: list[str]) -> None:
    session_id = ask(grid, "EV-next", wait=True).json()["session_id"]
    free(grid, full[0])
    wait_until(lambda: look(grid, session_id).json()["state"] == "Charging", 60)


# ------------------------------------------------------------------ to hear of it


def test_a_long_poll_is_answered_when_the_car_starts(grid: Grid, full: list[str]) -> None:
    session_id = ask(grid, "EV-polls", wait=True).json()["session_id"]
    with ThreadPoolExecutor(1) as threads:
        polling = threads.submit(look, grid, session_id, "?wait_s=60")
        here = session_id.split(".")[0]
        free(grid, next(each for each in full if each.startswith(here)))
        assert polling.result().json()["state"] == "Charging"


@pytest.mark.usefixtures("full")
def test_a_long_poll_without_news_is_answered_after_its_time(grid: Grid) -> None:
    session_id = ask(grid, "EV-polls", wait=True).json()["session_id"]
    assert look(grid, session_id, "?wait_s=1").json()["state"] == "Waiting"


@pytest.mark.parametrize("wait_s", ["-1", "61", "1.5", "x", ""])
def test_a_long_poll_has_bounds(grid: Grid, wait_s: str) -> None:
    reply = look(grid, "substation-0.x", f"?wait_s={wait_s}")
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")


@pytest.mark.usefixtures("full")
def test_one_long_poll_too_many_is_answered_at_once(grid: Grid) -> None:
    """Of what the gateway may hold, or the balancer or the substation behind it."""
    session_id = ask(grid, "EV-polls", wait=True).json()["session_id"]
    with ThreadPoolExecutor(60) as threads:
        polls = [threads.submit(look, grid, session_id, "?wait_s=60") for _ in range(60)]
        wait_until(lambda: any(each.done() for each in polls), 55, "some were answered at once")
        assert not all(each.done() for each in polls)
        free(grid, session_id)
        assert {each.result().status for each in polls} == {200}
        assert {each.result().json()["state"] for each in polls} == {"Waiting", "Idle"}


def test_who_follows_hears_of_its_place_and_of_its_start(grid: Grid, full: list[str]) -> None:
    waiting = [ask(grid, f"EV-{i}", wait=True).json() for i in range(4)]  # at three substations: two at one of them
    second = next(each["session_id"] for each in waiting if each["position"] == 2)
    here = second.split(".")[0]
    first = next(each["session_id"] for each in waiting if each["session_id"].startswith(f"{here}."))
    with follow(grid.gateway, second) as events:
        told = iter(events)
        assert next(told).session["position"] == 2
        free(grid, first)
        assert next(each for each in told if each.session["position"] == 1).session["state"] == "Waiting"
        free(grid, next(each for each in full if each.startswith(f"{here}.")))
        assert next(each for each in told if each.session["state"] == "Charging").session.get("position") is None
        free(grid, second)
        assert next(told).session["end_reason"] == "Stopped"
        assert list(told) == []
