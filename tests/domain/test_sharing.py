"""Max-min fair sharing, against its definition and against an oracle that shares no code with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import PowerRange
from smartgrid.domain.sharing import share_kw
from support.powers import power_ranges

NEAR_KW = 1e-6
ROUNDING_KW = 1e-9


@st.composite
def shared(draw: st.DrawFn) -> tuple[float, list[PowerRange]]:
    """Sessions whose minimums fit, and a capacity between just enough for those and too much for all."""
    ranges = draw(st.lists(power_ranges(), max_size=12))
    least_kw, most_kw = sum(r.min_kw for r in ranges), sum(r.max_kw for r in ranges)
    between = draw(st.sampled_from([0.0, 0.5, 1.0]) | st.floats(min_value=0, max_value=1.3))
    return least_kw + between * (most_kw - least_kw), ranges


def level_by_bisection(capacity_kw: float, ranges: list[PowerRange]) -> list[float]:
    """The powers at the highest common level that the capacity allows."""
    low_kw, high_kw = 0.0, max((r.max_kw for r in ranges), default=0.0)
    for _ in range(200):
        level_kw = (low_kw + high_kw) / 2
        if sum(min(max(level_kw, r.min_kw), r.max_kw) for r in ranges) <= capacity_kw:
            low_kw = level_kw
        else:
            high_kw = level_kw
    return [min(max(high_kw, r.min_kw), r.max_kw) for r in ranges]


@given(shared())
def test_never_over_capacity(given: tuple[float, list[PowerRange]]) -> None:
    capacity_kw, ranges = given
    assert sum(share_kw(capacity_kw, ranges)) <= capacity_kw + ROUNDING_KW


@given(shared())
def test_everyone_is_between_minimum_and_maximum(given: tuple[float, list[PowerRange]]) -> None:
    capacity_kw, ranges = given
    powers_kw = share_kw(capacity_kw, ranges)
    assert all(r.min_kw <= power_kw <= r.max_kw for r, power_kw in zip(ranges, powers_kw, strict=True))


@given(shared())
def test_nothing_is_left_over_while_anyone_wants_more(given: tuple[float, list[PowerRange]]) -> None:
    capacity_kw, ranges = given
    wanted_kw = min(capacity_kw, sum(r.max_kw for r in ranges))
    assert sum(share_kw(capacity_kw, ranges)) == pytest.approx(wanted_kw, abs=NEAR_KW)


@given(shared())
def test_no_one_can_gain_unless_one_with_no_more_power_loses(given: tuple[float, list[PowerRange]]) -> None:
    """The definition of max-min fairness: who is not at his maximum envies only those who are at their minimum."""
    capacity_kw, ranges = given
    powers_kw = share_kw(capacity_kw, ranges)
    for mine, my_kw in zip(ranges, powers_kw, strict=True):
        if my_kw < mine.max_kw - NEAR_KW:
            richer = [(r, kw) for r, kw in zip(ranges, powers_kw, strict=True) if kw > my_kw + NEAR_KW]
            assert all(kw == pytest.approx(r.min_kw, abs=NEAR_KW) for r, kw in richer)


@given(shared())
def test_agrees_with_bisection(given: tuple[float, list[PowerRange]]) -> None:
    assert share_kw(*given) == pytest.approx(level_by_bisection(*given), abs=NEAR_KW)


@given(shared(), st.randoms(use_true_random=False))
def test_the_order_of_sessions_does_not_matter(given: tuple[float, list[PowerRange]], random: object) -> None:
    capacity_kw, ranges = given
    order = list(range(len(ranges)))
    random.shuffle(order)  # type: ignore[attr-defined]
    there = share_kw(capacity_kw, ranges)
    here = share_kw(capacity_kw, [ranges[i] for i in order])
    assert here == pytest.approx([there[i] for i in order], abs=NEAR_KW)


def test_equal_sessions_get_equal_power() -> None:
    assert share_kw(30, [PowerRange(1, 22)] * 3) == [10, 10, 10]


def test_what_one_cannot_use_goes_to_the_others() -> None:
    assert share_kw(30, [PowerRange(1, 4), PowerRange(1, 22), PowerRange(1, 22)]) == [4, 13, 13]


def test_a_high_minimum_is_kept_and_the_others_share_the_rest() -> None:
    assert share_kw(30, [PowerRange(20, 22), PowerRange(1, 22), PowerRange(1, 22)]) == [20, 5, 5]


def test_rigid_sessions_get_just_what_they_ask() -> None:
    assert share_kw(30, [PowerRange(11, 11), PowerRange(11, 11), PowerRange(1, 11)]) == [11, 11, 8]


def test_no_sessions_no_power() -> None:
    assert share_kw(0, []) == share_kw(100, []) == []


def test_minimums_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="minimums exceed"):
        share_kw(10, [PowerRange(6, 11), PowerRange(6, 11)])
