"""Sessions as a client of the gateway sees them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from smartgrid.protocol.headers import REPLAYED
from support.grid import Grid, car, charge, held, sessions
from support.processes import frozen, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_a_session_from_start_to_stop(grid: Grid) -> None:
    started = charge(grid.gateway, "EV-life")
    session = started.json()
    assert started.status == 201
    assert started.headers["Location"] == f"/sessions/{session['session_id']}"
    assert (session["vehicle_id"], session["state"], session["power_kw"]) == ("EV-life", "Charging", 11)

    shown = grid.gateway.call("GET", started.headers["Location"]).json()
    assert {**shown, "delivered_kwh": 0} == {**session, "delivered_kwh": 0}

    stopped = grid.gateway.call("DELETE", started.headers["Location"])
    assert (stopped.status, stopped.json()["state"], stopped.json()["end_reason"]) == (200, "Idle", "Stopped")
    again = grid.gateway.call("DELETE", started.headers["Location"])
    assert (again.status, again.json()) == (200, stopped.json())


@pytest.mark.parametrize(
    "session_id",
    ["nothing", "substation-0", "substation-0.", "substation-0.nothing", "nowhere.nothing", ".x", "%00", "é"],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_sessions_that_are_not_there(grid: Grid, method: str, session_id: str) -> None:
    from urllib.parse import quote

    reply = grid.gateway.call(method, f"/sessions/{quote(session_id, safe='%')}")
    assert (reply.status, reply.json()["code"]) == (404, "not-found")


def test_pages_hold_each_session_once(grid: Grid) -> None:
    placed = {charge(grid.gateway, f"EV-{i}").json()["session_id"] for i in range(8)}
    assert len({session_id.split(".")[0] for session_id in placed}) == 3

    for limit in range(1, 10):
        listed = [each["session_id"] for each in sessions(grid.gateway, limit=limit, state="Charging")]
        assert sorted(listed) == sorted(placed), f"with pages of {limit}"


def test_pages_by_state(grid: Grid) -> None:
    ended = charge(grid.gateway, "EV-ended").json()["session_id"]
    grid.gateway.call("DELETE", f"/sessions/{ended}")
    active = charge(grid.gateway, "EV-active").json()["session_id"]

    assert [each["session_id"] for each in sessions(grid.gateway, state="Charging")] == [active]
    idle = [each["session_id"] for each in sessions(grid.gateway, limit=3, state="Idle")]
    assert ended in idle
    assert active not in idle
    assert sessions(grid.gateway, state="SuspendedEVSE") == []


def test_substations_whose_sessions_are_missing_are_named(grid: Grid) -> None:
    placed = [charge(grid.gateway, f"EV-{i}").json() for i in range(6)]
    grid.substations[1].kill()

    page = grid.gateway.call("GET", "/sessions?limit=1000&state=Charging")

    assert page.headers["Smartgrid-Unreachable"] == "substation-1"
    listed = {each["session_id"] for each in page.json()["sessions"]}
    assert listed == {each["session_id"] for each in placed if each["substation"] != "substation-1"}
    grid.substations[1].restart()


def test_of_a_session_whose_substation_is_away_the_last_known_is_told_and_it_cannot_be_stopped(grid: Grid) -> None:
    placed = [charge(grid.gateway, f"EV-{i}").json() for i in range(6)]
    there = next(each for each in placed if each["substation"] == "substation-1")
    path = f"/sessions/{there['session_id']}"
    grid.substations[1].kill()

    looked, stopped = grid.gateway.call("GET", path), grid.gateway.call("DELETE", path)

    assert (looked.status, looked.json()["state"]) == (200, "Charging")
    assert looked.json()["as_of"]
    assert int(looked.headers["Age"]) >= 0
    assert (stopped.status, stopped.json()["code"]) == (503, "substation-unavailable")
    assert int(stopped.headers["Retry-After"]) >= 1

    grid.substations[1].restart()
    again = grid.gateway.call("GET", path)
    assert (again.json()["state"], "as_of" in again.json(), "Age" in again.headers) == ("Charging", False, False)


def test_two_frozen_substations_do_not_stop_the_list(grid: Grid) -> None:
    with frozen(grid.substations[0]), frozen(grid.substations[1]):
        page = grid.gateway.call("GET", "/sessions")
        assert page.status == 200
        assert page.headers["Smartgrid-Unreachable"]


def test_a_key_gives_the_same_session_again_as_it_is_by_then(grid: Grid) -> None:
    first = charge(grid.gateway, "EV-key", key="gateway-key")
    session = first.json()
    grid.gateway.call("DELETE", f"/sessions/{session['session_id']}")

    second = charge(grid.gateway, "EV-key", key="gateway-key")

    assert (second.status, second.json()["session_id"]) == (201, session["session_id"])
    assert (session["state"], second.json()["state"]) == ("Charging", "Idle")
    assert second.headers["Location"] == first.headers["Location"]
    assert (first.headers[REPLAYED], second.headers[REPLAYED]) == (None, "true")


def test_also_after_a_kill_of_the_gateway(grid: Grid) -> None:
    first = charge(grid.gateway, "EV-kill", key="gateway-kill").json()
    grid.gateway.kill()
    grid.gateway.restart()

    again = charge(grid.gateway, "EV-kill", key="gateway-kill")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])
    assert len(held(grid.substations, "EV-kill")) == 1


def test_a_key_with_another_body(grid: Grid) -> None:
    assert charge(grid.gateway, "EV-a", key="other-body").status == 201

    other = charge(grid.gateway, "EV-a", key="other-body", energy_kwh=51)

    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")


def test_a_key_that_got_no_place_can_be_tried_again(grid: Grid) -> None:
    fillers = [charge(grid.gateway, f"filler-{i}").json() for i in range(12)]
    refused = charge(grid.gateway, "EV-patient", key="patient")
    assert (refused.status, refused.json()["code"]) == (503, "no-capacity")
    grid.gateway.call("DELETE", f"/sessions/{fillers[0]['session_id']}")

    assert charge(grid.gateway, "EV-patient", key="patient").status == 201


def test_an_equal_body_in_other_words_is_the_same_request(grid: Grid) -> None:
    first = charge(grid.gateway, "EV-words", key="words").json()
    body = b'{ "energy_kwh": 50.0, "min_power_kw": 11.0, "max_power_kw": 1.1e1, "vehicle_id": "EV-words" }'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "words"}

    again = grid.gateway.call("POST", "/charge", body=body, headers=headers)

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])


def test_the_balancer_is_down(grid: Grid) -> None:
    session = charge(grid.gateway, "EV-x").json()
    grid.balancer.kill()

    for method, path, body in [
        ("POST", "/charge", car()),
        ("GET", "/sessions", None),
        ("GET", f"/sessions/{session['session_id']}", None),
        ("DELETE", f"/sessions/{session['session_id']}", None),
    ]:
        reply = grid.gateway.call(method, path, json=body)
        assert (reply.status, reply.json()["code"]) in ((503, "balancer-unavailable"), (504, "outcome-unknown")), path
        assert int(reply.headers["Retry-After"]) >= 1
    status = grid.gateway.call("GET", "/status").json()
    assert (status["balancer_reachable"], status["active_sessions"]) == (False, None)
    assert grid.gateway.call("GET", "/health").status == 200

    grid.balancer.restart()
    wait_until(lambda: grid.gateway.call("GET", "/status").json()["balancer_reachable"], 60)
    assert charge(grid.gateway, "EV-y").status == 201


def test_the_balancer_hangs_and_its_late_session_is_the_keys(grid: Grid) -> None:
    with frozen(grid.balancer), ThreadPoolExecutor(1) as threads:
        listing = threads.submit(grid.gateway.call, "GET", "/sessions", timeout_s=30)
        hanging = grid.gateway.call("POST", "/charge", json=car("EV-hang"), timeout_s=30)
        assert (hanging.status, hanging.json()["code"]) == (504, "outcome-unknown")
        assert listing.result().status == 503

    again = charge(grid.gateway, "EV-hang", key=hanging.headers["Idempotency-Key"])

    assert again.status == 201
    assert len(held(grid.substations, "EV-hang")) == 1
