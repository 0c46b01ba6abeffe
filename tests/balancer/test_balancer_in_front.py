"""What a balancer tells a balancer in front of it: to that one it looks like a substation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid
from smartgrid.protocol.keys import digest
from support.grid import metric
from support.processes import wait_until
from support.scripted_substation import answers, problem

pytestmark = pytest.mark.timeout(300)

QUIET_S = 0.5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedGrid]:
    with scripted_grid(tmp_path_factory.mktemp("region"), ["one", "two"], name="west") as grid:
        yield grid


@pytest.fixture
def grid(shared: ScriptedGrid) -> Iterator[ScriptedGrid]:
    yield shared
    for stub in shared.stubs:
        stub.scripts.clear()


def status(grid: ScriptedGrid, query: str) -> dict[str, Any]:
    reply = grid.balancer.call("GET", f"/status?{query}")
    assert reply.status == 200
    return dict(reply.json())


def _after_now(grid: ScriptedGrid) -> str:
    """The query of a long poll that ends when a key changes, or after a minute."""
    now = status(grid, "epoch=0&keys=0")
    return f"epoch={now['epoch']}&since={now['revision'] + 10**6}&keys={now['keys']['position']}&wait_s=60"


def entries(found: dict[str, Any], key: str) -> list[list[Any]]:
    return [each for each in found["keys"]["entries"] if each[0] == digest(key)]


def test_who_knows_nothing_gets_all_keys_with_the_ids_as_this_balancer_shows_them(grid: ScriptedGrid) -> None:
    session_id = charge(grid.balancer, "all").json()["session_id"]

    found = status(grid, "epoch=0&keys=0")

    assert found["keys"]["reset"] is True
    [[_, number, told_id, superseded]] = entries(found, "all")
    assert (told_id, superseded) == (session_id, 0)
    assert number.count(".") == 2


def test_who_has_read_gets_what_has_changed_since(grid: ScriptedGrid) -> None:
    charge(grid.balancer, "before")
    first = status(grid, "epoch=0&keys=0")
    charge(grid.balancer, "after")

    then = status(grid, f"epoch={first['epoch']}&keys={first['keys']['position']}")

    assert then["keys"]["reset"] is False
    assert entries(then, "before") == []
    assert len(entries(then, "after")) == 1


def test_a_position_of_another_epoch_is_read_from_the_beginning(grid: ScriptedGrid) -> None:
    charge(grid.balancer, "again")
    first = status(grid, "epoch=0&keys=0")

    then = status(
        grid, f"epoch={first['epoch'] + 1}&since={first['revision']}&keys={first['keys']['position']}&wait_s=60"
    )

    assert then["keys"]["reset"] is True
    assert len(entries(then, "again")) == 1


def test_a_status_without_keys_tells_none(grid: ScriptedGrid) -> None:
    assert "keys" not in status(grid, "epoch=0")


def test_a_long_poll_ends_when_a_key_changes(grid: ScriptedGrid) -> None:
    session_id = charge(grid.balancer, "changed").json()["session_id"]
    name, _, inner = session_id.partition(".")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(status, grid, _after_now(grid))
        while wait([waiting], QUIET_S).done:  # the substation's own log has told the key only now
            waiting = pool.submit(status, grid, _after_now(grid))
        charge(grid.balancer, "changed")  # a repeat raises the number

        [[_, _, told_id, _]] = entries(waiting.result(30), "changed")

    assert (told_id, name) == (f"{name}.{inner}", name)


def test_a_superseding_goes_down_with_one_more_step_up_and_comes_back_with_one_less(grid: ScriptedGrid) -> None:
    session_id = charge(grid.balancer, "down").json()["session_id"]
    name, _, inner = session_id.partition(".")
    before = f"{time.time_ns() // 1000 + 10**6}.0.5"

    ended = grid.balancer.call("DELETE", f"/charge/{session_id}?before={before}&superseded_by=../east.three.x")

    assert (ended.status, ended.json()["end_reason"]) == (200, "Superseded")
    assert ended.json()["superseded_by"] == "../east.three.x"
    assert grid[name].sessions[inner].superseded_by == "../../east.three.x"
    told = charge(grid.balancer, "down", {"Smartgrid-Status": "wanted"})
    assert (told.status, told.json()["superseded_by"]) == (409, "../east.three.x")


def test_a_superseding_before_a_lower_number_changes_nothing(grid: ScriptedGrid) -> None:
    session_id = charge(grid.balancer, "late").json()["session_id"]

    kept = grid.balancer.call("DELETE", f"/charge/{session_id}?before=5.0.5&superseded_by=../east.three.x")

    assert (kept.status, kept.json()["state"]) == (200, "Charging")


@pytest.mark.parametrize(
    "query", ["before=5", "superseded_by=../a.x", "before=x&superseded_by=../a.x", "before=5&superseded_by=/a"]
)
def test_a_superseding_that_says_half_of_it_is_refused(grid: ScriptedGrid, query: str) -> None:
    session_id = charge(grid.balancer, "half").json()["session_id"]

    assert code(grid.balancer.call("DELETE", f"/charge/{session_id}?{query}")) == (422, "invalid-request")
    assert grid.balancer.call("GET", f"/charge/{session_id}").json()["state"] == "Charging"


def test_a_refusal_carries_the_status_that_makes_it_certain(grid: ScriptedGrid) -> None:
    for stub in grid.stubs:
        stub.scripts["POST"] = answers(problem(503, "no-capacity"))

    refused = charge(grid.balancer, "refused", {"Smartgrid-Status": "wanted"})

    assert code(refused) == (503, "no-capacity")
    assert "Smartgrid-Status" in refused.headers


def test_the_attempts_of_a_region_are_numbered_on_from_the_attempt_in_front(grid: ScriptedGrid) -> None:
    number = f"{time.time_ns() // 1000}.2.58"

    placed = charge(grid.balancer, "numbered", {"Smartgrid-Number": number}).json()

    stub = grid[placed["substation"]]
    assert ".".join(map(str, stub.asked("POST")[-1].number)).startswith(f"{number}.0.")
    wait_until(lambda: metric(grid.balancer, "keys_known") > 0, 60)


def test_a_path_that_leads_up_too_far_for_a_member_is_refused_here(grid: ScriptedGrid) -> None:
    session_id = charge(grid.balancer, "far").json()["session_id"]
    reply = grid.balancer.call("DELETE", f"/charge/{session_id}?before=1&superseded_by={'../' * 8}x")
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
    assert "7 times" in reply.json()["detail"]


def test_a_number_that_is_none_is_refused(grid: ScriptedGrid) -> None:
    reply = charge(grid.balancer, "odd", {"Smartgrid-Number": "{}"})
    assert code(reply) == (422, "invalid-request")
