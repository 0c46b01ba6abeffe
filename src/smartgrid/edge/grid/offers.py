"""What a substation answers to a poll for its offers, believed within bounds.

An answer is taken as a whole or not at all: it is a lease, and half of one would let some cars go on by it while others
fall back. Its end is reckoned from when it was asked for (`asked_s`), not from when it came. A field that is not known
is ignored, as a newer substation may say more; a power, a count or a lease that cannot be makes it absurd, and then the
answer before holds until its own lease is over.

Also here, since both follow from an answer: for how long a poll is held (`wait_s`), and how often one may come
(`interval_s`): each has all sessions of the substation, so the more these are, the rarer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartgrid.domain.status import MAX_ENERGY_KWH
from smartgrid.edge.ports import Offers, OpenSession
from smartgrid.protocol.models import SessionId
from smartgrid.protocol.offers import MAX_CONNECTOR, MAX_NUMBER, MAX_WAIT_S

MAX_SESSIONS = 10_000
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_LEASE_S = 3600.0
MAX_POWER_KW = 1e6
INTERVAL_S, A_SESSION_S, MOST_INTERVAL_S = 0.1, 0.005, 1.0


class _Lenient(BaseModel):
    """A newer substation may say more than this version knows."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)


class _Session(_Lenient):
    session_id: SessionId
    vehicle_id: str = Field(min_length=1, max_length=64)
    state: str = Field(min_length=1, max_length=32)
    number: int = Field(ge=0, le=MAX_NUMBER)
    offer_kw: float = Field(ge=0, le=MAX_POWER_KW)
    charger: str = Field(min_length=1, max_length=255)
    connector: int = Field(ge=0, le=MAX_CONNECTOR)
    transaction_id: str | None = Field(None, max_length=64)
    meter_kwh: float = Field(0.0, ge=0, le=MAX_ENERGY_KWH)
    edge: str | None = Field(None, max_length=128)
    position: int | None = Field(None, ge=1, le=MAX_NUMBER)
    expected_start: str | None = Field(None, max_length=64)
    lapsed: bool = False


class _Offers(_Lenient):
    epoch: int = Field(ge=0, le=MAX_NUMBER)
    revision: int = Field(ge=0, le=MAX_NUMBER)
    lease_s: float = Field(gt=0, le=MAX_LEASE_S)
    capacity_kw: float = Field(ge=0, le=MAX_POWER_KW)
    firm_capacity_kw: float = Field(ge=0, le=MAX_POWER_KW)
    sessions: list[_Session] = Field(max_length=MAX_SESSIONS)


class AbsurdAnswerError(Exception):
    """A substation answers what cannot be."""


def read(
    substation: str, body: bytes, asked_s: float, edge: str, before: Sequence[OpenSession] = ()
) -> tuple[Offers, float]:
    """The offers, and for how long they hold, of an answer to what was asked at `asked_s`. `edge` is who this is.

    An answer tells of all sessions, also where one has changed: those that are as they were `before` are the same
    objects. Raises AbsurdAnswerError.
    """
    try:
        found = _Offers.model_validate_json(body)
    except ValidationError as error:
        raise AbsurdAnswerError(first_fault(error)) from None
    known = {each.session_id: each for each in before}
    sessions = {each.session_id: _open_session(each, edge, known.get(each.session_id)) for each in found.sessions}
    if len(sessions) < len(found.sessions):
        raise AbsurdAnswerError("a session is in it twice")
    return Offers(
        substation,
        found.epoch,
        found.revision,
        asked_s + found.lease_s,
        found.capacity_kw,
        found.firm_capacity_kw,
        tuple(sessions.values()),
        asked_s,
    ), found.lease_s


def wait_s(lease_s: float) -> int:
    """For how long a poll is to be held: so that three come within a lease, as each answer renews it."""
    return max(1, min(MAX_WAIT_S, math.floor(lease_s / 3)))


def interval_s(sessions: int) -> float:
    """Between two answers in the long run: each has all sessions, so the more these are, the rarer."""
    return min(MOST_INTERVAL_S, max(INTERVAL_S, A_SESSION_S * sessions))


def first_fault(error: ValidationError) -> str:
    """Which field is wrong first, and how. Values are not told: they are a vehicle's business."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


_told = attrgetter(*(each.name for each in fields(OpenSession) if each.name not in ("is_ours", "is_lapsed")))


def _open_session(found: _Session, edge: str, known: OpenSession | None) -> OpenSession:
    is_ours = found.edge == edge
    is_alike = known is not None and known.is_ours == is_ours and known.is_lapsed == found.lapsed
    if known is not None and is_alike and _told(known) == _told(found):
        return known
    return OpenSession(
        found.session_id,
        found.vehicle_id,
        found.state,
        found.number,
        found.offer_kw,
        found.charger,
        found.connector,
        found.transaction_id,
        found.meter_kwh,
        found.position,
        found.expected_start,
        is_ours,
        found.lapsed,
    )
