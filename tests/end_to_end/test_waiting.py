"""Cars that wait, in a real grid: where they wait, that they are moved, and that none is lost or doubled by faults."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.grid import (
    PATIENT_BALANCER,
    PATIENT_GATEWAY,
    Grid,
    car,
    charge,
    metric,
    patient,
    sessions,
    stop_all,
    wait_settled,
)
from support.processes import Process, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

PLACES = 4  # at one substation


def fill(substation: Process, count: int = PLACES, **changes: object) -> list[str]:
    """So many cars charge there; their ids there."""
    replies = [charge(substation, f"filler-{substation.settings['name']}-{i}", **changes) for i in range(count)]
    assert {reply.status for reply in replies} == {201}
    return [reply.json()["session_id"] for reply in replies]


def is_full(balancer: Process) -> bool:
    return bool(balancer.call("GET", "/status").json()["committed_kw"] == 132)


def fill_all(grid: Grid) -> dict[str, list[str]]:
    filled = {each.settings["name"]: fill(each) for each in grid.substations}
    for balancer in grid.balancers:
        wait_until(lambda b=balancer: is_full(b), 60, "it sees that all are full")
    return filled


def let_wait(grid: Grid, vehicle_id: str, **changes: object) -> dict[str, Any]:
    reply = charge(grid.gateway, vehicle_id, key=f"key-{vehicle_id}", wait=True, **changes)
    assert (reply.status, reply.json()["state"]) == (202, "Waiting")
    return dict(reply.json())


def at(grid: Grid, session: dict[str, Any]) -> tuple[Process, list[Process]]:
    """The substation at which it waits, and the others."""
    here = [each for each in grid.substations if each.settings["name"] == session["substation"]]
    return here[0], [each for each in grid.substations if each is not here[0]]


def counting(substations: list[Process], vehicle_id: str) -> list[dict[str, Any]]:
    """The sessions of a car that are not superseded."""
    found = [each for substation in substations for each in sessions(substation)]
    return [each for each in found if each["vehicle_id"] == vehicle_id and not each.get("superseded_by")]


def have_all_ended(substation: Process) -> bool:
    return all(each["ended_at"] is not None for each in sessions(substation))


# ---------------------------------------------------------------------- where a car waits


def test_a_car_waits_where_it_will_start_first(grid: Grid) -> None:
    leaves = datetime.now(UTC) + timedelta(seconds=200)
    for substation in grid.substations:
        soon = substation is grid.substations[1]
        fill(substation, departure_time=(leaves + timedelta(hours=not soon)).isoformat())
    wait_until(lambda: is_full(grid.balancer), 60, "it sees that all are full")

    session = let_wait(grid, "EV-foretold")

    assert session["substation"] == "substation-1"
    expected = datetime.fromisoformat(session["expected_start"])
    assert abs(expected - leaves) < timedelta(seconds=1)


def test_it_starts_where_it_waits_as_soon_as_power_frees_there(grid: Grid) -> None:
    filled = fill_all(grid)
    session = let_wait(grid, "EV-starts")
    here, _ = at(grid, session)

    assert here.call("DELETE", f"/charge/{filled[session['substation']][0]}").status == 200

    found = grid.gateway.call("GET", f"/sessions/{session['session_id']}").json()
    assert (found["session_id"], found["state"]) == (session["session_id"], "Charging")


# ---------------------------------------------------------------------- moves


def have_ended(found: list[dict[str, Any]]) -> list[bool]:
    return [session["ended_at"] is not None for session in found]


def test_a_car_is_moved_to_where_power_frees_and_its_first_id_stays_good(grid: Grid) -> None:
    filled = fill_all(grid)
    session = let_wait(grid, "EV-waits-and-moves")
    _, others = at(grid, session)
    name = str(others[0].settings["name"])

    assert others[0].call("DELETE", f"/charge/{filled[name][0]}").status == 200
    wait_until(lambda: bool(counting([others[0]], "EV-waits-and-moves")), 60, "it is moved")
    wait_until(lambda: len(counting(grid.substations, "EV-waits-and-moves")) == 1, 60, "it waits no more")

    [now] = counting([others[0]], "EV-waits-and-moves")
    found = grid.gateway.call("GET", f"/sessions/{session['session_id']}").json()
    assert (found["session_id"], found["state"]) == (f"{name}.{now['session_id']}", "Charging")
    again = charge(grid.gateways[1], "EV-waits-and-moves", key="key-EV-waits-and-moves", wait=True)
    assert (again.status, again.json()["session_id"]) == (201, found["session_id"])
    stopped = grid.gateway.call("DELETE", f"/sessions/{session['session_id']}").json()
    assert (stopped["session_id"], stopped["end_reason"]) == (found["session_id"], "Stopped")


def test_the_cars_of_a_substation_that_is_drained_are_moved(grid: Grid) -> None:
    filled = fill_all(grid)
    waiting = [let_wait(grid, f"EV-drained-{i}") for i in range(6)]
    drained, others = at(grid, waiting[0])
    there = [each["vehicle_id"] for each in sessions(drained, state="Waiting")]
    assert drained.call("PUT", "/draining", json={"draining": True}).status == 200
    try:
        for other in others:  # as much as all need who wait, also those who wait there
            for session_id in filled[str(other.settings["name"])][: len(waiting) // 2]:
                assert other.call("DELETE", f"/charge/{session_id}").status == 200
        wait_until(lambda: not sessions(drained, state="Waiting"), 60, "its list is empty")
        wait_until(
            lambda: all(len(counting(grid.substations, vehicle)) == 1 for vehicle in there), 60, "each has one session"
        )
    finally:
        drained.call("PUT", "/draining", json={"draining": False})


def test_a_stop_while_cars_are_moved_holds(grid: Grid) -> None:
    """Every car is stopped by the id that it waited under, just when there is room for all of them elsewhere."""
    fill_all(grid)
    waiting = [let_wait(grid, f"EV-stopped-{i}") for i in range(8)]
    freeing = threading.Thread(target=lambda: [stop_all(each) for each in grid.substations])
    freeing.start()

    with ThreadPoolExecutor(8) as pool:
        stopped = list(
            pool.map(lambda each: grid.gateway.call("DELETE", f"/sessions/{each['session_id']}", timeout_s=60), waiting)
        )
    freeing.join()

    assert {reply.status for reply in stopped} == {200}
    wait_until(
        lambda: all(have_ended(counting(grid.substations, each["vehicle_id"])) == [True] for each in waiting),
        60,
        "each has one session, which has ended",
    )


# ---------------------------------------------------------------------- faults


def test_whatever_is_killed_every_car_that_was_let_wait_is_charged_once(tmp_path: Path) -> None:
    """Short sessions, so that the lists move all the time, while balancers and substations are killed."""
    rng, cars = random.Random(12), [f"EV-killed-{i}" for i in range(36)]
    flexible = {"energy_kwh": 0.5, "max_power_kw": 11.0, "min_power_kw": 11.0, "wait": True}
    settings = {"gateway_settings": PATIENT_GATEWAY, "time_scale": 60, **PATIENT_BALANCER, "attempt_timeout_s": 3}
    with Grid(tmp_path, [22.0, 22.0, 33.0], balancers=2, gateways=2, **settings) as grid:

        def place(vehicle: str) -> None:
            gateway = grid.gateways[cars.index(vehicle) % 2]
            body, key = car(vehicle, **flexible), {"Idempotency-Key": vehicle}
            patient(
                lambda: gateway.try_call("POST", "/charge", json=body, headers=key, timeout_s=60),
                lambda reply: reply.status in (201, 202),
                120,
            )

        with ThreadPoolExecutor(6) as pool:
            placed = pool.map(place, cars)
            for _ in range(8):
                victim = rng.choice([*grid.balancers, *grid.substations])
                victim.kill()
                victim.restart()
            list(placed)

        wait_until(
            lambda: all(each["ended_at"] for s in grid.substations for each in sessions(s)), 120, "all have ended"
        )
        for balancer in grid.balancers:
            wait_settled(balancer)
        found = [each for substation in grid.substations for each in sessions(substation)]
        counted = [each for each in found if not each.get("superseded_by")]
        assert Counter(each["vehicle_id"] for each in counted) == Counter(cars)
        assert {each["end_reason"] for each in counted} == {"EnergyDelivered"}
        assert sum(metric(each, "keys_contested") for each in grid.balancers) == 0
