"""One substation: admission, curtailment, resumption, ends and outages."""

from __future__ import annotations

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session, SessionState
from smartgrid.domain.substation import Substation

HOUR_S = 3600.0
A_RIGID_CAR = PowerRange(11, 11)
AN_ELASTIC_CAR = PowerRange(4, 11)


def a_car(
    power: PowerRange = AN_ELASTIC_CAR, energy_kwh: float = 22.0, departure_s: float | None = None
) -> ChargeRequest:
    return ChargeRequest("EV-1", energy_kwh, power, departure_s)


def a_substation(capacity_kw: float = 22.0, *requests: ChargeRequest) -> Substation:
    substation = Substation(capacity_kw, now_s=0)
    for number, request in enumerate(requests):
        assert substation.admit(f"s{number}", request, 0) is not None
    return substation


def powers_kw(substation: Substation) -> list[float]:
    return [session.power_kw for session in substation.active]


# ---------------------------------------------------------------------- admission


def test_admits_while_the_minimums_fit() -> None:
    substation = a_substation(22, *[a_car(AN_ELASTIC_CAR)] * 5)
    assert substation.admit("one too many", a_car(AN_ELASTIC_CAR), 0) is None


def test_admits_to_the_last_watt() -> None:
    a_substation(33, *[a_car(A_RIGID_CAR)] * 3)


def test_rounding_does_not_cost_the_last_place() -> None:
    a_substation(0.3, *[a_car(PowerRange(0.1, 0.1))] * 3)  # 0.1 + 0.1 + 0.1 > 0.3 in floats


def test_an_end_makes_room_at_that_very_moment() -> None:
    substation = a_substation(11, a_car(A_RIGID_CAR, energy_kwh=11))
    assert substation.admit("early", a_car(A_RIGID_CAR), HOUR_S - 1) is None
    assert substation.admit("in time", a_car(A_RIGID_CAR), HOUR_S) is not None


def test_a_draining_substation_admits_no_one_and_serves_on() -> None:
    substation = a_substation(22, a_car())
    substation.drain(0)
    assert substation.admit("late", a_car(), 0) is None
    assert powers_kw(substation) == [11]
    assert substation.status().largest_free_kw == 0


def test_suspended_sessions_keep_their_claim() -> None:
    substation = a_substation(22, a_car(A_RIGID_CAR), a_car(A_RIGID_CAR))
    substation.set_capacity(12, 0)
    assert substation.admit("would fit in the gap", a_car(PowerRange(1, 1)), 0) is None


# ---------------------------------------------------------------------- sharing over time


def test_who_stays_gets_what_the_others_leave() -> None:
    substation = a_substation(12, a_car(energy_kwh=6), a_car(energy_kwh=22))
    assert powers_kw(substation) == [6, 6]
    ended = substation.advance(HOUR_S)
    assert [(s.session_id, s.end_reason, s.ended_s) for s in ended] == [("s0", EndReason.ENERGY_DELIVERED, HOUR_S)]
    assert powers_kw(substation) == [11]


def test_less_capacity_curtails_everyone_at_once() -> None:
    substation = a_substation(22, a_car(), a_car())
    substation.set_capacity(10, 0)
    assert powers_kw(substation) == [5, 5]


def test_too_little_for_the_minimums_suspends_the_newest() -> None:
    substation = a_substation(12, a_car(), a_car(), a_car())
    substation.set_capacity(11, 0)
    assert powers_kw(substation) == [5.5, 5.5, 0]
    assert [s.state for s in substation.active] == [
        SessionState.CHARGING,
        SessionState.CHARGING,
        SessionState.SUSPENDED_EVSE,
    ]


def test_the_suspended_resume_when_the_capacity_returns() -> None:
    substation = a_substation(22, a_car(), a_car())
    substation.set_capacity(0, 0)
    assert powers_kw(substation) == [0, 0]
    assert substation.next_event_s() is None
    substation.set_capacity(22, HOUR_S)
    assert powers_kw(substation) == [11, 11]
    assert [s.delivered_kwh for s in substation.active] == [0, 0]


