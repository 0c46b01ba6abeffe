"""When each car asks, and what it sends."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartgrid.loadtest.cars import Car, car_of
from smartgrid.loadtest.pacing import ramp_due_s, replay_due_s
from smartgrid.loadtest.traces import TracedSession

from smartgrid.loadtest.plan import PlannedRequest, replay_plan, synthetic_plan
from smartgrid.loadtest.scenarios import SCENARIOS, Scenario, overridden
from smartgrid.protocol.models import ChargeBody

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@given(st.integers(1, 500), st.floats(0, 3600))
def test_a_run_lasts_about_its_ramp_up(requests: int, ramp_up_s: float) -> None:
    due_s = [ramp_due_s(index, requests, ramp_up_s) for index in range(requests)]
    assert due_s[0] == 0
    assert due_s == sorted(due_s)
    assert ramp_up_s * (1 - 1 / requests) <= due_s[-1] <= ramp_up_s


def test_half_of_the_users_send_a_quarter_of_the_requests() -> None:
    """Users come in evenly and ask at the same pace: after half of the ramp-up, a quarter of all has been sent."""
    assert sum(ramp_due_s(index, 100, 60) < 30 for index in range(100)) == 25


def test_without_ramp_up_all_are_due_at_once() -> None:
    assert {request.due_s for request in synthetic_plan(200, 0, seed=1)} == {0.0}


def test_a_longer_plan_begins_with_the_cars_of_a_shorter_one() -> None:
    short, long = synthetic_plan(10, 60, seed=5), synthetic_plan(100, 60, seed=5)
    assert (
        [request.car for request in short]
        == [request.car for request in long[:10]]
        == [car_of(5, i) for i in range(10)]
    )


def test_a_replay_keeps_the_recorded_gaps_divided_by_the_speedup() -> None:
    arrivals = [NOON, NOON + timedelta(minutes=1), NOON + timedelta(hours=1)]
    assert replay_due_s(arrivals, speedup=60) == [0, 1, 60]


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=20).map(sorted), st.floats(0.5, 10_000))
def test_a_replay_is_in_order(offsets_s: list[int], speedup: float) -> None:
    due_s = replay_due_s([NOON + timedelta(seconds=offset) for offset in offsets_s], speedup)
    assert due_s[0] == 0
    assert all(earlier <= later for earlier, later in pairwise(due_s))


def test_a_replayed_car_leaves_after_its_parked_time_divided_by_the_speedup() -> None:
    session = TracedSession(NOON, parked_s=7200, car=Car("ACN-0", 10, 6.6))
    later = TracedSession(NOON + timedelta(hours=1), parked_s=3600, car=Car("ACN-1", 5, 6.6))
    started_at = datetime(2027, 1, 1, tzinfo=UTC)
    bodies = [json.loads(request.body(started_at)) for request in replay_plan([session, later], speedup=60)]
    assert bodies[0]["departure_time"] == "2027-01-01T00:02:00+00:00"
    assert bodies[1]["departure_time"] == "2027-01-01T00:02:00+00:00"  # comes after 1 minute, stays 1 minute


def test_a_synthetic_car_stays_until_it_is_full() -> None:
    body = json.loads(PlannedRequest(0, 0, Car("EV-1", 5.9, 7.4)).body(NOON))
    assert body == {"vehicle_id": "EV-1", "energy_kwh": 5.9, "max_power_kw": 7.4}


def test_the_gateway_accepts_both_kinds_of_body() -> None:
    ChargeBody.model_validate_json(PlannedRequest(0, 0, Car("EV-1", 5.9, 7.4)).body(NOON))
    ChargeBody.model_validate_json(PlannedRequest(0, 0, Car("EV-1", 5.9, 7.4), stay_s=60).body(NOON))


@pytest.mark.parametrize(
    ("name", "requests", "users", "ramp_up_s"), [("normal", 100, 10, 60), ("high", 500, 50, 120), ("burst", 200, 20, 0)]
)
def test_the_scenarios_are_the_specified_ones(name: str, requests: int, users: int, ramp_up_s: float) -> None:
    assert SCENARIOS[name] == Scenario(requests, users, ramp_up_s)


def test_single_options_override_a_scenario() -> None:
    assert overridden(SCENARIOS["high"], None, 7, None) == Scenario(500, 7, 120)
    assert overridden(SCENARIOS["high"], 3, None, 0) == Scenario(3, 50, 0)
