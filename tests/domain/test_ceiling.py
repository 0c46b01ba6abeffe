"""A car that cannot take its share leaves it to others, and gets it back as soon as it can."""

from __future__ import annotations

import math

from smartgrid.domain.ceiling import PATIENCE_S, REST_S, Ceiling
from smartgrid.domain.request import PowerRange

POWER = PowerRange(4.14, 22.0)


def after(ceiling: Ceiling, drawn_kw: float, limit_kw: float | None, now_s: float = 0.0) -> float:
    """Its ceiling once it has drawn that for long enough."""
    ceiling.observe(now_s, drawn_kw, limit_kw, POWER)
    ceiling.observe(now_s + PATIENCE_S, drawn_kw, limit_kw, POWER)
    return ceiling.max_kw


def test_less_than_nine_tenths_for_a_minute_is_all_that_it_takes() -> None:
    assert after(Ceiling(), 8.0, 10.0) == 8.8


def test_a_short_dip_is_not() -> None:
    ceiling = Ceiling()
    ceiling.observe(0, 5.0, 10.0, POWER)
    ceiling.observe(30, 9.5, 10.0, POWER)
    assert after(ceiling, 9.2, 10.0, 40) == math.inf


def test_what_it_draws_is_held_against_its_limit_and_not_against_an_offer_that_it_does_not_know() -> None:
    assert after(Ceiling(), 1.0, None) == math.inf


def test_one_that_is_paused_takes_nothing_through_no_fault_of_its_own() -> None:
    assert after(Ceiling(), 0.0, 0.0) == math.inf


def test_it_is_never_below_the_least_that_is_of_use() -> None:
    assert after(Ceiling(), 0.0, 10.0) == 4.14


def test_at_a_ceiling_that_fits_nothing_changes() -> None:
    ceiling = Ceiling(8.8)
    assert after(ceiling, 8.0, 8.8) == 8.8


def test_all_that_it_may_doubles_it() -> None:
    ceiling = Ceiling(5.5)
    assert ceiling.observe(0, 5.4, 5.5, POWER)
    assert ceiling.max_kw == 11
    assert ceiling.observe(1, 11, 11, POWER)
    assert ceiling.max_kw == math.inf
    assert not ceiling.observe(2, 22, 22, POWER)


def resting() -> Ceiling:
    ceiling = Ceiling()
    ceiling.observe(0, 0.05, 10.0, POWER)
    assert ceiling.pass_time(REST_S)
    return ceiling


def test_one_that_takes_nothing_for_ten_minutes_rests() -> None:
    ceiling = Ceiling()
    ceiling.observe(0, 0.0, 10.0, POWER)
    assert not ceiling.pass_time(REST_S - 1)
    assert ceiling.pass_time(REST_S)
    assert (ceiling.rests, ceiling.max_kw, ceiling.rested_s) == (True, 0, REST_S)


def test_one_that_may_not_draw_does_not() -> None:
    ceiling = Ceiling()
    ceiling.observe(0, 0.0, 10.0, POWER)
    ceiling.observe(300, 0.0, 0.0, POWER)
    assert not ceiling.pass_time(REST_S + 300)


def test_nor_one_that_draws_a_little() -> None:
    ceiling = Ceiling()
    ceiling.observe(0, 0.0, 10.0, POWER)
    ceiling.observe(300, 1.0, 10.0, POWER)
    assert not ceiling.pass_time(REST_S + 300)


def test_while_it_takes_nothing_it_goes_on_to_rest_whatever_it_is_offered() -> None:
    ceiling = resting()
    assert after(ceiling, 0.0, 4.14, REST_S) == 0
    assert after(ceiling, 0.0, 0.0, REST_S) == 0


def test_once_it_draws_it_is_as_any_other() -> None:
    ceiling = resting()
    assert ceiling.observe(REST_S + 1, 4.1, 4.14, POWER)
    assert (ceiling.rests, ceiling.max_kw) == (False, 8.2)


def test_each_ten_minutes_that_it_does_not_it_rests_anew() -> None:
    ceiling = resting()
    ceiling.observe(REST_S + 60, 0.0, 4.14, POWER)
    assert ceiling.pass_time(2 * REST_S)
    assert ceiling.rested_s == 2 * REST_S
