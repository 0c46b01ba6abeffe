"""Substations that answer every poll and let cars down: they are spared cars, and cars are spared them (review, H5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid, seen
from support.grid import metric
from support.processes import wait_until
from support.scripted_substation import answers, problem, silence

pytestmark = pytest.mark.timeout(300)
GRAY = [f"gray-{i}" for i in range(6)]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    with scripted_grid(tmp_path, [*GRAY, "healthy"], attempt_timeout_s=1, request_timeout_s=10) as grid:
        yield grid


def asked(grid: ScriptedGrid, name: str) -> int:
    return sum(each.method == "POST" for each in list(grid[name].requests))


def test_a_car_left_waiting_spares_the_next_ones_that_substation(grid: ScriptedGrid) -> None:
    grid.prefer(GRAY[0])
    grid[GRAY[0]].scripts["POST"] = silence

    replies = [charge(grid.balancer, f"key-{i}") for i in range(12)]

    assert [reply.status for reply in replies] == [201] * 12
    assert asked(grid, GRAY[0]) <= 4, "every car was sent there"
    assert metric(grid.balancer, "balancer_breaker_open", substation=GRAY[0]) == 1
    assert seen(grid.balancer, GRAY[0])["in_rotation"] is False


@pytest.mark.parametrize("script", [silence, answers(problem(500, "internal-error"))], ids=["silent", "500"])
def test_six_of_them_beside_a_healthy_one_do_not_stop_the_grid(grid: ScriptedGrid, script: object) -> None:
    for name in GRAY:
        grid[name].set_load(0.0)
        grid[name].scripts["POST"] = script
    grid["healthy"].set_load(50.0)

    wait_until(lambda: charge(grid.balancer, "until one is placed").status == 201, 60, "a car is placed")
    replies = [charge(grid.balancer, f"key-{i}") for i in range(6)]

    assert [reply.json().get("substation") for reply in replies] == ["healthy"] * 6


def test_it_gets_cars_again_once_it_has_answered_one(grid: ScriptedGrid) -> None:
    grid.prefer(GRAY[0])
    grid[GRAY[0]].scripts["POST"] = answers(problem(500, "internal-error"))
    charge(grid.balancer, "let down")
    assert metric(grid.balancer, "balancer_breaker_open", substation=GRAY[0]) == 1

    grid[GRAY[0]].scripts.clear()

    numbers = iter(range(10_000))
    wait_until(
        lambda: charge(grid.balancer, f"key-{next(numbers)}").json()["substation"] == GRAY[0], 60, "it is tried again"
    )
    assert metric(grid.balancer, "balancer_breaker_open", substation=GRAY[0]) == 0


def test_no_car_is_refused_while_only_one_of_them_could_take_it(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, ["only"], attempt_timeout_s=1, request_timeout_s=10) as grid:
        grid["only"].scripts["POST"] = answers(problem(500, "internal-error"))
        assert code(charge(grid.balancer, "let down")) == (504, "outcome-unknown")
        grid["only"].scripts.clear()

        assert charge(grid.balancer, "at once").status == 201
