"""The lists of the members at which cars wait: whose is looked at first, and what it says.

A list is read to move cars (`moves`), and to show it to a balancer in front, which then may move them: to it a region
looks like a substation with one list. What a member says of a car is believed within bounds, as all that comes from
outside; a car that cannot be is left out, and the others are there still.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.domain.status import Status
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import numbers, status_header
from smartgrid.protocol import session_id as ids
from smartgrid.protocol.fingerprint import fingerprint
from smartgrid.protocol.headers import OWNER_PATTERN, STATUS
from smartgrid.protocol.keys import DIGEST_PATTERN, FEED_TOLERANCE_S
from smartgrid.protocol.models import ChargeBody, SessionId
from smartgrid.protocol.numbers import Number

TIMEOUT_S = 1.0
MAX_BYTES = 256 * 1024


def in_turn(lists: Mapping[str, Status]) -> list[str]:
    """Whose list is looked at first: those of members that are drained, as nobody will start there; then the one that
    is longest in hours of its member's whole power."""

    def turn(name: str) -> tuple[bool, float, str]:
        status = lists[name]
        hours = status.waiting_kwh / status.capacity_kw if status.capacity_kw > 0 else math.inf
        return not status.draining, -hours, name

    return sorted(lists, key=turn)


class _Listed(BaseModel):
    """A car as a member shows it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    session_id: SessionId
    digest: str = Field(pattern=f"^{DIGEST_PATTERN}$")
    number: str = Field(max_length=numbers.MAX_TEXT)
    fingerprint: str = Field(max_length=64)
    owner: str | None = Field(pattern=f"^{OWNER_PATTERN}$")
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WaitingCar:
    """A car in a member's list, with its session's id as this balancer shows it; `number` is of its latest try."""

    session_id: str
    digest: str
    number: Number
    owner: str | None
    body: ChargeBody
    shown: Mapping[str, Any]
    """As it is shown to a balancer in front."""


class WaitingLists:
    """Asks members."""

    def __init__(self, fleet: LiveFleet) -> None:
        self._fleet = fleet

    def read(self, member: Substation, limit: int, timeout_s: float = TIMEOUT_S) -> list[WaitingCar] | None:
        """The first cars of a member's list, in its order; None if it does not say."""
        try:
            answer = member.client.request(
                "GET",
                f"/waiting?limit={limit}",
                timeout_s=timeout_s,
                headers={STATUS: status_header.WANTED},
                max_answer_bytes=MAX_BYTES,
            )
        except (NotSentError, OutcomeUnknownError):
            return None
        self._fleet.saw(member, answer.headers.get(STATUS))
        return cars(member.name, answer.body, limit) if answer.status == 200 else None

    def shown(self, limit: int, end_s: float) -> list[Mapping[str, Any]]:
        """The first cars of all lists, list by list in their turn, for a balancer in front; by `end_s`."""
        found: list[Mapping[str, Any]] = []
        for name in in_turn(self._fleet.lists()):
            left_s = min(TIMEOUT_S, end_s - time.monotonic())
            if len(found) >= limit or left_s <= 0:
                break
            member = self._fleet.substation(name)
            cars = self.read(member, limit - len(found), left_s) if member is not None else None
            found += [car.shown for car in cars or ()]
        return found


def cars(member: str, body: bytes, limit: int) -> list[WaitingCar] | None:
    """What a member's answer to `GET /waiting` says, the first `limit` of it; None for what is no list."""
    try:
        listed = from_json(body)["cars"][:limit]
    except (ValueError, TypeError, KeyError):
        return None
    return [car for each in listed if (car := _car(member, each)) is not None]


def _car(member: str, wire: Any) -> WaitingCar | None:
    """None for one that cannot be, or whose body is not what its key stands for: it would be another car elsewhere."""
    try:
        listed = _Listed.model_validate(wire)
        asked = {name: value for name, value in listed.body.items() if name not in ("wait", "wait_until")}
        body = ChargeBody.model_validate_json(to_json(asked))
    except (ValidationError, ValueError, TypeError):
        return None
    number = numbers.decode(listed.number)
    if number is None or not numbers.is_believable(number, time.time(), FEED_TOLERANCE_S):
        return None
    if fingerprint(body) != listed.fingerprint:
        return None
    session_id = ids.prefixed(member, listed.session_id)
    return WaitingCar(
        session_id, listed.digest, number, listed.owner, body, {**listed.model_dump(), "session_id": session_id}
    )
