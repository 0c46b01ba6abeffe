"""A session as it is kept on disk and as it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.runtime.clock import GridClock, rfc3339

SAME_TIME_S = 0.001


@dataclass(frozen=True, slots=True)
class Record:
    """One row: times are seconds of wall time since 1970, so that a new time scale does not move the past."""

    session_id: str
    idempotency_key: str | None
    vehicle_id: str
    energy_kwh: float
    min_power_kw: float
    max_power_kw: float
    departure_wall_s: float | None
    started_wall_s: float
    state: str
    power_kw: float
    delivered_kwh: float
    ended_wall_s: float | None
    end_reason: str | None
    attempt: int = 0  # the last one that was answered with this session (protocol.attempts)


def to_record(session: Session, key: str | None, clock: GridClock, attempt: int = 0) -> Record:
    """Freeze a session as it is now."""
    request = session.request
    return Record(
        session_id=session.session_id,
        idempotency_key=key,
        vehicle_id=request.vehicle_id,
        energy_kwh=request.energy_kwh,
        min_power_kw=request.power.min_kw,
        max_power_kw=request.power.max_kw,
        departure_wall_s=_wall(request.departure_s, clock),
        started_wall_s=clock.to_wall_s(session.started_s),
        state=session.state.value,
        power_kw=session.power_kw,
        delivered_kwh=session.delivered_kwh,
        ended_wall_s=_wall(session.ended_s, clock),
        end_reason=session.end_reason.value if session.end_reason else None,
        attempt=attempt,
    )


def to_session(record: Record, clock: GridClock) -> Session:
    """Thaw an active session."""
    return Session(
        session_id=record.session_id,
        request=to_request(record, clock),
        started_s=clock.to_grid_s(record.started_wall_s),
        delivered_kwh=record.delivered_kwh,
    )


def to_request(record: Record, clock: GridClock) -> ChargeRequest:
    departure_s = None if record.departure_wall_s is None else clock.to_grid_s(record.departure_wall_s)
    power = PowerRange(record.min_power_kw, record.max_power_kw)
    return ChargeRequest(record.vehicle_id, record.energy_kwh, power, departure_s)


def is_same_request(record: Record, request: ChargeRequest, clock: GridClock) -> bool:
    """Whether the session was started by an equal request; departures may differ by what the conversion rounds."""
    known, departure_s = to_request(record, clock), request.departure_s
    if (known.departure_s is None) != (departure_s is None):
        return False
    apart_s = 0.0 if known.departure_s is None or departure_s is None else abs(known.departure_s - departure_s)
    return replace(known, departure_s=departure_s) == request and clock.to_wall_s(apart_s) < SAME_TIME_S


def to_wire(record: Record, substation: str) -> dict[str, object]:
    """As the API shows it (`protocol.models.SessionBody`)."""
    return {
        "session_id": record.session_id,
        "vehicle_id": record.vehicle_id,
        "substation": substation,
        "state": record.state,
        "energy_kwh": record.energy_kwh,
        "delivered_kwh": round(record.delivered_kwh, 9),
        "power_kw": round(record.power_kw, 9),
        "max_power_kw": record.max_power_kw,
        "min_power_kw": record.min_power_kw,
        "started_at": rfc3339(record.started_wall_s),
        "ended_at": _time(record.ended_wall_s),
        "departure_time": _time(record.departure_wall_s),
        "end_reason": record.end_reason,
    }


def _wall(grid_s: float | None, clock: GridClock) -> float | None:
    return None if grid_s is None else clock.to_wall_s(grid_s)


def _time(wall_s: float | None) -> str | None:
    return None if wall_s is None else rfc3339(wall_s)
