"""Finds a place for a car: asks one substation after the other, best first, and never starts two sessions."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic_core import from_json

from smartgrid.balancer.grid import Choice, Grid
from smartgrid.balancer.lookup import Lookup
from smartgrid.balancer.voids import Voids
from smartgrid.domain.request import PowerRange
from smartgrid.service import status_header, tracing
from smartgrid.service.http_client import Answer, NotSentError, OutcomeUnknownError
from smartgrid.service.keys import KeysUnderWay

ID_SEPARATOR = "."
MIN_ATTEMPT_S = 0.05
JSON_HEADERS = {"Content-Type": "application/json"}


class Outcome(Enum):
    """What became of one attempt."""

    ADMITTED = "admitted"
    REFUSED = "refused"  # surely no session there
    FAULTY = "faulty"  # the request itself is wrong: no one will take it
    UNREACHABLE = "unreachable"  # surely no session there
    UNKNOWN = "unknown"  # there may be a session


@dataclass(frozen=True, slots=True)
class Placed:
    """A car that was admitted: the session, and at which of the substations in how many attempts."""

    session: dict[str, Any]
    substation: str
    attempts: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class FaultyError(Exception):
    """A substation says that the request itself is wrong."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class NoPlaceError(Exception):
    """No substation takes the car. `draining` if all that answered are about to end."""

    attempts: int


class Router:
    """Places cars.

    An attempt that got no answer may have started a session. So before the car goes on to the next substation, the
    attempt's idempotency key is put on the list of voids for that substation, on disk: as soon as the substation
    answers again, the key is voided there, which ends the session if there is one and refuses the request if it should
    still arrive.
    """

    def __init__(
        self, grid: Grid, lookup: Lookup, voids: Voids, *, attempt_timeout_s: float, request_timeout_s: float
    ) -> None:
        self._grid, self._lookup, self._voids = grid, lookup, voids
        self._attempt_timeout_s, self._request_timeout_s = attempt_timeout_s, request_timeout_s
        self._keys = KeysUnderWay()

    def place(self, body: bytes, power: PowerRange, key: str | None, *, first_attempt: bool) -> Placed:
        """Find a place, once for each key. `first_attempt` promises that the key has never been sent before.

        Raises NoPlaceError, FaultyError or KeyBusyError.
        """
        end_s = time.monotonic() + self._request_timeout_s
        if key is None:
            return self._search(body, power, secrets.token_hex(16), end_s)
        with self._keys.holding(key, self._request_timeout_s):
            known = None if first_attempt else self._lookup.find(key, self._attempt_timeout_s)
            if known is not None:
                name, session = known
                answer = self._replay(name, body, key)
                return Placed(with_name(session if answer is None else answer, name), name, 0, replayed=True)
            return self._search(body, power, key, end_s)

    def _replay(self, name: str, body: bytes, key: str) -> dict[str, Any] | None:
        """Have the substation that knows the key compare the bodies."""
        entry = self._grid.entry(name)
        if entry is None:
            return None
        try:
            answer = entry.client.request(
                "POST", "/charge", timeout_s=self._attempt_timeout_s, body=body, headers=_headers(key)
            )
        except (NotSentError, OutcomeUnknownError):
            return None
        if answer.status == 201:
            return dict(from_json(answer.body))
        raise FaultyError(answer)

    def _search(self, body: bytes, power: PowerRange, key: str, end_s: float) -> Placed:
        asked: list[str] = []
        while (left_s := end_s - time.monotonic()) > MIN_ATTEMPT_S and (choice := self._grid.choose(power, asked)):
            name = choice.entry.member.name
            asked.append(name)
            outcome, answer = self._attempt(choice, body, key, min(left_s, self._attempt_timeout_s))
            if outcome is Outcome.ADMITTED and answer is not None:
                self._lookup.remember(key, name)
                return Placed(with_name(from_json(answer.body), name), name, len(asked))
            if outcome is Outcome.FAULTY and answer is not None:
                raise FaultyError(answer)
        raise NoPlaceError(len(asked))

    def _attempt(self, choice: Choice, body: bytes, key: str, timeout_s: float) -> tuple[Outcome, Answer | None]:
        try:
            answer = choice.entry.client.request(
                "POST", "/charge", timeout_s=timeout_s, body=body, headers=_headers(key)
            )
        except NotSentError:
            self._grid.give_up(choice)
            self._voids.check(choice.entry.member.name)
            return Outcome.UNREACHABLE, None
        except OutcomeUnknownError:
            self._voids.add(choice.entry.member.name, key)
            self._grid.give_up(choice)
            return Outcome.UNKNOWN, None
        self._grid.settle(choice, answer.headers.get(status_header.NAME))
        return self._judge(choice, answer, key)

    def _judge(self, choice: Choice, answer: Answer, key: str) -> tuple[Outcome, Answer]:
        if answer.status == 201:
            return Outcome.ADMITTED, answer
        if answer.status in (429, 503):
            return Outcome.REFUSED, answer
        if answer.status < 500:
            return Outcome.FAULTY, answer
        self._voids.add(choice.entry.member.name, key)
        return Outcome.UNKNOWN, answer


def with_name(session: dict[str, Any], name: str) -> dict[str, Any]:
    """The session as this balancer shows it: its id, and for a substation behind a balancer its name, prefixed."""
    inner = str(session["session_id"])
    place = f"{name}{ID_SEPARATOR}{session['substation']}" if ID_SEPARATOR in inner else name
    return {**session, "session_id": f"{name}{ID_SEPARATOR}{inner}", "substation": place}


def _headers(key: str) -> dict[str, str]:
    return {**JSON_HEADERS, **tracing.outgoing(), "Idempotency-Key": key}