def test_the_suspended_resume_when_another_ends() -> None:
    substation = a_substation(8, a_car(), a_car())
    substation.set_capacity(7, 0)
    assert powers_kw(substation) == [7, 0]
    substation.stop("s0", 1)
    assert powers_kw(substation) == [7]


def test_of_the_suspended_the_oldest_resumes_first() -> None:
    substation = a_substation(44, *[a_car(A_RIGID_CAR)] * 4)
    substation.set_capacity(0, 0)
    substation.set_capacity(22, 0)
    assert [(s.session_id, s.power_kw) for s in substation.active] == [("s0", 11), ("s1", 11), ("s2", 0), ("s3", 0)]


def test_rounding_does_not_suspend_the_last_one() -> None:
    substation = a_substation(1, *[a_car(PowerRange(0.1, 0.1))] * 3)
    substation.set_capacity(0.3, 0)
    assert powers_kw(substation) == [0.1, 0.1, 0.1]


@pytest.mark.parametrize("capacity_kw", [0.0, 0.3 - 1e-9, 0.2 - 1e-9, 0.6 - 1e-9, 0.7999999989999999])
def test_no_capacity_is_too_awkward_for_the_last_digit(capacity_kw: float) -> None:
    substation = a_substation(1, *[a_car(PowerRange(0.1, 0.1))] * 10)
    substation.set_capacity(capacity_kw, 0)
    assert sum(powers_kw(substation)) <= capacity_kw + 2e-9


# ---------------------------------------------------------------------- ends


def test_a_departure_ends_a_session_at_its_time() -> None:
    substation = a_substation(11, a_car(departure_s=HOUR_S))
    (ended,) = substation.advance(2 * HOUR_S)
    assert (ended.end_reason, ended.ended_s, ended.delivered_kwh) == (EndReason.DEPARTED, HOUR_S, 11)


def test_a_suspended_session_departs_too() -> None:
    substation = a_substation(11, a_car(departure_s=HOUR_S))
    substation.set_capacity(0, 0)
    (ended,) = substation.advance(2 * HOUR_S)
    assert (ended.end_reason, ended.delivered_kwh) == (EndReason.DEPARTED, 0)


def test_full_at_departure_counts_as_full() -> None:
    substation = a_substation(11, a_car(energy_kwh=11, departure_s=HOUR_S))
    (ended,) = substation.advance(HOUR_S)
    assert ended.end_reason is EndReason.ENERGY_DELIVERED


def test_as_good_as_full_at_departure_counts_as_full() -> None:
    substation = a_substation(11, a_car(energy_kwh=11, departure_s=HOUR_S - 5e-5))
    (ended,) = substation.advance(HOUR_S)
    assert (ended.end_reason, ended.delivered_kwh) == (EndReason.ENERGY_DELIVERED, 11)
    assert substation.meter_kwh == 11


def test_each_end_is_told_once() -> None:
    substation = a_substation(22, a_car(energy_kwh=11), a_car())
    assert [s.session_id for s in substation.advance(HOUR_S)] == ["s0"]
    substation.stop("s1", HOUR_S)
    assert [s.session_id for s in substation.advance(HOUR_S)] == ["s1"]
    assert substation.advance(9 * HOUR_S) == []


def test_stopping_what_is_not_there_does_nothing() -> None:
    substation = a_substation(22, a_car())
    revision = substation.status().revision
    assert substation.stop("unknown", 0) is None
    assert substation.status().revision == revision


def test_a_trickle_that_never_ends_is_no_event() -> None:
    substation = a_substation(22, a_car(PowerRange(1e-320, 1e-320), energy_kwh=500))
    assert substation.next_event_s() is None
    assert substation.advance(1e9) == []


# ---------------------------------------------------------------------- time


