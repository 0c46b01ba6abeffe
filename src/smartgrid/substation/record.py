"""A session as it is kept on disk and as it is shown."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import SessionState
from smartgrid.runtime.clock import TimeScale, rfc3339


class Metered(NamedTuple):
    """What is known of a session's charger: the most that it may draw, what it draws, and whether it obeys."""

    booked_kw: float
    metered_kw: float | None
    is_controlled: bool


class Record(NamedTuple):
    """The columns of a session's row, and then what only a session in memory has: its state, power and prospects.

    Times are seconds of wall time since 1970, so that a new time scale does not move the past. `departure_wall_s` is
    when the car said that it leaves; `leaves_wall_s` when its session ends at the latest, also by the limit that holds
    for all. `started_event` and `ended_event` are places in the order of all that has happened here, by which the
    course of things can be replayed. `delivered_kwh` of a session that has not ended is in the checkpoint, not here.
    `owner` is None for a session that is nobody's.

    `started_wall_s` and `started_event` are None as long as it waits, and stay so if it ends without having begun.
    `joined_wall_s` is since when it has waited, None where it never did; `wait_until_wall_s` until when it waits at the
    most, None for as long as it takes. While it waits, `position` is its place in the list, and `expected_start_wall_s`
    when it will start, None where it will not.

    `energy_kwh` is infinite where nobody knows it, and `leaves_wall_s` of a session that only its charger ends.
    `is_metered` is of one that is plugged in, or has a connector reserved. `charger` and `connector` are where it is
    plugged in; `start_digest` is of the key of its plugging in, where it had another one before. `metered` is what is
    known of its charger, as long as it has not ended.
    """

    seq: int
    session_id: str
    key_digest: str
    number: str
    fingerprint: str
    superseded_by: str
    vehicle_id: str
    energy_kwh: float
    min_power_kw: float
    max_power_kw: float
    departure_wall_s: float | None
    leaves_wall_s: float
    started_wall_s: float | None
    started_event: int | None
    delivered_kwh: float
    ended_wall_s: float | None
    ended_event: int | None
    end_reason: str | None
    owner: str | None
    joined_wall_s: float | None
    wait_until_wall_s: float | None
    is_metered: int = 0
    charger: str | None = None
    connector: int | None = None
    start_digest: str | None = None
    state: str = SessionState.IDLE.value
    power_kw: float = 0.0
    position: int | None = None
    expected_start_wall_s: float | None = None
    metered: Metered | None = None


COLUMNS = Record._fields[:-5]


def to_request(record: Record, scale: TimeScale) -> ChargeRequest:
    """As the domain has it: what counts for it is when the session ends at the latest."""
    power = PowerRange(record.min_power_kw, record.max_power_kw)
    departure_s = scale.to_grid_s(record.leaves_wall_s) if record.leaves_wall_s < math.inf else None
    return ChargeRequest(record.vehicle_id, record.energy_kwh, power, departure_s, bool(record.is_metered))


def to_wire(record: Record, substation: str) -> dict[str, object]:
    """As the API shows it (`protocol.models.SessionBody`)."""
    shown: dict[str, object] = {
        "session_id": record.session_id,
        "vehicle_id": record.vehicle_id,
        "substation": substation,
        "state": record.state,
        "energy_kwh": _known(record.energy_kwh),
        "delivered_kwh": round(record.delivered_kwh, 9),
        "power_kw": round(record.power_kw, 9),
        "max_power_kw": record.max_power_kw,
        "min_power_kw": record.min_power_kw,
        "started_at": _time(record.started_wall_s),
        "ended_at": _time(record.ended_wall_s),
        "departure_time": _time(record.departure_wall_s),
        "end_reason": record.end_reason,
    }
    if record.joined_wall_s is not None:
        shown["joined_at"] = rfc3339(record.joined_wall_s)
    if record.wait_until_wall_s is not None:
        shown["wait_until"] = rfc3339(record.wait_until_wall_s)
    if record.position is not None:
        shown["position"], shown["expected_start"] = record.position, _time(record.expected_start_wall_s)
    if record.state == SessionState.RESERVED:
        shown["reserved_until"] = _time(record.leaves_wall_s)
    if record.charger is not None:
        shown["charger"], shown["connector"] = record.charger, record.connector
    if record.metered is not None:
        shown["offer_kw"], shown["held_kw"] = shown["power_kw"], round(record.metered.booked_kw, 9)
        shown["metered_kw"], shown["is_controlled"] = record.metered.metered_kw, record.metered.is_controlled
    if record.superseded_by:
        shown["superseded_by"] = record.superseded_by
    return shown


def to_waiting(record: Record) -> dict[str, object]:
    """A waiting car as a balancer is told of it, which may ask another substation with the same request.

    The times are just those of the request, to the microsecond, as its fingerprint is made from them.
    """
    body: dict[str, object] = {
        "vehicle_id": record.vehicle_id,
        "energy_kwh": _known(record.energy_kwh),
        "max_power_kw": record.max_power_kw,
        "min_power_kw": record.min_power_kw,
    }
    if record.departure_wall_s is not None:
        body["departure_time"] = datetime.fromtimestamp(record.departure_wall_s, UTC)
    if record.wait_until_wall_s is not None:
        body["wait_until"] = datetime.fromtimestamp(record.wait_until_wall_s, UTC)
    return {
        "session_id": record.session_id,
        "digest": record.key_digest,
        "number": record.number,
        "fingerprint": record.fingerprint,
        "owner": record.owner,
        "body": body,
    }


def _known(energy_kwh: float) -> float | None:
    return energy_kwh if energy_kwh < math.inf else None


def _time(wall_s: float | None) -> str | None:
    return None if wall_s is None else rfc3339(wall_s)
