"""The numbers of a run: exact, and adding up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.request import Result, Verdict, Wait
from smartgrid.loadtest.summary import (
    distribution,
    natural_order,
    percentile,
    rate,
    reasons,
    request_counts,
    response_times_ms,
    start_errors_s,
    waiting_counts,
    waits_s,
)

TIMES_MS = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


def admitted(substation: str = "substation-0", response_ms: float = 1.0, energy_kwh: float = 1.0) -> Outcome:
    return Outcome(0, 0, 0, response_ms, energy_kwh, Verdict(Result.SUCCEEDED, substation=substation))


def rejected(reason: str = "503 no-capacity") -> Outcome:
    return Outcome(0, 0, 0, 1, 1, Verdict(Result.REJECTED, reason=reason))


def failed(reason: str = "500") -> Outcome:
    return Outcome(0, 0, 0, 1, 1, Verdict(Result.FAILED, reason=reason))


def waited(result: Result, lasted_s: float, told_s: float | None = None) -> Outcome:
    return Outcome(0, 0, 0, 1, 1, Verdict(result), wait=Wait(lasted_s, told_s))


WAITED = [
    waited(Result.SUCCEEDED, 10, told_s=12),
    waited(Result.SUCCEEDED, 30, told_s=30),
    waited(Result.SUCCEEDED, 40),
    waited(Result.REJECTED, 300, told_s=20),
    admitted(),
]


def test_waits_count_until_a_car_starts_or_leaves() -> None:
    assert waiting_counts(WAITED) == {"waited": 4, "started": 3, "left": 1}
    assert waits_s(WAITED) == {"average": 95, "median": 35, "p95": 300, "p99": 300, "max": 300}


def test_a_start_is_off_by_its_distance_from_what_was_told() -> None:
    """Of cars that were told something and started."""
    assert start_errors_s(WAITED) == {"average": 1, "median": 1, "p95": 2, "p99": 2, "max": 2}


def test_percentiles_by_nearest_rank() -> None:
    """The textbook example: 15, 20, 35, 40, 50."""
    values = [15, 20, 35, 40, 50]
    assert [percentile(values, p) for p in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_p99_of_a_hundred_is_the_second_largest() -> None:
    assert percentile(list(range(1, 101)), 99) == 99


@given(TIMES_MS.map(sorted), st.floats(0.1, 100))
def test_a_percentile_is_a_measured_value_that_so_many_do_not_exceed(ordered: list[float], percent: float) -> None:
    value = percentile(ordered, percent)
    assert value in ordered
    assert sum(other <= value for other in ordered) >= len(ordered) * percent / 100 * (1 - 1e-12)
    assert sum(other < value for other in ordered) < max(len(ordered) * percent / 100, 1) * (1 + 1e-12)


@given(TIMES_MS)
def test_response_times_are_in_order(times_ms: list[float]) -> None:
    numbers = response_times_ms([admitted(response_ms=ms) for ms in times_ms])
    values = {name: value for name, value in numbers.items() if value is not None}
    assert values["median"] <= values["p95"] <= values["p99"] <= values["max"] == max(times_ms)
    assert values["average"] == pytest.approx(math.fsum(times_ms) / len(times_ms))


def test_failed_requests_count_in_the_response_times() -> None:
    assert response_times_ms([admitted(response_ms=1), failed()])["max"] == 1
    assert response_times_ms([failed()])["median"] == 1


def test_nothing_measured_is_none() -> None:
    assert response_times_ms([]) == {"average": None, "median": None, "p95": None, "p99": None, "max": None}
    assert rate(0, 0) is None


def test_results_are_counted() -> None:
    counts = request_counts([admitted(), admitted(), rejected(), failed(), failed(), failed()])
    assert counts == {"total": 6, "succeeded": 2, "rejected": 1, "failed": 3}


def test_the_distribution_holds_admitted_cars_and_the_energy_that_they_asked_for() -> None:
    outcomes = [
        admitted("b", energy_kwh=2),
        admitted("a", energy_kwh=3),
        admitted("b", energy_kwh=4),
        rejected(),
        failed(),
    ]
    rows = distribution(outcomes)
    assert rows == {"a": {"requests": 1, "energy_kwh": 3}, "b": {"requests": 2, "energy_kwh": 6}}
    assert list(rows) == ["a", "b"]


@given(st.lists(st.sampled_from(["a", "b", "c"])))
def test_the_distribution_adds_up_to_all_admitted_cars(substations: list[str]) -> None:
    rows = distribution([admitted(substation) for substation in substations])
    assert sum(row["requests"] for row in rows.values()) == len(substations)


def test_reasons_come_most_frequent_first() -> None:
    counted = reasons([failed("500"), rejected(), rejected(), admitted()])
    assert list(counted.items()) == [((Result.REJECTED, "503 no-capacity"), 2), ((Result.FAILED, "500"), 1)]


def test_substation_2_comes_before_substation_10() -> None:
    names = ["substation-10", "substation-2", "west.substation-1", "a", "2"]
    assert sorted(names, key=natural_order) == ["2", "a", "substation-2", "substation-10", "west.substation-1"]


@given(st.lists(st.text()))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    sorted(names, key=natural_order)
