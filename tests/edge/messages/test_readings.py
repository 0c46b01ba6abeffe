"""Pitfall 22: meter values as chargers really send them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.messages.charger_clock import ChargerClock, utc_text
from smartgrid.edge.messages.readings import readings
from smartgrid.edge.ports import Reading

NOW_S = 1_800_000_000.0


def sample(value: Any, measurand: str | None = None, **more: Any) -> dict[str, Any]:
    return {"value": value, **({} if measurand is None else {"measurand": measurand}), **more}


def read(*samples: Any, ago_s: float = 0.0) -> Reading:
    (found,) = readings([{"timestamp": utc_text(NOW_S - ago_s), "sampledValue": list(samples)}], ChargerClock(), NOW_S)
    return found


POWER = "Power.Active.Import"
ENERGY = "Energy.Active.Import.Register"


@pytest.mark.parametrize(
    ("given_sample", "kwh"),
    [
        (sample("12345"), 12.345),
        (sample("12345", ENERGY), 12.345),
        (sample("12345", ENERGY, unit="Wh"), 12.345),
        (sample("12.345", ENERGY, unit="kWh"), 12.345),
        (sample("12,345", ENERGY, unit="kWh"), 12.345),
        (sample(" 12345 ", ENERGY), 12.345),
        (sample(12345, ENERGY), 12.345),
        (sample(12.345, ENERGY, unitOfMeasure={"unit": "kWh"}), 12.345),
        (sample(12.345, ENERGY, unitOfMeasure={"unit": "Wh", "multiplier": 3}), 12.345),
        (sample(12345, ENERGY, unitOfMeasure={}), 12.345),
        (sample("12345", "Energy.Active.Export.Register"), 12.345),
        (sample("12345", ENERGY, unit=""), 12.345),
    ],
)
def test_pitfall_22_energy_in_whatever_unit_and_form(given_sample: dict[str, Any], kwh: float) -> None:
    assert read(given_sample).energy_kwh == pytest.approx(kwh)


@pytest.mark.parametrize(
    ("given_sample", "kw"),
    [
        (sample("7400", POWER), 7.4),
        (sample("7400", POWER, unit="W"), 7.4),
        (sample("7.4", POWER, unit="kW"), 7.4),
        (sample("7400", "Power.Active.Export", unit="W"), 7.4),
        (sample(74, POWER, unitOfMeasure={"unit": "W", "multiplier": 2}), 7.4),
        (sample("-5", POWER), 0.0),
    ],
)
def test_pitfall_22_power_in_whatever_unit_and_direction(given_sample: dict[str, Any], kw: float) -> None:
    assert read(given_sample).power_kw == pytest.approx(kw)


def test_pitfall_22_import_counts_where_both_are_told() -> None:
    found = read(sample("7000", POWER), sample("10", "Power.Active.Export"))
    assert found.power_kw == 7.0


def test_pitfall_22_power_told_per_phase_only_is_their_sum() -> None:
    found = read(*(sample("2300", POWER, phase=phase) for phase in ("L1", "L2", "L3")))
    assert found.power_kw == pytest.approx(6.9)


def test_pitfall_22_a_total_counts_before_its_phases() -> None:
    found = read(sample("7000", POWER), sample("2300", POWER, phase="L1"), sample("2300", POWER, phase="L2"))
    assert found.power_kw == 7.0


def test_pitfall_22_missing_power_is_that_of_currents_and_voltages() -> None:
    currents = [sample("10", "Current.Import", phase=phase) for phase in ("L1", "L2", "L3")]
    assert read(*currents).power_kw == pytest.approx(6.9)
    assert read(*currents, sample("240", "Voltage", phase="L1-N")).power_kw == pytest.approx(7.0)


def test_pitfall_22_one_current_alone_says_no_power_as_nobody_knows_of_how_many_phases_it_is() -> None:
    assert read(sample("10", "Current.Import")).power_kw is None


def test_pitfall_22_voltages_of_0_are_placeholders_of_phases_that_are_not_there() -> None:
    found = read(
        sample("231", "Voltage", phase="L1-N"),
        sample("0", "Voltage", phase="L2-N"),
        sample("", "Voltage", phase="L3-N"),
    )
    assert found.voltages_v == (231.0, None, None)


def test_pitfall_22_voltages_between_phases_are_those_to_neutral() -> None:
    assert read(sample("400", "Voltage", phase="L1-L2")).voltages_v[0] == pytest.approx(230.94, abs=0.01)


@pytest.mark.parametrize("phase", ["L2", "L2-N"])
def test_pitfall_22_a_current_is_of_its_phase_however_that_is_named(phase: str) -> None:
    assert read(sample("16", "Current.Import", phase=phase)).currents_a == (None, 16.0, None)


def test_pitfall_22_current_of_neutral_and_the_cars_own_values_are_left_out() -> None:
    found = read(
        sample("1", "Current.Import", phase="N"), sample("55", POWER, location="EV"), sample("16", "Current.Import")
    )
    assert found == Reading(NOW_S, currents_a=(16.0, None, None), is_overall=True)


def test_pitfall_22_the_outlets_register_counts_before_the_inlets() -> None:
    found = read(sample("5000", ENERGY, location="Outlet"), sample("9000000", ENERGY, location="Inlet"))
    assert found.energy_kwh == 5.0


@pytest.mark.parametrize("value", ["", "n/a", "NaN", "inf", None, [], {}, "1e400", True, "9" * 400])
def test_pitfall_22_what_is_no_number_is_as_if_it_had_not_been_told(value: Any) -> None:
    found = read(sample(value, POWER), sample("5000", ENERGY))
    assert (found.power_kw, found.energy_kwh) == (None, 5.0)


def test_pitfall_22_nothing_of_use_is_no_reading() -> None:
    assert readings([{"timestamp": "x", "sampledValue": [sample("55", "SoC")]}], ChargerClock(), NOW_S) == []


def test_a_reading_of_a_minute_ago_is_late_and_one_of_now_is_not() -> None:
    assert read(sample("1"), ago_s=61).is_late
    assert not read(sample("1"), ago_s=30).is_late


def test_several_moments_come_in_the_order_of_their_times() -> None:
    moments = [{"timestamp": utc_text(NOW_S - ago), "sampledValue": [sample(str(ago))]} for ago in (1, 30, 15)]
    assert [each.energy_kwh for each in readings(moments, ChargerClock(), NOW_S)] == [0.03, 0.015, 0.001]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SAMPLE = st.dictionaries(
    st.sampled_from(["value", "measurand", "phase", "unit", "location", "unitOfMeasure", "context"]),
    json_values | st.sampled_from([POWER, ENERGY, "L1", "kW", "Voltage", "12", "-3.5"]),
)
MOMENT = st.fixed_dictionaries({}, optional={"timestamp": json_values, "sampledValue": st.lists(SAMPLE) | json_values})


@given(st.lists(MOMENT) | json_values)
def test_rubbish_raises_nothing_and_no_reading_is_negative_or_in_the_future(values: Any) -> None:
    for found in readings(values, ChargerClock(), NOW_S):
        assert found.wall_s <= NOW_S
        assert min(found.energy_kwh or 0.0, found.power_kw or 0.0, *(a or 0.0 for a in found.currents_a)) >= 0.0
