"""How far off another machine's clock is, from answers dated in whole seconds."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.balancer.clock_skew import PERIOD_S, ClockSkew, told_at

NOW_S = 1_800_000_000.0


def after(
    skew_s: float, answers: int, *, took_s: float = 0.01, every_s: float = 0.737, clock: ClockSkew | None = None
) -> ClockSkew:
    """What is known after so many answers of a machine whose clock is ahead by `skew_s`."""
    clock, rng = clock or ClockSkew(), Random(1)
    for number in range(answers):
        sent_s = NOW_S + number * every_s
        made_s = sent_s + rng.random() * took_s
        clock.note(math.floor(made_s + skew_s), sent_s, sent_s + took_s)
    return clock


@given(st.floats(-5, 5), st.integers(1, 60), st.floats(0, 0.5), st.floats(0.01, 3))
def test_what_it_says_is_never_more_than_the_truth(skew_s: float, answers: int, took_s: float, every_s: float) -> None:
    least_s = after(skew_s, answers, took_s=took_s, every_s=every_s).least_s

    assert abs(least_s) <= abs(skew_s) + 1e-6
    assert least_s * skew_s >= 0


@pytest.mark.parametrize("skew_s", [-3.3, -0.4, 0.4, 3.3])
def test_it_comes_near_the_truth_within_some_answers(skew_s: float) -> None:
    assert after(skew_s, 40).least_s == pytest.approx(skew_s, abs=0.1)


def test_a_clock_that_is_right_is_never_called_wrong() -> None:
    assert after(0.0, 500).least_s == 0


def test_long_polls_still_tell_that_a_clock_is_ahead() -> None:
    clock = ClockSkew()
    for number in range(60):
        came_s = NOW_S + 46.737 * number
        clock.note(math.floor(came_s + 0.5), came_s - 45, came_s)
    assert clock.least_s == pytest.approx(0.5, abs=0.3)


def test_a_clock_that_is_set_right_is_soon_called_right() -> None:
    clock = after(2.0, 40)
    assert clock.least_s > 1.5

    assert after(0.0, 1, clock=clock).least_s == pytest.approx(0, abs=0.01)


def test_what_is_long_past_does_not_count() -> None:
    clock = after(0.3, 40)
    found = clock.least_s
    for number in range(3):
        clock.note(NOW_S + number * PERIOD_S, NOW_S + number * PERIOD_S, NOW_S + number * PERIOD_S + 1)

    assert found > 0.2
    assert clock.least_s == 0


def test_a_date_is_read_and_what_is_none_says_nothing() -> None:
    assert told_at("Thu, 26 Nov 2026 03:18:47 GMT") == 1_795_663_127
    assert told_at("yesterday") is told_at(None) is told_at("Thu, 99 Nov 2026 03:18:47 GMT") is None
