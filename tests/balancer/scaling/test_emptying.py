"""Which substations are emptied: those above what demand has asked for, for as long as the autoscaler waits itself."""

from __future__ import annotations

import pytest

from smartgrid.balancer.scaling.emptying import Autoscaler, Emptying

AUTOSCALER = Autoscaler(target_demand_kw=70.0, min_replicas=2, max_replicas=10, settle_s=600.0)


@pytest.mark.parametrize(
    ("demand_kw", "expected"), [(0.0, 2), (140.0, 2), (140.1, 3), (0.1 * 3 * 700, 3), (560.0, 8), (5_000.0, 10)]
)
def test_demand_asks_for_as_many_as_bring_it_to_the_target_within_the_bounds(demand_kw: float, expected: int) -> None:
    assert AUTOSCALER.wish(demand_kw) == expected


def test_nothing_is_emptied_before_a_whole_window_was_watched() -> None:
    emptying = Emptying()
    assert emptying.kept(AUTOSCALER, 0.0, 1_000.0) is None
    assert emptying.kept(AUTOSCALER, 0.0, 1_599.0) is None
    assert emptying.kept(AUTOSCALER, 0.0, 1_600.0) == 2


def test_the_most_of_the_window_stays_and_a_wish_is_one_until_the_next_look() -> None:
    emptying = Emptying()
    kept = [emptying.kept(AUTOSCALER, 70.0 * wish, 300.0 * step) for step, wish in enumerate([6, 3, 5, 2, 2, 2, 2])]
    assert kept == [None, None, 6, 6, 5, 5, 2]


def test_more_demand_keeps_more_at_once() -> None:
    emptying = Emptying()
    for step in range(4):
        emptying.kept(AUTOSCALER, 0.0, 300.0 * step)
    assert emptying.kept(AUTOSCALER, 700.0, 1_201.0) == 10


def test_a_window_of_nothing_is_over_with_the_next_look() -> None:
    at_once, emptying = Autoscaler(70.0, 1, 10, 0.0), Emptying()
    assert [
        emptying.kept(at_once, demand_kw, now_s) for now_s, demand_kw in ((5.0, 100.0), (20.0, 0.0), (35.0, 0.0))
    ] == [
        2,
        2,
        1,
    ]
