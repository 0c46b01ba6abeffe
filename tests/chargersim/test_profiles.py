"""Charging profiles: which limit holds, by the standard's rules."""

from __future__ import annotations

import math
from typing import Any

import pytest

from smartgrid.chargersim.profiles import Kind, Period, Profile, Purpose, Unit, allowed_a

NOW_S = 1_800_000_000.0


def profile(purpose: Purpose, limit: float, **changes: Any) -> Profile:
    told: dict[str, Any] = {
        "profile_id": 1,
        "connector": 1,
        "stack_level": 0,
        "kind": Kind.ABSOLUTE,
        "unit": Unit.AMPERES,
        "periods": (Period(0, limit),),
        "set_wall_s": NOW_S,
        **changes,
    }
    return Profile(purpose=purpose, **told)


def allowed(*profiles: Profile, after_s: float = 0.0, connector: int = 1, phases: int = 3) -> float:
    return allowed_a(profiles, connector, NOW_S + after_s, 230.0, phases)


def test_without_a_profile_there_is_no_limit() -> None:
    assert allowed() == math.inf


def test_a_tx_profile_rules_over_the_default_even_if_it_allows_more() -> None:
    assert allowed(profile(Purpose.DEFAULT, 6), profile(Purpose.TX, 16)) == 16


def test_when_a_tx_profile_has_run_out_the_default_is_back() -> None:
    both = profile(Purpose.DEFAULT, 6), profile(Purpose.TX, 16, duration_s=40)

    assert allowed(*both, after_s=39.9) == 16
    assert allowed(*both, after_s=40.0) == 6


def test_a_tx_profile_that_has_run_out_over_nothing_leaves_no_limit() -> None:
    assert allowed(profile(Purpose.TX, 16, duration_s=40), after_s=41) == math.inf


def test_of_one_purpose_the_highest_level_rules_while_it_lasts() -> None:
    both = profile(Purpose.TX, 16), profile(Purpose.TX, 8, stack_level=3, duration_s=40)

    assert allowed(*both) == 8
    assert allowed(*both, after_s=41) == 16


def test_a_default_for_one_connector_goes_before_one_for_all() -> None:
    both = profile(Purpose.DEFAULT, 6, connector=0), profile(Purpose.DEFAULT, 10, connector=2)

    assert allowed(*both, connector=1) == 6
    assert allowed(*both, connector=2) == 10


def test_the_bound_on_the_charger_holds_whatever_else_allows() -> None:
    assert allowed(profile(Purpose.TX, 16), profile(Purpose.MAX, 10, connector=0)) == 10


def test_an_absolute_schedule_holds_from_its_start_not_before() -> None:
    later = profile(Purpose.TX, 16, start_wall_s=NOW_S + 10, duration_s=30)

    assert allowed(later, after_s=9) == math.inf
    assert allowed(later, after_s=10) == 16
    assert allowed(later, after_s=40) == math.inf


def test_a_schedule_that_began_long_ago_has_run_out_when_it_comes() -> None:
    assert allowed(profile(Purpose.TX, 16, start_wall_s=NOW_S - 100, duration_s=90)) == math.inf


def test_periods_follow_each_other() -> None:
    two = profile(Purpose.TX, 0, periods=(Period(0, 16), Period(60, 8)))

    assert [allowed(two, after_s=after_s) for after_s in (59, 60)] == [16, 8]


def test_valid_to_ends_it_whatever_the_duration() -> None:
    bounded = profile(Purpose.TX, 16, duration_s=600, valid_to_wall_s=NOW_S + 60)

    assert [allowed(bounded, after_s=after_s) for after_s in (59, 60)] == [16, math.inf]


@pytest.mark.parametrize(("phases", "expected_a"), [(3, 16.0), (1, 48.0)])
def test_watts_are_spread_over_as_many_phases_as_the_connector_has(phases: int, expected_a: float) -> None:
    assert allowed(profile(Purpose.TX, 11040, unit=Unit.WATTS), phases=phases) == pytest.approx(expected_a)
