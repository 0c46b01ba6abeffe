"""One key, one session: what a real balancer does when substations leave, balancers die and requests come late.

The substations are on a script, so that each fault comes at its moment. With real ones: `test_unknown_outcome.py`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import CAR, ScriptedGrid, charge, code, scripted_grid, wait_settled
from support.grid import PATIENT_BALANCER, metric, patient, together
from support.processes import Process, wait_until
from support.scripted_substation import answers, late, problem, silence

pytestmark = pytest.mark.timeout(300)

MANY = 60
LATE_S = 4.0


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    """Members that are registered, so that they can leave."""
    with scripted_grid(tmp_path, ["substation-0", "substation-1"], registered=True) as grid:
        yield grid


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[ScriptedGrid]:
    """It waits for no attempt for longer than two seconds, which is long for one that is answered at once."""
    with scripted_grid(tmp_path, ["substation-0", "substation-1"], registered=True, attempt_timeout_s=2) as grid:
        yield grid


# ---------------------------------------------------------------------- what a key costs


def test_a_fresh_key_is_asked_of_no_one_but_the_substation_that_takes_the_car(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, [f"substation-{i}" for i in range(MANY)]) as grid:
        for stub in grid.stubs:
            stub.requests.clear()

        assert charge(grid.balancer, "fresh").status == 201

        assert [(each.method, each.path) for each in grid.asked_but_status()] == [("POST", "/charge")]


def test_many_fresh_keys_at_once_are_all_admitted_by_a_large_empty_grid(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, [f"substation-{i}" for i in range(MANY)], poll_interval_s=5) as grid:
        for stub in grid.stubs:
            stub.requests.clear()

        replies = together(4 * MANY, lambda i: charge(grid.balancer, f"fresh-{i}", vehicle_id=f"EV-{i}"))

        assert {reply.status for reply in replies} == {201}
        assert len(grid.asked_but_status()) == 4 * MANY  # so that it takes no longer than the timeouts allow
        assert metric(grid.balancer, "keys_contested") == 0


def test_fresh_keys_leave_nothing_to_do_at_substations_that_are_down(grid: ScriptedGrid) -> None:
    grid["substation-1"].vanish()
    for i in range(50):
        assert charge(grid.balancer, f"fresh-{i}", vehicle_id=f"EV-{i}").status == 201

    grid["substation-1"].listen()
    wait_until(lambda: metric(grid.balancer, "substation_in_rotation") == 2, 60, "it is back")
    time.sleep(0.6)  # it would have been told by now

    assert grid["substation-1"].asked("DELETE") == []
    assert charge(grid.balancer, "last").status == 201


# ---------------------------------------------------------------------- substations that leave


def test_a_key_is_placed_nowhere_else_while_its_substation_is_away(grid: ScriptedGrid) -> None:
    grid.prefer("substation-0")
    first = charge(grid.balancer, "key").json()
    assert first["substation"] == "substation-0"
    grid.remove(grid["substation-0"])

    away = charge(grid.balancer, "key")

    assert code(away) == (503, "substation-unavailable")
    assert int(away.headers["Retry-After"]) >= 1
    assert grid["substation-1"].asked("POST") == []


def test_when_it_is_back_the_key_has_the_session_that_it_had(grid: ScriptedGrid) -> None:
    grid.prefer("substation-0")
    first = charge(grid.balancer, "key").json()
    grid.remove(grid["substation-0"])
    charge(grid.balancer, "key")
    grid.register(grid["substation-0"])

    again = charge(grid.balancer, "key")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])
    assert again.headers["Smartgrid-Replayed"] == "true"
    assert [len(stub.charging()) for stub in grid.stubs] == [1, 0]


def test_what_a_new_balancer_places_while_a_substation_is_away_stays_when_it_is_back(
    grid: ScriptedGrid, tmp_path: Path
) -> None:
    """The new one cannot know that the key has a session there. The later of the two is what the client was told."""
    grid.prefer("substation-0")
    charge(grid.balancer, "key")
    grid.remove(grid["substation-0"])
    with Process("balancer", tmp_path / "new", poll_interval_s=0.25, **PATIENT_BALANCER) as new:
        grid.register(grid["substation-1"], new)
        later = charge(new, "key").json()
        assert later["substation"] == "substation-1"

        grid.register(grid["substation-0"], new)
        wait_until(lambda: not grid["substation-0"].charging(), 60, "the earlier session is ended")

        [earlier] = grid["substation-0"].sessions.values()
        assert (earlier.end_reason, earlier.superseded_by) == ("Superseded", f"../{later['session_id']}")
        assert new.call("GET", f"/charge/{later['session_id']}").json()["state"] == "Charging"
        told = new.call("GET", f"/charge/substation-0.{earlier.session_id}").json()
        assert told["superseded_by"] == later["session_id"]


# ---------------------------------------------------------------------- attempts whose outcome is not known


def test_the_session_of_an_attempt_that_was_not_heard_of_is_ended_when_the_car_has_another(hasty: ScriptedGrid) -> None:
    hasty.prefer("substation-0")
    hasty["substation-0"].scripts["POST"] = late(LATE_S)

    placed = charge(hasty.balancer, "key").json()

    assert placed["substation"] == "substation-1"
    wait_until(lambda: bool(hasty["substation-0"].sessions), 60, "the late session is there")
    wait_until(lambda: not hasty["substation-0"].charging(), 60, "and is ended")
    assert [each.session_id for each in hasty["substation-1"].charging()] == [placed["session_id"].partition(".")[2]]


def test_a_balancer_with_an_empty_folder_settles_what_the_one_before_it_left(hasty: ScriptedGrid) -> None:
    hasty.prefer("substation-0")
    hasty["substation-0"].scripts["POST"] = late(LATE_S)
    hasty["substation-0"].scripts["DELETE"] = answers(problem(503, "storage-unavailable"))
    placed = charge(hasty.balancer, "key").json()
    assert placed["substation"] == "substation-1"
    wait_until(lambda: bool(hasty["substation-0"].charging()), 60, "the late session is there")
    hasty.balancer.kill()
    shutil.rmtree(hasty.balancer.folder / "data")

    hasty["substation-0"].scripts.clear()
    hasty.balancer.restart()
    for stub in hasty.stubs:
        hasty.register(stub)

    wait_until(lambda: not hasty["substation-0"].charging(), 60, "the session that no one was told of is ended")
    assert len(hasty["substation-1"].charging()) == 1


def test_where_no_one_else_takes_the_car_the_client_is_told_so_with_the_key(hasty: ScriptedGrid) -> None:
    hasty.prefer("substation-0")
    hasty["substation-0"].scripts["POST"] = silence
    hasty["substation-1"].scripts["POST"] = answers(problem(503, "no-capacity"))

    reply = hasty.balancer.call("POST", "/charge", json=CAR)

    assert code(reply) == (504, "outcome-unknown")
    key = reply.headers["Idempotency-Key"]
    assert key
    hasty["substation-0"].scripts.clear()
    again = patient(lambda: charge(hasty.balancer, key), lambda reply: reply.status == 201)
    assert again.json()["substation"] == "substation-0"


def test_the_repeat_finds_the_session_of_the_attempt_that_was_not_heard_of(hasty: ScriptedGrid) -> None:
    hasty.prefer("substation-0")
    hasty["substation-0"].scripts["POST"] = late(LATE_S)
    hasty["substation-1"].scripts["POST"] = answers(problem(503, "no-capacity"))
    assert code(charge(hasty.balancer, "key")) == (504, "outcome-unknown")

    wait_until(lambda: bool(hasty["substation-0"].sessions), 60, "the late session is there")
    hasty["substation-0"].scripts.clear()
    again = patient(lambda: charge(hasty.balancer, "key"), lambda reply: reply.status == 201)

    [held] = hasty["substation-0"].sessions.values()
    assert again.json()["session_id"] == f"substation-0.{held.session_id}"


# ---------------------------------------------------------------------- tries that overtake each other


def test_a_first_try_that_arrives_after_the_second_does_not_win(grid: ScriptedGrid, tmp_path: Path) -> None:
    """The gateway's first try was held up on its way to one balancer, its second went through another."""
    now = time.time_ns() // 1000
    with Process("balancer", tmp_path / "other", poll_interval_s=0.25, **PATIENT_BALANCER) as other:
        grid.register(grid["substation-0"], other)
        second = charge(other, "key", {"Smartgrid-Number": str(now)}).json()
        assert second["substation"] == "substation-0"
        grid.remove(grid["substation-0"])  # this balancer has not heard of the key, nor will it until later
        grid.balancer.kill()
        shutil.rmtree(grid.balancer.folder / "data")
        grid.balancer.restart()
        grid.register(grid["substation-1"])

        late_first = charge(grid.balancer, "key", {"Smartgrid-Number": str(now - 3_000_000)}).json()
        assert late_first["substation"] == "substation-1"
        grid.register(grid["substation-0"])

        wait_until(lambda: not grid["substation-1"].charging(), 60, "the first try's session is ended")
        assert other.call("GET", f"/charge/{second['session_id']}").json()["state"] == "Charging"


