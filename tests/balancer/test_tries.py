"""Which number a try has."""

from __future__ import annotations

import time

import pytest

from smartgrid.balancer.tries import Tries
from smartgrid.protocol.headers import NUMBER
from smartgrid.protocol.numbers import MAX_PARTS
from support.grid import Grid, car

NOW_S = 1_800_000_000.0
NOW = 1_800_000_000_000_000


def own(number: tuple[int, ...]) -> bool:
    """Whether it is the balancer's own time."""
    return len(number) == 1 and abs(number[0] - time.time_ns() // 1000) < 60 * 10**6


@pytest.mark.parametrize(
    "number", [(NOW,), (NOW - 10**12,), (NOW + 59 * 10**6,), (NOW, 3, 77), (NOW, 1, 2, 3, 4, 5, 6)]
)
def test_the_gateways_number_is_taken_where_it_can_be_believed(number: tuple[int, ...]) -> None:
    assert Tries().number(number, NOW_S) == number


@pytest.mark.parametrize("number", [None, (NOW + 61 * 10**6,), (1,) * MAX_PARTS])
def test_else_it_is_the_balancers_own_time(number: tuple[int, ...] | None) -> None:
    assert own(Tries().number(number, NOW_S))


def test_its_own_numbers_grow() -> None:
    tries = Tries()
    numbers = [tries.number(None, NOW_S) for _ in range(1000)]
    assert numbers == sorted(set(numbers))


def test_that_a_number_is_not_believed_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tries = Tries()
    for _ in range(3):
        tries.number((NOW + 10**10,), NOW_S)
        tries.number(None, NOW_S)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("number", ["{}", "1.x", "-1", "1..2", "9" * 40])
def test_what_cannot_be_a_number_is_refused(grid: Grid, number: str) -> None:
    reply = grid.balancer.call("POST", "/charge", json=car(), headers={NUMBER: number})

    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
