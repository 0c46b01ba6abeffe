"""Which sizes of car places are kept for."""

from __future__ import annotations

from smartgrid.domain.routing.common_sizes import REMEMBERED, CommonSizes


def seen(*cars_kw: float) -> CommonSizes:
    sizes = CommonSizes()
    for size_kw in cars_kw:
        sizes.note(size_kw)
    return sizes


def test_the_largest_three_count() -> None:
    assert seen(3.7, 7.4, 50, 11, 22).largest_first_kw == (50, 22, 11)


def test_alike_ones_count_as_the_largest_of_them() -> None:
    assert seen(21, 22, 21.5, 50).largest_first_kw == (50, 22)


def test_a_single_request_among_many_changes_nothing() -> None:
    assert seen(*[11.0] * 500, 350, *[11.0] * 500).largest_first_kw == (11,)


def test_a_size_that_has_become_common_counts() -> None:
    assert seen(*[11.0] * 500, *[22.0] * 300).largest_first_kw == (22, 11)


def test_a_size_that_comes_no_more_is_forgotten() -> None:
    sizes = seen(*[22.0] * 10, *[11.0] * 500)
    assert sizes.largest_first_kw == (22, 11)
    for _ in range(4 * REMEMBERED):
        sizes.note(11.0)
    assert sizes.largest_first_kw == (11,)


def test_a_car_that_needs_nothing_is_counted_too() -> None:
    assert seen(0.0).largest_first_kw == (0.1,)