def test_a_number_from_the_future_is_not_believed(grid: ScriptedGrid) -> None:
    far = time.time_ns() // 1000 + 3600 * 10**6

    assert charge(grid.balancer, "key", {"Smartgrid-Number": str(far)}).status == 201

    [request] = [each for stub in grid.stubs for each in stub.asked("POST")]
    assert abs(request.number[0] - time.time_ns() // 1000) < 60 * 10**6
    assert "number that cannot be believed" in grid.balancer.log()


def test_the_numbers_of_a_try_go_on_from_the_gateways(grid: ScriptedGrid) -> None:
    now = time.time_ns() // 1000
    for stub in grid.stubs:
        stub.scripts["POST"] = answers(problem(503, "no-capacity"))

    charge(grid.balancer, "key", {"Smartgrid-Number": str(now)})

    numbers = sorted(each.number for stub in grid.stubs for each in stub.asked("POST"))
    assert [number[:2] for number in numbers] == [(now, 0), (now, 1)]
    assert numbers[0][2] == numbers[1][2], "the balancer's own"


# ---------------------------------------------------------------------- what is told of it


def test_superseded_sessions_and_known_keys_are_counted(grid: ScriptedGrid) -> None:
    grid["substation-0"].put("key", (5,))
    grid["substation-1"].put("key", (9,))

    wait_until(lambda: metric(grid.balancer, "supersedings_total") == 1, 60, "the earlier one is ended")
    wait_settled(grid.balancer)
    assert metric(grid.balancer, "keys_known") == 2


def test_a_repeat_is_counted_as_one_and_no_substation_is_credited_with_it(grid: ScriptedGrid) -> None:
    for _ in range(3):
        assert charge(grid.balancer, "key").status == 201

    assert metric(grid.balancer, "load_balancer_requests_total", result="admitted") == 1
    assert metric(grid.balancer, "load_balancer_requests_total", result="replayed") == 2
    assert metric(grid.balancer, "routing_decisions_total") == 1


def test_a_status_is_told_only_to_who_wants_it(grid: ScriptedGrid) -> None:
    assert "Smartgrid-Status" not in charge(grid.balancer, "one").headers
    assert "Smartgrid-Status" in charge(grid.balancer, "two", {"Smartgrid-Status": "wanted"}).headers