def test_time_that_goes_backwards_is_ignored() -> None:
    substation = a_substation(11, a_car())
    substation.advance(HOUR_S)
    substation.advance(0)
    substation.set_capacity(5.5, HOUR_S / 2)
    substation.advance(2 * HOUR_S)
    assert [s.delivered_kwh for s in substation.active] == [11 + 5.5]


@pytest.mark.parametrize("time_scale", [1, 60, 1000, 100_000])
def test_the_books_agree_to_the_last_digit_however_coarse_the_clock(time_scale: int) -> None:
    now_s = 1.8e9 * time_scale  # of seconds since 1970, sped up: the digits behind the point run out
    substation, all_sessions = Substation(100, now_s), []
    for number in range(300):
        now_s += 17.3 * time_scale
        session = substation.admit(f"s{number}", a_car(energy_kwh=0.1 + 0.077 * number * time_scale**0.5), now_s)
        all_sessions += [session] if session else []
    substation.advance(now_s + 3 * HOUR_S)
    assert substation.meter_kwh == pytest.approx(sum(s.delivered_kwh for s in all_sessions), rel=1e-13)


# ---------------------------------------------------------------------- outages


def restored(session: Session, alive_s: float, now_s: float, capacity_kw: float = 11.0) -> Substation:
    substation = Substation(capacity_kw, now_s=0)
    substation.restore([session])
    substation.advance(alive_s)
    substation.resume(now_s)
    return substation


def test_an_outage_delivers_nothing() -> None:
    substation = restored(Session("s", a_car(), 0), alive_s=HOUR_S, now_s=5 * HOUR_S)
    (session,) = substation.active
    assert (session.delivered_kwh, session.power_kw) == (11, 11)
    (ended,) = substation.advance(7 * HOUR_S)
    assert (ended.ended_s, ended.delivered_kwh) == (6 * HOUR_S, 22)


def test_an_outage_delivers_nothing_to_cars_that_share_either() -> None:
    substation = a_substation(12, a_car(), a_car())
    substation.advance(HOUR_S)
    substation.resume(5 * HOUR_S)
    assert [s.delivered_kwh for s in substation.active] == [6, 6]
    substation.advance(6 * HOUR_S)
    assert [s.delivered_kwh for s in substation.active] == [12, 12]
    assert substation.meter_kwh == 24
    assert substation.next_event_s() == 5 * HOUR_S + 16 / 6 * HOUR_S


def test_who_left_in_an_outage_left_without_power() -> None:
    substation = restored(Session("s", a_car(departure_s=2 * HOUR_S), 0), alive_s=HOUR_S, now_s=5 * HOUR_S)
    (ended,) = substation.advance(5 * HOUR_S)
    assert (ended.end_reason, ended.ended_s, ended.delivered_kwh) == (EndReason.POWER_LOSS, 2 * HOUR_S, 11)


# ---------------------------------------------------------------------- status


def test_says_what_it_is() -> None:
    substation = a_substation(20, a_car(energy_kwh=10), a_car())
    status = substation.status()
    assert (status.capacity_kw, status.load_kw, status.committed_kw, status.demand_kw) == (20, 20, 8, 22)
    assert (status.active_sessions, status.largest_free_kw, status.next_release_s) == (2, 12, HOUR_S)
    assert status.load_percentage == 100


def test_a_substation_without_capacity_has_no_load_percentage() -> None:
    substation = a_substation(20, a_car())
    substation.set_capacity(0, 0)
    assert substation.status().load_percentage == 0


def test_every_change_is_a_new_revision_and_looking_is_none() -> None:
    substation = a_substation(22)
    seen = [substation.status().revision]
    substation.admit("a", a_car(energy_kwh=11), 0)
    seen.append(substation.status().revision)
    substation.set_capacity(11, 1)
    seen.append(substation.status().revision)
    substation.advance(2 * HOUR_S)
    seen.append(substation.status().revision)
    substation.drain(2 * HOUR_S)
    seen.append(substation.status().revision)
    assert seen == sorted(set(seen))
    substation.advance(3 * HOUR_S)
    assert substation.status().revision == seen[-1]
