"""When an issuer's keys are read again."""

from __future__ import annotations

import pytest

from smartgrid.auth.refresh import INTERVAL_S, KEPT_S, LEAST_INTERVAL_S, MAX_RETRY_S, Refresh

NO_JITTER = 0.5


def read_at(now_s: float) -> Refresh:
    refresh = Refresh(INTERVAL_S)
    refresh.succeeded(now_s)
    return refresh


def test_first_at_once_and_then_every_few_minutes() -> None:
    assert Refresh(INTERVAL_S).due_s(NO_JITTER) == 0
    assert read_at(1000).due_s(NO_JITTER) == 1000 + INTERVAL_S


def test_an_unknown_key_brings_it_forward_but_never_below_the_least_interval() -> None:
    refresh = read_at(1000)
    refresh.is_wanted = True
    assert refresh.due_s(NO_JITTER) == 1000 + LEAST_INTERVAL_S


def test_while_the_issuer_is_away_nobody_who_asks_for_a_key_makes_it_sooner() -> None:
    refresh = read_at(1000)
    for failure in range(10):
        refresh.failed(1100 + failure)
    refresh.is_wanted = True
    assert refresh.due_s(NO_JITTER) == 1109 + MAX_RETRY_S


def test_failures_double_the_wait() -> None:
    refresh, waits_s = read_at(0), []
    for _ in range(8):
        refresh.failed(100)
        waits_s.append(refresh.due_s(NO_JITTER) - 100)
    assert waits_s == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("spread", [0.0, 0.25, 1.0])
def test_waits_are_jittered_by_a_tenth(spread: float) -> None:
    assert abs(read_at(0).due_s(spread) - INTERVAL_S) <= INTERVAL_S / 10


def test_what_was_read_is_believed_for_a_day_while_the_issuer_is_away() -> None:
    refresh = read_at(1000)
    refresh.failed(2000)
    assert refresh.is_believed(1000 + KEPT_S)
    assert not refresh.is_believed(1001 + KEPT_S)
    assert refresh.age_s(1500) == 500
    assert not Refresh(INTERVAL_S).is_believed(0)
