"""Substations that answer every poll and let cars down: they are spared cars, and cars are spared them (review, H5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid, seen
from support.grid import metric
from support.processes import wait_until
from support.scripted_substation import answers, late, problem, silence

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


def test_one_that_answers_slowly_is_asked_last(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, ["slow", "quick"], attempt_timeout_s=10, request_timeout_s=30) as grid:
        grid["slow"].scripts["POST"] = late(0.5)
        numbers = iter(range(10_000))

        def charge_at(name: str) -> None:
            grid.prefer(name)
            assert charge(grid.balancer, f"key-{next(numbers)}").status == 201

        charge_at("quick")
        wait_until(
            lambda: charge_at("slow") or metric(grid.balancer, "substation_slow", substation="slow") == 1,
            60,
            "it is slow",
        )
        grid.prefer("slow")

        assert charge(grid.balancer, "first").json()["substation"] == "quick"
        grid["quick"].set_load(100.0)
        wait_until(lambda: seen(grid.balancer, "quick").get("load_kw") == 100.0, 60, "the quick one is full")
        assert charge(grid.balancer, "no one else has room").json()["substation"] == "slow"


def test_where_no_one_answers_polls_but_all_take_cars_the_cars_are_placed(tmp_path: Path) -> None:
    """The fault is more likely this balancer's way to them than all of theirs."""
    names = ["one", "two", "three"]
    with scripted_grid(tmp_path, names, attempt_timeout_s=10, request_timeout_s=30) as grid:
        for name in names:
            grid[name].scripts["GET /status"] = answers(problem(500, "internal-error"))
            grid[name].set_load(0.0)  # which ends the long poll
        wait_until(lambda: not any(seen(grid.balancer, name)["in_rotation"] for name in names), 60, "all are out")

        assert [charge(grid.balancer, f"key-{i}").status for i in range(5)] == [201] * 5
