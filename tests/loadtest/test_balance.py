"""How evenly the substations are loaded."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.loadtest.balance import FleetSample, balance_of, fleet_sample

LOADS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 200), min_size=1)


def sample(*loads: float) -> FleetSample:
    return FleetSample(0, {f"substation-{position}": load for position, load in enumerate(loads)})


def test_equal_loads_are_balanced() -> None:
    assert balance_of([sample(50, 50, 50)]) == {"load_percentage_sd": 0, "load_percentage_max_deviation": 0}


def test_deviation_is_measured_from_the_mean_of_the_fleet() -> None:
    balance = balance_of([sample(40, 50, 60)])
    assert balance["load_percentage_sd"] == pytest.approx(math.sqrt(200 / 3))
    assert balance["load_percentage_max_deviation"] == pytest.approx(10)


def test_the_sd_is_averaged_over_the_samples_and_the_deviation_is_the_worst_of_all() -> None:
    balance = balance_of([sample(50, 50), sample(40, 60), sample(20, 80)])
    assert balance["load_percentage_sd"] == pytest.approx((0 + 10 + 30) / 3)
    assert balance["load_percentage_max_deviation"] == pytest.approx(30)


def test_an_idle_fleet_says_nothing_about_balance() -> None:
    assert balance_of([sample(0, 0), sample(40, 60)]) == balance_of([sample(40, 60)])


@pytest.mark.parametrize("samples", [[], [sample(0, 0)]])
def test_what_was_not_measured_is_none(samples: list[FleetSample]) -> None:
    assert balance_of(samples) == {"load_percentage_sd": None, "load_percentage_max_deviation": None}


@given(st.lists(LOADS, min_size=1))
@settings(max_examples=40)
def test_the_mean_sd_never_exceeds_the_worst_deviation(fleets: list[dict[str, float]]) -> None:
    balance = balance_of([FleetSample(0, loads) for loads in fleets])
    sd, worst = balance["load_percentage_sd"], balance["load_percentage_max_deviation"]
    assert (sd is None) == (worst is None)
    assert sd is None or worst is None or 0 <= sd <= worst + 1e-9


def test_a_sample_takes_name_and_load_of_each_substation() -> None:
    document = {
        "substations": [
            {"name": "a", "load_percentage": 12.5, "state": "Available"},
            {"name": "b", "load_percentage": 0},
        ]
    }
    assert fleet_sample(3.5, document) == FleetSample(3.5, {"a": 12.5, "b": 0})


def test_a_substation_of_unknown_load_is_left_out() -> None:
    document = {
        "substations": [{"name": "a", "load_percentage": None}, {"name": "b"}, {"name": "c", "load_percentage": 5}]
    }
    assert fleet_sample(0, document) == FleetSample(0, {"c": 5})


@pytest.mark.parametrize("document", [None, [], {}, {"substations": None}, {"substations": []}, {"substations": ["a"]}])
def test_an_answer_without_loads_is_no_sample(document: object) -> None:
    assert fleet_sample(0, document) is None
