"""How a session is begun and ended at a substation: what is sent, and what its answer means. Pure.

Both are safe to repeat: a start by its key, an end by its session. So nearly everything but a yes means "later". Who is
not let in (401, 403) may be once the token is renewed; what a substation does not understand (400, 413, 422) it may
once it is of this version too, or never, so that is told apart; what is not found at `/charge` is no substation.
Refused for good is only what the substation knows to be settled otherwise: the car would be without a session for as
long as it charges.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from smartgrid.edge.ports import EndOrder, OpenSession, Outcome, StartOrder
from smartgrid.http_client.answer import Answer
from smartgrid.protocol.headers import REPLAYED
from smartgrid.protocol.models import SessionId
from smartgrid.runtime.clock import rfc3339

WELL = (200, 201, 202)
CONFLICT = 409
UNUSABLE = (400, 413, 422)
MAX_REASON = 64
MAX_DETAIL = 300


class _Session(BaseModel):
    """As much of a session's answer as an edge needs."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    session_id: SessionId
    vehicle_id: str = Field(max_length=64)
    state: str = Field(max_length=32)
    position: int | None = None
    expected_start: str | None = Field(None, max_length=64)


def start_body(order: StartOrder, edge: str) -> bytes:
    """Of `POST /charge`: it charges until its charger says that it has ended, and waits where there is no room."""
    charger: dict[str, Any] = {
        "charger": order.charger.charger,
        "connector": order.connector,
        "transaction_id": order.transaction_id,
        "edge": edge,
        "rating_kw": order.rating_kw,
        "fallback_kw": order.fallback_kw,
        "held_kw": order.held_kw,
        "is_controlled": order.is_controlled,
        "meter_kwh": order.meter_kwh,
    }
    if order.started_wall_s is not None:
        charger["started_at"] = rfc3339(order.started_wall_s)
    return to_json(
        {
            "vehicle_id": order.vehicle_id,
            "energy_kwh": None,
            "max_power_kw": order.max_power_kw,
            "min_power_kw": order.min_power_kw,
            "wait": True,
            "charger": charger,
        }
    )


def started(order: StartOrder, answer: Answer) -> tuple[Outcome, OpenSession | None, str]:
    """What has become of a start. Its offer comes with the next poll, as only that has a lease.

    A session that was there before is its holder's, who may be another edge, or this one before it was started again.
    """
    if answer.status not in WELL:
        return refused(answer), None, detail(answer)
    try:
        found = _Session.model_validate_json(answer.body)
    except ValidationError:
        return Outcome.LATER, None, "the substation's answer is no session"
    session = OpenSession(
        found.session_id,
        found.vehicle_id,
        found.state,
        0,
        0.0,
        order.charger.charger,
        order.connector,
        order.transaction_id,
        order.meter_kwh,
        found.position,
        found.expected_start,
        is_ours=answer.headers.get(REPLAYED) != "true",
    )
    return Outcome.DONE, session, ""


def end_path(session_id: str) -> str:
    return f"/charge/{quote(session_id, safe='')}/end"


def end_body(order: EndOrder) -> bytes:
    ended_at = None if order.ended_wall_s is None else rfc3339(order.ended_wall_s)
    return to_json({"energy_kwh": order.energy_kwh, "ended_at": ended_at, "reason": order.reason[:MAX_REASON]})


def ended(answer: Answer) -> tuple[Outcome, str]:
    """What has become of an end. A substation that does not know the session has lost it for good."""
    if answer.status in WELL:
        return Outcome.DONE, ""
    if answer.status == 404 and _problem(answer).get("code") == "not-found":
        return Outcome.REFUSED, "the substation knows of no such session"
    return refused(answer), detail(answer)


def refused(answer: Answer) -> Outcome:
    """Whether there is any use in asking again."""
    if answer.status == CONFLICT:
        return Outcome.REFUSED
    return Outcome.UNUSABLE if answer.status in UNUSABLE else Outcome.LATER


def detail(answer: Answer) -> str:
    """Why, in the substation's own words."""
    found = _problem(answer)
    return f"{answer.status} {found.get('code', '')}: {found.get('detail', '')}"[:MAX_DETAIL]


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        found = from_json(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
