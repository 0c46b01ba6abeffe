"""One session and what it shows of itself, at a substation that has power for it."""

from __future__ import annotations

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session, SessionState
from smartgrid.domain.substation import Substation

HOUR_S = 3600.0
A_CAR = ChargeRequest("EV-1", energy_kwh=22, power=PowerRange(4, 11))


@pytest.fixture
def substation() -> Substation:
    return Substation(11, now_s=0)


@pytest.fixture
def session(substation: Substation) -> Session:
    admitted = substation.admit("s", A_CAR, now_s=0)
    assert admitted is not None
    return admitted


def test_meters_power_times_time(substation: Substation, session: Session) -> None:
    substation.advance(HOUR_S / 2)
    assert session.delivered_kwh == 5.5


def test_is_never_out_of_date(substation: Substation, session: Session) -> None:
    assert (session.power_kw, session.delivered_kwh) == (11, 0)
    substation.set_capacity(5, HOUR_S)
    assert (session.power_kw, session.delivered_kwh) == (5, 11)
    substation.advance(2 * HOUR_S)
    assert (session.power_kw, session.delivered_kwh) == (5, 16)


def test_meters_nothing_while_suspended(substation: Substation, session: Session) -> None:
    substation.set_capacity(0, 0)
    substation.advance(HOUR_S)
    assert (session.state, session.power_kw, session.delivered_kwh) == (SessionState.SUSPENDED_EVSE, 0, 0)


def test_keeps_what_it_had_when_it_is_suspended_and_resumed(substation: Substation, session: Session) -> None:
    substation.set_capacity(0, HOUR_S)
    assert session.delivered_kwh == 11
    substation.set_capacity(5.5, 2 * HOUR_S)
    substation.advance(3 * HOUR_S)
    assert session.delivered_kwh == 16.5


def test_never_delivers_more_than_was_asked_for(substation: Substation, session: Session) -> None:
    substation.advance(10 * HOUR_S)
    assert session.delivered_kwh == 22


def test_goes_on_from_what_it_had_been_delivered() -> None:
    substation, session = Substation(11, now_s=HOUR_S), Session("s", A_CAR, started_s=0, delivered_kwh=16.5)
    substation.restore([session])
    assert (session.started_s, session.delivered_kwh) == (0, 16.5)
    assert [ended.ended_s for ended in substation.advance(9 * HOUR_S)] == [1.5 * HOUR_S]


def test_before_a_substation_takes_it_in_it_gets_no_power() -> None:
    session = Session("s", A_CAR, started_s=0, delivered_kwh=0.1)
    assert (session.active, session.state, session.power_kw) == (True, SessionState.SUSPENDED_EVSE, 0)
    assert session.delivered_kwh == 0.1


def test_an_ended_session_has_no_power_and_keeps_its_energy(substation: Substation, session: Session) -> None:
    substation.stop("s", HOUR_S)
    substation.advance(2 * HOUR_S)
    assert (session.active, session.state, session.power_kw) == (False, SessionState.IDLE, 0)
    assert (session.ended_s, session.end_reason, session.delivered_kwh) == (HOUR_S, EndReason.STOPPED, 11)


def test_a_session_can_be_ended_for_another_reason(substation: Substation, session: Session) -> None:
    substation.stop("s", HOUR_S, EndReason.SUPERSEDED)
    assert session.end_reason is EndReason.SUPERSEDED


def test_says_who_it_is_and_how_it_stands_where_it_is_printed(substation: Substation, session: Session) -> None:
    substation.advance(HOUR_S)
    assert repr(session) == "Session('s', Charging, 11 of 22 kWh)"
