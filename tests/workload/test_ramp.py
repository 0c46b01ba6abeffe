"""The cars of a ramp are plausible, the same for the same seed, and come when they should."""

from collections import Counter
from itertools import pairwise
from statistics import fmean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.workload.ramp import (
    ENERGY_MAX_KWH,
    ENERGY_MIN_KWH,
    MIX,
    arrival_s,
    energy_kwh_at,
    max_power_kw_at,
    ramp,
    request_of,
)

SEEDS = st.integers(-(2**63), 2**63)
INDEXES = st.integers(0, 10**6)
QUANTILES = st.floats(0, 1)


def many_cars(seed: int) -> list[ChargeRequest]:
    return [request_of(seed, index) for index in range(4000)]


@given(SEEDS, INDEXES)
def test_the_same_seed_and_index_make_the_same_car(seed: int, index: int) -> None:
    assert request_of(seed, index) == request_of(seed, index)


def test_a_known_car_stays_as_it_is() -> None:
    """A change here changes every published measurement; it must be on purpose."""
    assert request_of(1, 0) == ChargeRequest("EV-b9d97d-0", 13.701, PowerRange(1.38, 7.4))


def test_other_seeds_make_other_cars() -> None:
    assert not set(many_cars(1)) & set(many_cars(2))


@given(SEEDS, st.sets(INDEXES, min_size=2, max_size=50))
@settings(max_examples=40)
def test_no_two_cars_of_a_run_share_an_identity(seed: int, indexes: set[int]) -> None:
    assert len({request_of(seed, index).vehicle_id for index in indexes}) == len(indexes)


@given(QUANTILES)
def test_energy_stays_within_its_bounds(quantile: float) -> None:
    assert ENERGY_MIN_KWH <= energy_kwh_at(quantile) <= ENERGY_MAX_KWH


@given(st.lists(QUANTILES, min_size=2).map(sorted))
def test_a_higher_quantile_never_asks_for_less(quantiles: list[float]) -> None:
    assert all(
        energy_kwh_at(a) <= energy_kwh_at(b) and max_power_kw_at(a) <= max_power_kw_at(b)
        for a, b in pairwise(quantiles)
    )


@pytest.mark.parametrize(("quantile", "recorded_kwh"), [(0.25, 2.3), (0.5, 5.9), (0.75, 11.7), (0.95, 26.0)])
def test_energy_follows_the_recorded_sessions(quantile: float, recorded_kwh: float) -> None:
    """The quantiles of the 6,704 sessions that the distribution was fitted to, each within 1 kWh."""
    assert energy_kwh_at(quantile) == pytest.approx(recorded_kwh, abs=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mean_and_median_energy_are_the_recorded_ones(seed: int) -> None:
    energies = [car.energy_kwh for car in many_cars(seed)]
    assert fmean(energies) == pytest.approx(8.6, rel=0.05)
    assert median(energies) == pytest.approx(5.9, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_powers_come_in_their_shares(seed: int) -> None:
    counts = Counter(car.power.max_kw for car in many_cars(seed))
    assert {power: count / 4000 for power, count in counts.items()} == pytest.approx(MIX, abs=0.025)


def test_energy_and_power_are_drawn_apart() -> None:
    """Fast cars ask for as much as slow ones, on average: the two are independent (docs/load-testing.md)."""
    slow = fmean(car.energy_kwh for car in many_cars(1) if car.power.max_kw <= 7.4)
    fast = fmean(car.energy_kwh for car in many_cars(1) if car.power.max_kw > 7.4)
    assert slow == pytest.approx(fast, rel=0.1)


@given(st.integers(1, 500), st.floats(0, 3600))
def test_a_ramp_lasts_about_its_ramp_up(requests: int, ramp_up_s: float) -> None:
    arrivals_s = [arrival_s(index, requests, ramp_up_s) for index in range(requests)]
    assert arrivals_s[0] == 0
    assert arrivals_s == sorted(arrivals_s)
    assert ramp_up_s * (1 - 1 / requests) <= arrivals_s[-1] <= ramp_up_s


def test_half_of_the_users_send_a_quarter_of_the_requests() -> None:
    """Users come in evenly and ask at the same pace: after half of the ramp-up, a quarter of all has been sent."""
    assert sum(arrival_s(index, 100, 60) < 30 for index in range(100)) == 25


def test_without_ramp_up_all_come_at_once() -> None:
    assert {car.arrival_s for car in ramp(200, 0, seed=1)} == {0.0}


def test_a_longer_ramp_begins_with_the_cars_of_a_shorter_one() -> None:
    short, long = ramp(10, 60, seed=5), ramp(100, 60, seed=5)
    assert [car.request for car in short] == [car.request for car in long[:10]]


def test_the_cars_stay_until_they_are_full() -> None:
    assert {car.stay_s for car in ramp(20, 60, seed=1)} == {None}
