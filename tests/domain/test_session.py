"""One session and its meter."""

from __future__ import annotations

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session, SessionState

HOUR_S = 3600.0


@pytest.fixture
def session() -> Session:
    return Session("s", ChargeRequest("EV-1", energy_kwh=22, power=PowerRange(4, 11)), started_s=0)


def test_meters_power_times_time(session: Session) -> None:
    session.grant(11)
    session.meter(HOUR_S / 2)
    assert session.delivered_kwh == 5.5


def test_meters_nothing_while_suspended(session: Session) -> None:
    session.grant(0)
    session.meter(HOUR_S)
    assert (session.state, session.delivered_kwh) == (SessionState.SUSPENDED_EVSE, 0)


def test_never_delivers_more_than_was_asked_for(session: Session) -> None:
    session.grant(11)
    session.meter(10 * HOUR_S)
    assert session.delivered_kwh == 22


def test_knows_when_it_will_be_full(session: Session) -> None:
    session.grant(11)
    assert session.full_s(now_s=100) == 100 + 2 * HOUR_S


def test_is_never_full_while_suspended(session: Session) -> None:
    session.grant(0)
    assert session.full_s(now_s=0) is None


def test_a_power_too_small_to_ever_fill_it_has_no_end() -> None:
    trickle = Session("s", ChargeRequest("EV-1", energy_kwh=500, power=PowerRange(1e-320, 1e-320)), started_s=0)
    trickle.grant(1e-320)
    assert trickle.full_s(now_s=0) is None


def test_an_ended_session_has_no_power(session: Session) -> None:
    session.grant(11)
    session.end(5, EndReason.STOPPED)
    assert (session.active, session.state, session.power_kw) == (False, SessionState.IDLE, 0)
    assert (session.ended_s, session.end_reason) == (5, EndReason.STOPPED)
