"""Waiting through a real balancer: what a client is told, and that its session's first id stays good.

The substations are on a script, so that power comes free when a test says so. With real ones:
`end_to_end/test_waiting.py`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid, seen, wait_settled
from support.grid import PATIENT_BALANCER, metric
from support.http import Reply
from support.processes import Process, wait_until
from support.scripted_substation import Held, Request, ScriptedSubstation, answers, problem

pytestmark = pytest.mark.timeout(300)

ANN, BOB = {"Smartgrid-Owner": "A" * 22}, {"Smartgrid-Owner": "B" * 22}


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    """Both substations are full, and seen to be."""
    with scripted_grid(tmp_path, ["substation-0", "substation-1"]) as grid:
        for stub in grid.stubs:
            stub.fill()
        wait_until(lambda: free_kw(grid) == 0, 60, "the balancer sees that they are full")
        yield grid


def free_kw(grid: ScriptedGrid) -> float:
    return sum(
        found["capacity_kw"] - found["committed_kw"]
        for found in (seen(grid.balancer, stub.name) for stub in grid.stubs)
    )


def wait_at(grid: ScriptedGrid, name: str, key: str = "key", who: dict[str, str] | None = None) -> dict[str, Any]:
    for stub in grid.stubs:
        stub.forecast_s = 1.0 if stub.name == name else 99.0
    reply = charge(grid.balancer, key, who or {}, wait=True)
    assert (reply.status, reply.json()["substation"]) == (202, name)
    return dict(reply.json())


def moved(grid: ScriptedGrid, to: str) -> Held:
    """The car that waits is moved there."""
    grid[to].set_load(0.0)
    wait_until(lambda: bool(grid[to].charging()), 60, f"a car is moved to {to}")
    wait_settled(grid.balancer)
    return grid[to].charging()[0]


def look(grid: ScriptedGrid, session_id: str, query: str = "", who: dict[str, str] | None = None) -> Reply:
    return grid.balancer.call("GET", f"/charge/{session_id}{query}", headers=who or {}, timeout_s=90)


# ---------------------------------------------------------------------- what a client is told


def test_a_car_that_waits_is_told_so_and_when_to_look_again(grid: ScriptedGrid) -> None:
    grid["substation-1"].forecast_s = 5.0

    reply = charge(grid.balancer, "key", wait=True)

    session = reply.json()
    assert (reply.status, reply.headers["Retry-After"]) == (202, "7")
    assert (session["state"], session["started_at"], session["position"]) == ("Waiting", None, 1)
    assert session["session_id"].startswith("substation-1.")
    assert "Smartgrid-Replayed" not in reply.headers


def test_its_repeat_is_told_the_same(grid: ScriptedGrid) -> None:
    first = charge(grid.balancer, "key", wait=True)
    again = charge(grid.balancer, "key", wait=True)

    assert (again.status, again.headers["Smartgrid-Replayed"]) == (202, "true")
    assert again.json()["session_id"] == first.json()["session_id"]


def test_without_wait_it_is_refused_as_ever(grid: ScriptedGrid) -> None:
    assert code(charge(grid.balancer, "key")) == (503, "no-capacity")
    assert code(charge(grid.balancer, "key", {"Smartgrid-Wait": "no"}, wait=True)) == (503, "no-capacity")


def test_a_digest_in_place_of_the_key_must_be_one(grid: ScriptedGrid) -> None:
    found = grid.balancer.call(
        "POST",
        "/charge",
        json={"vehicle_id": "EV-1", "energy_kwh": 1},
        headers={"Smartgrid-Key-Digest": "no digest"},
    )

    assert code(found) == (422, "invalid-request")


def test_waiting_cars_and_their_moves_are_counted(grid: ScriptedGrid) -> None:
    wait_at(grid, "substation-0")
    wait_until(lambda: metric(grid.balancer, "smartgrid_waiting_sessions") == 1, 60, "the car is seen to wait")
    assert metric(grid.balancer, "substation_waiting_sessions", substation="substation-0") == 1
    assert metric(grid.balancer, "load_balancer_requests_total", result="waiting") == 1
    assert seen(grid.balancer, "substation-0")["waiting_sessions"] == 1
    assert grid.balancer.call("GET", "/status").json()["waiting_sessions"] == 1

    moved(grid, "substation-1")

    assert metric(grid.balancer, "waiting_moves_total", result="moved") == 1
    wait_until(lambda: metric(grid.balancer, "smartgrid_waiting_sessions") == 0, 60, "nobody waits any more")


# ---------------------------------------------------------------------- the first id stays good


def test_a_look_at_the_id_that_it_waited_under_shows_the_session_that_it_has(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    now = moved(grid, "substation-1")

    found = look(grid, waiting["session_id"]).json()

    assert (found["session_id"], found["state"]) == (f"substation-1.{now.session_id}", "Charging")


def test_a_stop_of_the_id_that_it_waited_under_stops_the_session_that_it_has(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    now = moved(grid, "substation-1")

    stopped = grid.balancer.call("DELETE", f"/charge/{waiting['session_id']}")

    assert (stopped.status, stopped.json()["end_reason"]) == (200, "Stopped")
    assert now.end_reason == "Stopped"


def test_it_stays_its_owners(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0", who=ANN)
    moved(grid, "substation-1")

    assert [each.headers.get("smartgrid-owner") for each in grid["substation-1"].asked("POST /charge")] == ["A" * 22]
    assert look(grid, waiting["session_id"], who=ANN).json()["state"] == "Charging"
    asked = grid["substation-1"].asked("GET /charge/")
    assert [each.headers.get("smartgrid-owner") for each in asked] == ["A" * 22]


def test_where_the_other_substation_has_lost_its_file_the_record_is_what_is_left(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    moved(grid, "substation-1")
    grid["substation-1"].restart(without_file=True)

    found = look(grid, waiting["session_id"])

    assert (found.status, found.json()["end_reason"]) == (200, "Superseded")


def test_while_the_other_substation_is_away_it_is_unavailable(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    moved(grid, "substation-1")
    grid["substation-1"].vanish()

    assert code(look(grid, waiting["session_id"])) == (503, "substation-unavailable")


def test_a_session_that_had_begun_before_it_was_superseded_is_shown_as_it_is(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    grid["substation-0"].begin(waiting["session_id"].partition(".")[2])
    grid["substation-1"].put("key", (time.time_ns() // 1000 + 10**6,))
    wait_until(lambda: not grid["substation-0"].charging(), 60, "the earlier one is ended")

    found = look(grid, waiting["session_id"]).json()

    assert (found["session_id"], found["end_reason"]) == (waiting["session_id"], "Superseded")


# ---------------------------------------------------------------------- long polls


def held_polls(stub: ScriptedSubstation) -> list[Request]:
    return [each for each in stub.asked("GET /charge/") if "wait_s" in each.query]


def in_background(work: Any) -> tuple[threading.Thread, list[Reply]]:
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(work()))
    thread.start()
    return thread, replies


def test_a_long_poll_is_answered_when_the_car_begins_to_charge(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    thread, replies = in_background(lambda: look(grid, waiting["session_id"], "?wait_s=60"))
    wait_until(lambda: bool(grid["substation-0"].asked("GET /charge/")), 60, "it is under way")

    grid["substation-0"].begin(waiting["session_id"].partition(".")[2])
    thread.join(60)

    [reply] = replies
    assert (reply.status, reply.json()["state"]) == (200, "Charging")
    [asked] = grid["substation-0"].asked("GET /charge/")
    assert asked.query["wait_s"] == "60"
    assert int(asked.headers["smartgrid-deadline-ms"]) > 59_000


def test_a_long_poll_is_answered_when_the_car_is_moved(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    thread, replies = in_background(lambda: look(grid, waiting["session_id"], "?wait_s=60"))
    wait_until(lambda: bool(grid["substation-0"].asked("GET /charge/")), 60, "it is under way")

    now = moved(grid, "substation-1")
    thread.join(60)

    assert replies[0].json()["session_id"] == f"substation-1.{now.session_id}"


def test_of_a_car_that_was_moved_it_waits_for_the_session_that_it_has(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    now = moved(grid, "substation-1")
    thread, replies = in_background(lambda: look(grid, waiting["session_id"], "?wait_s=60&while=Charging"))
    wait_until(lambda: bool(held_polls(grid["substation-1"])), 60, "it is under way")

    grid["substation-1"].end(now.session_id)
    thread.join(60)

    assert replies[0].json()["end_reason"] == "Stopped"


def test_a_car_that_has_started_before_the_question_is_told_of_at_once(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")
    grid["substation-0"].begin(waiting["session_id"].partition(".")[2])
    assert look(grid, waiting["session_id"], "?wait_s=60").json()["state"] == "Charging"


def test_a_long_poll_ends_within_the_time_that_the_asker_has(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")

    found = grid.balancer.call(
        "GET", f"/charge/{waiting['session_id']}?wait_s=60", headers={"Smartgrid-Deadline-Ms": "2900"}
    )

    assert (found.status, found.json()["state"]) == (200, "Waiting")
    assert grid["substation-0"].asked("GET /charge/")[-1].query["wait_s"] == "2"


def test_how_long_it_may_be_is_bounded(grid: ScriptedGrid) -> None:
    waiting = wait_at(grid, "substation-0")

    assert code(look(grid, waiting["session_id"], "?wait_s=61")) == (422, "invalid-request")


def test_too_many_long_polls_are_answered_at_once(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, ["substation-0"], threads=8) as grid:  # of which two wait
        grid["substation-0"].fill()
        wait_until(lambda: free_kw(grid) == 0, 60, "the balancer sees that it is full")
        waiting = wait_at(grid, "substation-0")
        polls = [in_background(lambda: look(grid, waiting["session_id"], "?wait_s=60")) for _ in range(2)]
        wait_until(lambda: len(grid["substation-0"].asked("GET /charge/")) == 2, 60, "two are under way")

        begun_s = time.monotonic()
        assert look(grid, waiting["session_id"], "?wait_s=60").json()["state"] == "Waiting"
        assert time.monotonic() < begun_s + 30

        grid["substation-0"].begin(waiting["session_id"].partition(".")[2])
        for thread, replies in polls:
            thread.join(60)
            assert replies[0].json()["state"] == "Charging"


# ---------------------------------------------------------------------- two balancers


def test_two_balancers_that_both_move_cars_leave_one_session_of_each(grid: ScriptedGrid, tmp_path: Path) -> None:
    settings = {"poll_interval_s": 0.25, "substations": grid.stubs.listed(), **PATIENT_BALANCER}
    with Process("balancer", tmp_path / "other", **settings) as other:
        grid["substation-0"].forecast_s = 1.0
        cars = [f"key-{i}" for i in range(20)]
        for i, key in enumerate(cars):
            assert charge((grid.balancer, other)[i % 2], key, vehicle_id=key, wait=True).status == 202

        grid["substation-1"].set_load(0.0)
        wait_until(lambda: not grid["substation-0"].waiting(), 60, "all are moved")
        for balancer in (grid.balancer, other):
            wait_settled(balancer)

        assert sorted(each.vehicle_id for stub in grid.stubs for each in stub.charging()) == sorted(cars)
        for balancer in (grid.balancer, other):
            found = [charge(balancer, key, vehicle_id=key, wait=True) for key in cars]
            assert {(each.status, each.headers.get("Smartgrid-Replayed")) for each in found} == {(201, "true")}


def test_a_balancer_that_was_killed_after_it_had_a_car_moved_leaves_that_to_another(
    grid: ScriptedGrid, tmp_path: Path
) -> None:
    waiting = wait_at(grid, "substation-0")
    grid["substation-0"].scripts["DELETE"] = answers(problem(503, "storage-unavailable"))  # the move is not settled
    grid["substation-1"].set_load(0.0)
    wait_until(lambda: bool(grid["substation-1"].charging()), 60, "the car is moved")
    grid.balancer.kill()
    assert len(grid["substation-0"].waiting()) == 1

    grid["substation-0"].scripts.clear()
    settings = {"poll_interval_s": 0.25, "substations": grid.stubs.listed(), **PATIENT_BALANCER}
    with Process("balancer", tmp_path / "other", **settings) as other:
        wait_until(lambda: not grid["substation-0"].waiting(), 60, "the one that waited is ended")

        [now] = grid["substation-1"].charging()
        found = other.call("GET", f"/charge/{waiting['session_id']}").json()
        assert found["session_id"] == f"substation-1.{now.session_id}"


# ---------------------------------------------------------------------- regions


@pytest.fixture
def country(tmp_path: Path) -> Iterator[tuple[ScriptedGrid, ScriptedGrid, Process]]:
    """Two regions of two substations, all full, and a balancer over them."""
    with (
        scripted_grid(tmp_path / "west", ["west-0", "west-1"], name="west") as west,
        scripted_grid(tmp_path / "east", ["east-0", "east-1"], name="east") as east,
    ):
        for region in (west, east):
            for stub in region.stubs:
                stub.fill()
            wait_until(lambda r=region: free_kw(r) == 0, 60, "the region sees that its substations are full")
        listed = f"west={west.balancer.url},east={east.balancer.url}"
        with Process("balancer", tmp_path / "top", poll_interval_s=0.25, substations=listed, **PATIENT_BALANCER) as top:
            yield west, east, top


Country = tuple[ScriptedGrid, ScriptedGrid, Process]


def test_a_car_waits_at_the_substation_of_all_regions_where_it_starts_first(country: Country) -> None:
    west, east, top = country
    for stub, start_s in ((west["west-0"], 40), (west["west-1"], 30), (east["east-0"], 20), (east["east-1"], 50)):
        stub.forecast_s = float(start_s)

    reply = charge(top, "key", wait=True)

    assert (reply.status, reply.headers["Retry-After"]) == (202, "7")
    assert reply.json()["session_id"].startswith("east.east-0.")
    assert [len(each.stubs[name].waiting()) for each in (west, east) for name in each.stubs._by_name] == [0, 0, 1, 0]


def test_a_region_foretells_what_its_best_substation_does(country: Country) -> None:
    west, _, _ = country
    west["west-0"].forecast_s, west["west-1"].forecast_s = None, 33.0
    body = {"vehicle_id": "EV-1", "energy_kwh": 1}

    assert west.balancer.call("POST", "/forecast", json=body).json() == {"expected_start_in_s": 33.0, "takes": True}
    for stub in west.stubs:
        stub.fill(draining=True)
    wait_until(lambda: nobody_takes(west), 60, "both are seen to be drained")


def nobody_takes(region: ScriptedGrid) -> bool:
    body = {"vehicle_id": "EV-1", "energy_kwh": 1}
    found = region.balancer.call("POST", "/forecast", json=body).json()
    return bool(found == {"expected_start_in_s": None, "takes": False})


def test_a_region_shows_the_cars_of_all_its_lists(country: Country) -> None:
    west, _, _ = country
    for i, name in enumerate(("west-0", "west-1", "west-1")):
        wait_at(west, name, f"key-{i}", ANN if i else None)

    cars = west.balancer.call("GET", "/waiting").json()["cars"]

    assert [each["session_id"].partition(".")[0] for each in cars] == ["west-1", "west-1", "west-0"]
    assert [each["owner"] for each in cars] == ["A" * 22, "A" * 22, None]
    assert len(west.balancer.call("GET", "/waiting?limit=2").json()["cars"]) == 2


def test_a_car_is_moved_from_one_region_to_another_and_its_first_id_stays_good(country: Country) -> None:
    west, east, top = country
    west["west-1"].forecast_s = 1.0
    waiting = charge(top, "key", wait=True).json()
    assert waiting["session_id"].startswith("west.west-1.")

    east["east-0"].set_load(0.0)
    wait_until(lambda: bool(east["east-0"].charging()), 60, "the car is moved")
    wait_until(lambda: not west["west-1"].waiting(), 60, "and waits no more")

    [now] = east["east-0"].charging()
    found = top.call("GET", f"/charge/{waiting['session_id']}").json()
    assert found["session_id"] == f"east.east-0.{now.session_id}"
    assert top.call("GET", f"/charge/{waiting['session_id']}?wait_s=1").json()["session_id"] == found["session_id"]
    inner = waiting["session_id"].partition(".")[2]
    assert west.balancer.call("GET", f"/charge/{inner}").json()["superseded_by"] == f"../{found['session_id']}"
    stopped = top.call("DELETE", f"/charge/{waiting['session_id']}").json()
    assert (stopped["session_id"], stopped["end_reason"]) == (found["session_id"], "Stopped")


def test_a_car_that_its_region_has_moved_has_the_same_id_for_the_country(country: Country) -> None:
    west, _, top = country
    west["west-0"].forecast_s = 1.0
    waiting = charge(top, "key", wait=True).json()
    west["west-1"].set_load(0.0)
    wait_until(lambda: bool(west["west-1"].charging()), 60, "the car is moved")
    wait_until(lambda: not west["west-0"].waiting(), 60, "and waits no more")

    [now] = west["west-1"].charging()
    found = top.call("GET", f"/charge/{waiting['session_id']}").json()
    assert (found["session_id"], found["substation"]) == (f"west.west-1.{now.session_id}", "west.west-1")


def test_a_long_poll_to_a_region_ends_before_a_connection_that_says_nothing_is_cut(country: Country) -> None:
    west, _, top = country
    west["west-0"].forecast_s = 1.0
    waiting = charge(top, "key", wait=True).json()
    thread, replies = in_background(lambda: top.call("GET", f"/charge/{waiting['session_id']}?wait_s=60", timeout_s=90))
    wait_until(lambda: bool(west["west-0"].asked("GET /charge/")), 60, "it is under way")

    assert int(west["west-0"].asked("GET /charge/")[0].query["wait_s"]) <= 45
    west["west-0"].begin(waiting["session_id"].rpartition(".")[2])
    thread.join(60)
    assert replies[0].json()["state"] == "Charging"


@pytest.fixture
def by_name(country: Country, tmp_path: Path) -> Iterator[Process]:
    """Another balancer over the regions, to which their names mean something."""
    west, east, _ = country
    settings = {
        "poll_interval_s": 0.25,
        "regions": json.dumps([{"name": "west"}, {"name": "east"}]),
        "substations": f"west={west.balancer.url},east={east.balancer.url}",
        **PATIENT_BALANCER,
    }
    with Process("balancer", tmp_path / "by-name", **settings) as balancer:
        wait_until(lambda: seen(balancer, "east").get("in_rotation") is True, 60, "the regions are seen")
        yield balancer


def test_a_car_waits_only_in_a_region_that_will_do(country: Country, by_name: Process) -> None:
    west, east, _ = country
    for stub in west.stubs:
        stub.forecast_s = 90.0
    for stub in east.stubs:
        stub.forecast_s = 1.0

    there = charge(by_name, "there", wait=True, region="west")
    anywhere = charge(by_name, "anywhere", wait=True)
    first = charge(by_name, "first", wait=True, region=["west", "east"])

    assert [each.status for each in (there, anywhere, first)] == [202] * 3
    at = [each.json()["session_id"].partition(".")[0] for each in (there, anywhere, first)]
    assert at == ["west", "east", "east"], "of those that will do, where it starts first"


def test_when_a_region_takes_nobody_the_next_that_will_do_is_asked(country: Country, by_name: Process) -> None:
    west, _, _ = country
    for stub in west.stubs:
        stub.fill(draining=True)
    wait_until(lambda: nobody_takes(west), 60, "both are seen to be drained")

    assert code(charge(by_name, "there", wait=True, region="west")) == (503, "no-capacity")
    reply = charge(by_name, "first", wait=True, region=["west", "east"])
    assert (reply.status, reply.json()["session_id"].partition(".")[0]) == (202, "east")


def test_where_regions_mean_something_no_car_is_moved_from_one_to_another(country: Country, by_name: Process) -> None:
    west, east, top = country
    top.kill()  # to it they mean nothing
    assert charge(by_name, "there", wait=True, region="west").status == 202
    east["east-0"].set_load(0.0)
    wait_until(lambda: metric(by_name, "smartgrid_waiting_sessions") == 1, 60, "it is seen to wait")
    wait_until(lambda: seen(by_name, "east")["committed_kw"] == 100, 60, "the room is seen")
    time.sleep(1.0)  # it would have been moved by now

    assert east["east-0"].asked("POST /charge") == []
    assert sum(len(stub.waiting()) for stub in west.stubs) == 1
