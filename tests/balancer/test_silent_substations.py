"""Substations that are down or hang: the others take the cars, or the client hears a clear no in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.grid import Grid, charge, in_rotation, patient, wait_rotation
from support.http import Reply
from support.processes import Process, frozen, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

LONGEST_ANSWER_S = 2.0
TRIES = 5  # the machine may have had better things to do than this test; an answer that is too slow always is so always


@pytest.fixture(scope="module")
def shared_quick(shared_grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    fleet = ",".join(f"{each.settings['name']}={each.url}" for each in shared_grid.substations)
    with Process("balancer", tmp_path_factory.mktemp("quick"), substations=fleet, poll_interval_s=0.25) as balancer:
        yield balancer


@pytest.fixture
def quick(grid: Grid, shared_quick: Process) -> Process:
    """A balancer over the same substations with the timeouts that are the default."""
    wait_until(lambda: grid.is_rested(shared_quick), 60, "the balancer sees an empty grid")
    return shared_quick


def fastest_s(work: Callable[[], Reply]) -> float:
    def duration_s() -> float:
        begun_s = time.monotonic()
        work()
        return time.monotonic() - begun_s

    best_s = duration_s()
    for _ in range(TRIES):
        best_s = best_s if best_s < LONGEST_ANSWER_S else min(best_s, duration_s())
    return best_s


def assert_clear_no(reply: Reply) -> None:
    problem = reply.json()
    assert (reply.status, problem["code"]) == (503, "no-capacity")
    assert int(reply.headers["Retry-After"]) >= 1


def assert_not_known(reply: Reply) -> None:
    """One of them may take the car when it goes on."""
    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.headers["Idempotency-Key"]


def test_all_are_down(grid: Grid, quick: Process) -> None:
    for substation in grid.substations:
        substation.kill()

    assert_clear_no(charge(quick))
    assert fastest_s(lambda: charge(quick)) < LONGEST_ANSWER_S
    for name in grid.names:
        wait_rotation(quick, name, False)
    assert "3 of 3 substations do not answer" in charge(quick).json()["detail"]


def test_all_hang(grid: Grid, quick: Process) -> None:
    with ExitStack() as stack:
        for substation in grid.substations:
            stack.enter_context(frozen(substation))

        assert_not_known(charge(quick))
        assert fastest_s(lambda: charge(quick)) < LONGEST_ANSWER_S


def test_all_hang_and_the_client_names_a_key(grid: Grid, quick: Process) -> None:
    with ExitStack() as stack:
        for substation in grid.substations:
            stack.enter_context(frozen(substation))

        assert_not_known(charge(quick, key="hanging"))
        assert fastest_s(lambda: charge(quick, key="hanging")) < LONGEST_ANSWER_S
    for name in grid.names:
        wait_rotation(quick, name, True)
    assert patient(lambda: charge(quick, key="hanging"), lambda reply: reply.status == 201)


def test_one_is_full_and_the_others_are_down(grid: Grid) -> None:
    for i in range(4):
        assert charge(grid.substations[0], f"filler-{i}").status == 201
    for substation in grid.substations[1:]:
        substation.kill()

    assert_clear_no(charge(grid.balancer))


def killed(substations: list[Process], _: ExitStack) -> None:
    for substation in substations:
        substation.kill()


def hanging(substations: list[Process], stack: ExitStack) -> None:
    for substation in substations:
        stack.enter_context(frozen(substation))


@pytest.mark.parametrize("key", [None, "a-key"], ids=["without key", "with key"])
@pytest.mark.parametrize("fail", [killed, hanging])
def test_the_one_that_is_left_takes_the_car(
    grid: Grid, fail: Callable[[list[Process], ExitStack], None], key: str | None
) -> None:
    with ExitStack() as stack:
        fail(grid.substations[1:], stack)

        reply = patient(  # at once, except on a machine so busy that even this one is late
            lambda: charge(grid.balancer, key=key), lambda reply: reply.status == 201
        )

        assert reply.json()["substation"] == "substation-0"


def test_a_killed_one_gets_no_cars_until_it_is_back(grid: Grid) -> None:
    grid.substations[0].kill()
    wait_rotation(grid.balancer, "substation-0", False)

    placed = {charge(grid.balancer, f"car-{i}").json()["substation"] for i in range(6)}
    assert placed == {"substation-1", "substation-2"}

    grid.substations[0].restart()
    wait_rotation(grid.balancer, "substation-0", True)
    assert charge(grid.balancer, "car-6").json()["substation"] == "substation-0"


def test_one_that_misses_polls_gets_no_cars_until_it_is_back(grid: Grid) -> None:
    with frozen(grid.substations[0]):
        # No car has been let down by it: its polls alone tell.
        wait_rotation(grid.balancer, "substation-0", False)
        assert in_rotation(grid.balancer, "substation-1")
    wait_rotation(grid.balancer, "substation-0", True)


def test_one_that_comes_back_without_its_data_is_taken_in_again(grid: Grid) -> None:
    lost = grid.substations[0]
    for i in range(3):
        assert charge(lost, f"lost-{i}").status == 201
    lost.kill()
    for path in (lost.folder / "data").iterdir():
        path.unlink()
    lost.restart()

    def seen_empty() -> bool:
        seen = grid.balancer.call("GET", "/substations").json()["substations"][0]
        return bool(seen["in_rotation"]) and seen["active_sessions"] == 0

    wait_until(seen_empty, 60, "the balancer sees the substation as it is now")
    grid.prefer_first()
    assert charge(grid.balancer, "new").json()["substation"] == "substation-0"
