"""Whole numbers for power, time and energy."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain import quanta


@given(st.floats(min_value=0.01, max_value=1e6))
def test_powers_and_times_come_back_as_they_went_in(number: float) -> None:
    assert quanta.to_kw(quanta.of_kw(number)) == number
    assert quanta.to_s(quanta.of_s(number)) == number


@given(st.floats(min_value=0, max_value=1e6))
def test_energies_come_back_as_they_went_in_however_small(energy_kwh: float) -> None:
    there_and_back = quanta.to_kwh(quanta.of_kwh(energy_kwh))
    assert there_and_back == (energy_kwh if energy_kwh > 1e-19 else pytest.approx(energy_kwh, abs=1e-36))


@given(st.floats(min_value=0.01, max_value=1e6), st.floats(min_value=0.01, max_value=1e12))
def test_energy_is_power_times_time_to_the_last_quantum(power_kw: float, time_s: float) -> None:
    energy = quanta.of_kw(power_kw) * quanta.of_s(time_s)
    assert Fraction(energy, quanta.PER_KWH) == Fraction(power_kw) * Fraction(time_s) / 3600


def test_what_is_rounded_again_stays() -> None:
    third_kwh = quanta.to_kwh(quanta.PER_KWH // 3)
    assert quanta.to_kwh(quanta.of_kwh(third_kwh)) == third_kwh


@pytest.mark.parametrize("without_end", [1e300, float("inf")])
def test_what_has_no_end_is_a_great_deal(without_end: float) -> None:
    assert quanta.to_kw(quanta.of_kw(without_end)) > 1e100
    assert quanta.to_s(quanta.of_s(without_end)) > 1e100
    assert quanta.to_kwh(quanta.of_kwh(without_end)) > 1e100
