"""What a car sends, and what its answers mean: judged from them alone. Pure.

A car that finds no room and may wait gets 202 (docs/waiting.md). Its request is finished when its wait is: it charges
then, or it has left without a start.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from smartgrid.domain.request import ChargeRequest

REFUSAL_CODES = frozenset({"no-capacity", "draining"})
"""503 problems with these codes say that the grid is full or leaving: a proper answer, not a fault."""

WAITING, SUPERSEDED = "Waiting", "Superseded"
LEAST_LOOK_S, MOST_LOOK_S = 1.0, 10.0


class Result(StrEnum):
    """Succeeded: the car charges. Rejected: the grid said that it has no room. Failed: anything else."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """The result, the substation that serves the car (admitted only), and a few words why (not admitted only)."""

    result: Result
    substation: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class InLine:
    """A car that waits: since when, and its expected start (None: none is known), both in seconds since 1970."""

    session_id: str
    joined_s: float
    expected_s: float | None


@dataclass(frozen=True)
class Wait:
    """How long a car waited until it charged or left, and how long it was told as it joined (None: nothing)."""

    lasted_s: float
    told_s: float | None


def body_of(request: ChargeRequest, started_at: datetime, wait_until: datetime | None) -> str:
    """The body of POST /charge for a run that started at this time. With `wait_until` it waits where all is full."""
    fields: dict[str, object] = {
        "vehicle_id": request.vehicle_id,
        "energy_kwh": request.energy_kwh,
        "max_power_kw": request.power.max_kw,
        "min_power_kw": request.power.min_kw,
    }
    if request.departure_s is not None:
        fields["departure_time"] = (started_at + timedelta(seconds=request.departure_s)).isoformat()
    if wait_until is not None:
        fields |= {"wait": True, "wait_until": wait_until.isoformat()}
    return json.dumps(fields)


def verdict_on_answer(status: int, body: bytes) -> Verdict | InLine:
    """The verdict on an HTTP answer to POST /charge, or that the car waits."""
    document = json_object(body)
    if status == 201:
        return _admitted(document) or Verdict(Result.FAILED, reason="201 without a session")
    if status == 202:
        return _in_line(document) or Verdict(Result.FAILED, reason="202 without a session that waits")
    code = document.get("code")
    reason = f"{status} {_printable(str(code))}" if code else str(status)
    refused = status == 503 and code in REFUSAL_CODES
    return Verdict(Result.REJECTED if refused else Result.FAILED, reason=reason)


def verdict_on_look(car: InLine, session: Mapping[str, object]) -> tuple[Verdict, Wait] | None:
    """The verdict on a car that waited, from a look at its session; None while it waits."""
    started_s, ended_s = time_s(session.get("started_at")), time_s(session.get("ended_at"))
    told_s = None if car.expected_s is None else max(0.0, car.expected_s - car.joined_s)
    if started_s is not None:
        admitted = _admitted(session) or Verdict(Result.FAILED, reason="a start without a substation")
        return admitted, Wait(max(0.0, started_s - car.joined_s), told_s)
    if ended_s is None or session.get("end_reason") == SUPERSEDED:  # another session has its place
        return None
    left = Verdict(Result.REJECTED, reason=f"waited in vain: {_printable(str(session.get('end_reason')))}")
    return left, Wait(max(0.0, ended_s - car.joined_s), told_s)


def verdict_on_silence(reason: str) -> Verdict:
    """The verdict on a request that got no answer."""
    return Verdict(Result.FAILED, reason=reason)


def look_again_s(expected_s: float | None, now_s: float) -> float:
    """In how many seconds it is worth looking at a waiting session again: about when it should start."""
    return MOST_LOOK_S if expected_s is None else min(max(expected_s - now_s, LEAST_LOOK_S), MOST_LOOK_S)


def json_object(body: bytes) -> dict[str, object]:
    """The object in an answer; an empty one if there is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _admitted(session: Mapping[str, object]) -> Verdict | None:
    substation = session.get("substation")
    if not isinstance(substation, str) or not substation:
        return None
    return Verdict(Result.SUCCEEDED, substation=_printable(substation))


def _in_line(session: Mapping[str, object]) -> InLine | None:
    session_id, joined_s = session.get("session_id"), time_s(session.get("joined_at"))
    if not isinstance(session_id, str) or joined_s is None or session.get("state") != WAITING:
        return None
    return InLine(session_id, joined_s, time_s(session.get("expected_start")))


def time_s(text: object) -> float | None:
    """A time in an answer, in seconds since 1970; None where there is none."""
    try:
        time = datetime.fromisoformat(str(text)) if text is not None else None
    except ValueError:
        return None
    return None if time is None else (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _printable(text: str) -> str:
    """A server's text, safe to show on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:64])
