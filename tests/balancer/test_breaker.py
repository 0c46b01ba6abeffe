"""The circuit breaker on cars, with time as an argument."""

from __future__ import annotations

from itertools import pairwise

import pytest

from smartgrid.balancer.breaker import FIRST_OPEN_S, JITTER, LONGEST_OPEN_S, Breaker

NOW_S = 100.0


def opened(failures: int = 1) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker.failed(NOW_S)
    return breaker


def test_it_is_closed_at_first() -> None:
    assert Breaker().lets_through(NOW_S)


def test_one_failure_opens_it_for_a_time() -> None:
    breaker = opened()
    assert not breaker.lets_through(NOW_S + FIRST_OPEN_S * (1 - JITTER) - 0.01)
    assert breaker.lets_through(NOW_S + FIRST_OPEN_S * (1 + JITTER))


def test_half_open_it_lets_one_car_through_at_a_time() -> None:
    breaker = opened()
    later_s = NOW_S + FIRST_OPEN_S * (1 + JITTER)
    breaker.sent()
    assert not breaker.lets_through(later_s)
    breaker.spared()
    assert breaker.lets_through(later_s)


def test_an_answer_closes_it() -> None:
    breaker = opened(5)
    breaker.sent()
    breaker.succeeded()
    assert breaker.lets_through(NOW_S)
    assert breaker.is_closed


def test_each_failure_opens_it_for_twice_as_long_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    open_s = [opened(failures).due_s - NOW_S for failures in range(1, 40)]
    assert open_s[0] == FIRST_OPEN_S
    assert all(after == min(2 * before, LONGEST_OPEN_S) for before, after in pairwise(open_s))
