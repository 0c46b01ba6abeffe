"""Numbers that no car sends: a substation stays exact, or at least it neither hangs nor fails."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, SessionState
from smartgrid.domain.substation import Substation

SIZES = st.sampled_from([0.0, 5e-324, 1e-320, 1e-18, 1e-12, 1e-9, 1e-4, 1.0, 22.0, 1e9, 1e18, 1e100, 1e300])
TIMES_S = st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 1.8e9, 1.8e14, 1e18, 1e100, 1e300]) | st.floats(0, 1e12)


@st.composite
def odd_requests(draw: st.DrawFn) -> ChargeRequest:
    min_kw, max_kw = sorted([draw(SIZES), draw(SIZES)])
    return ChargeRequest("EV", draw(SIZES), PowerRange(min_kw, max_kw), draw(st.none() | TIMES_S))


@given(SIZES, TIMES_S, st.lists(st.tuples(odd_requests(), TIMES_S, SIZES), max_size=8))
def test_ends_each_session_once_and_never_hangs(
    capacity_kw: float, start_s: float, script: list[tuple[ChargeRequest, float, float]]
) -> None:
    substation = Substation(capacity_kw, start_s)
    for number, (request, now_s, next_capacity_kw) in enumerate(script):
        substation.admit(str(number), request, now_s)
        substation.set_capacity(next_capacity_kw, now_s)
        substation.rebase(now_s)
        for session in substation.active:
            assert 0 <= session.delivered_kwh <= session.request.energy_kwh
            assert session.power_kw <= session.request.power.max_kw
        assert math.isfinite(substation.meter_kwh)
    ended = substation.advance(1e301)
    assert len({session.session_id for session in ended}) == len(ended)
    changes = 2 * len(script) + len(ended)
    assert substation.revision <= changes  # so no event in which nothing ended


def test_a_car_that_wants_nothing_ends_at_once() -> None:
    substation = Substation(22, now_s=1.8e9)
    session = substation.admit("s", ChargeRequest("EV", 0, PowerRange(4, 11)), 1.8e9)
    assert session is not None
    assert substation.next_event_s() == 1.8e9
    assert substation.advance(1.8e9) == [session]
    assert (session.end_reason, session.ended_s) == (EndReason.ENERGY_DELIVERED, 1.8e9)


def test_energy_that_takes_less_than_the_clock_can_tell_is_delivered_at_once() -> None:
    substation = Substation(22, now_s=1.8e9)
    session = substation.admit("s", ChargeRequest("EV", 1e-12, PowerRange(4, 11)), 1.8e9)
    assert session is not None
    assert substation.advance(1.8e9) == [session]
    assert session.delivered_kwh == substation.meter_kwh == 1e-12


def test_cars_that_are_full_at_the_same_moment_end_together_the_oldest_first() -> None:
    substation = Substation(1000, now_s=0)
    for number in range(100):
        substation.admit(str(number), ChargeRequest("EV", 10, PowerRange(4, 11)), 0)
    before = substation.revision
    ended = substation.advance(3600)
    assert [session.session_id for session in ended] == [str(number) for number in range(100)]
    assert {session.ended_s for session in ended} == {3600}
    assert substation.revision == before + 1


def test_a_minimum_that_is_next_to_nothing_is_charged_with_all_the_same() -> None:
    substation = Substation(1, now_s=0)
    substation.admit("rigid", ChargeRequest("EV", 10, PowerRange(1, 1)), 0)
    session = substation.admit("s", ChargeRequest("EV", 10, PowerRange(1e-320, 11)), 0)
    assert session is not None
    assert (session.state, session.power_kw) == (SessionState.CHARGING, 1e-320)


@pytest.mark.parametrize("time_s", [-1.0, 99.0, 100.0])
def test_a_time_before_the_last_one_counts_as_the_last_one(time_s: float) -> None:
    substation = Substation(11, now_s=0)
    substation.advance(100)
    session = substation.admit("s", ChargeRequest("EV", 11, PowerRange(4, 11)), time_s)
    assert session is not None
    assert (session.started_s, substation.next_event_s()) == (100, 3700)
    assert substation.advance(time_s) == []
    assert substation.now_s == 100


def test_a_departure_that_has_passed_ends_the_session_now() -> None:
    substation = Substation(11, now_s=100)
    session = substation.admit("s", ChargeRequest("EV", 11, PowerRange(4, 11), departure_s=50), 100)
    assert substation.advance(100) == [session]
    assert session is not None
    assert session.ended_s == 100
