"""Finds a place for a car: asks one substation after the other, best first, and never starts two sessions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic_core import from_json

from smartgrid.balancer.grid import Choice, Grid
from smartgrid.balancer.lookup import Found, Lookup, Whereabouts
from smartgrid.balancer.voids import Voids
from smartgrid.domain.request import PowerRange
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.http_client.connection import Answer
from smartgrid.protocol import attempts, tracing
from smartgrid.protocol.attempts import AttemptNumbers
from smartgrid.protocol.headers import STATUS
from smartgrid.web.keys_under_way import KeysUnderWay

ID_SEPARATOR = "."
MIN_ATTEMPT_S = 0.05
JSON_HEADERS = {"Content-Type": "application/json"}
FAULTY_STATUSES = frozenset((400, 409, 413, 415, 422))
REFUSED_STATUSES = frozenset((429, 503))


class Outcome(Enum):
    """What became of one attempt."""

    ADMITTED = "admitted"
    REFUSED = "refused"  # surely no session there
    FAULTY = "faulty"  # the request itself is wrong: no one will take it
    UNREACHABLE = "unreachable"  # surely no session there
    UNKNOWN = "unknown"  # there may be a session


@dataclass(frozen=True, slots=True)
class Car:
    """What is to be placed. `attempt` numbers it where a balancer in front of this one has done so."""

    body: bytes
    power: PowerRange
    key: str
    attempt: int | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A car that was admitted: the session, and at which of the substations in how many attempts."""

    session: dict[str, Any]
    substation: str
    attempts: int
    replayed: bool = False


@dataclass(eq=False)
class FaultyError(Exception):
    """A substation says that the request itself is wrong."""

    answer: Answer


@dataclass(eq=False)  # not frozen: a context manager on the way sets its traceback
class NoPlaceError(Exception):
    """No substation takes the car."""

    attempts: int


@dataclass(eq=False)
class SilentError(Exception):
    """The key has a session at this substation, which does not answer now."""

    substation: str


class Router:
    """Places cars.

    An attempt that got no answer may have started a session. So before the car goes on to the next substation, it is
    put on the list of voids for that substation, on disk: as soon as the substation answers again, the attempt is
    voided there, which ends the session if there is one and refuses the request if it should still arrive. Later
    attempts with the same key have greater numbers, which a void of an earlier one does not touch.
    """

    def __init__(
        self, grid: Grid, lookup: Lookup, voids: Voids, *, attempt_timeout_s: float, request_timeout_s: float
    ) -> None:
        self._grid, self._lookup, self._voids = grid, lookup, voids
        self._attempt_timeout_s, self._request_timeout_s = attempt_timeout_s, request_timeout_s
        self._keys, self._numbers = KeysUnderWay(), AttemptNumbers()

    def place(
        self, body: bytes, power: PowerRange, key: str | None, *, first_attempt: bool, attempt: int | None = None
    ) -> Placed:
        """Find a place, once for each key. `first_attempt` promises that the key has never been sent before.

        Raises NoPlaceError, FaultyError, SilentError or KeyBusyError.
        """
        end_s = time.monotonic() + self._request_timeout_s
        car = Car(body, power, key or secrets.token_hex(16), attempt)
        if key is None:
            return self._search(car, end_s)
        with self._keys.holding(key, self._request_timeout_s):
            # the first may come after its repeat: a balancer that hung has both to read at once
            is_new = first_attempt and not self._lookup.remembers(key)
            return self._search(car, end_s) if is_new else self._place_again(car, end_s)

    def _place_again(self, car: Car, end_s: float) -> Placed:
        """The key may have been placed before."""
        before, where = self._number(car), self._lookup.find(car.key, self._attempt_timeout_s)
        placed = self._adopt(where.found, car) if where.found is not None else None
        self._give_up_on(where, car.key, before)
        return placed or self._search(car, end_s, where.silent)

    def _give_up_on(self, where: Whereabouts, key: str, before: int) -> None:
        """What silent substations may have for the key is to be voided, as the car has its place elsewhere now.

        Unless it is known to be there: that session has been acknowledged.
        """
        if where.placed_at in where.silent:
            raise SilentError(str(where.placed_at))
        for name in sorted(where.silent):
            self._voids.add(name, key, before)

    def _adopt(self, found: Found, car: Car) -> Placed | None:
        """Take over the key's session, so that voids of earlier attempts leave it alone; None if it is gone by now.

        The substation also compares the bodies.
        """
        entry = self._grid.entry(found.name)
        if entry is None:
            return None
        try:
            answer = entry.client.request(
                "POST", "/charge", timeout_s=self._attempt_timeout_s, body=car.body, headers=self._headers(car)
            )
        except (NotSentError, OutcomeUnknownError) as error:
            raise SilentError(found.name) from error
        self._grid.saw(entry, answer.headers.get(STATUS))
        outcome = _judge(answer)
        if outcome is Outcome.FAULTY:
            raise FaultyError(answer)
        if outcome is Outcome.UNKNOWN:
            raise SilentError(found.name)
        return self._placed(car, found.name, answer, 0) if outcome is Outcome.ADMITTED else None

    def _search(self, car: Car, end_s: float, excluded: Iterable[str] = ()) -> Placed:
        asked = list(excluded)
        attempts_made = 0
        while (left_s := end_s - time.monotonic()) > MIN_ATTEMPT_S and (choice := self._grid.choose(car.power, asked)):
            name = choice.entry.member.name
            asked.append(name)
            attempts_made += 1
            # half of what is left at the most, so that two silent ones do not use up the time of a third that answers
            outcome, answer = self._attempt(choice, car, min(self._attempt_timeout_s, left_s / 2))
            if outcome is Outcome.ADMITTED and answer is not None:
                return self._placed(car, name, answer, attempts_made)
            if outcome is Outcome.FAULTY and answer is not None:
                raise FaultyError(answer)
        raise NoPlaceError(attempts_made)

    def _attempt(self, choice: Choice, car: Car, timeout_s: float) -> tuple[Outcome, Answer | None]:
        name, number = choice.entry.member.name, self._number(car)
        headers = {**_headers(car.key), attempts.HEADER: str(number)}
        try:
            answer = choice.entry.client.request("POST", "/charge", timeout_s=timeout_s, body=car.body, headers=headers)
        except NotSentError:
            self._grid.give_up(choice)
            self._voids.check(name)
            return Outcome.UNREACHABLE, None
        except OutcomeUnknownError:
            self._grid.give_up(choice)
            self._voids.add(name, car.key, number + 1)
            return Outcome.UNKNOWN, None
        except BaseException:  # whatever it was, the reservation must not stay
            self._grid.give_up(choice)
            raise
        self._grid.settle(choice, answer.headers.get(STATUS))
        outcome = _judge(answer)
        if outcome is Outcome.UNKNOWN:
            self._voids.add(name, car.key, number + 1)
        return outcome, answer

    def _placed(self, car: Car, name: str, answer: Answer, attempts_made: int) -> Placed:
        self._lookup.remember(car.key, name)
        return Placed(with_name(from_json(answer.body), name), name, attempts_made, replayed=attempts_made == 0)

    def _headers(self, car: Car) -> dict[str, str]:
        return {**_headers(car.key), attempts.HEADER: str(self._number(car))}

    def _number(self, car: Car) -> int:
        return self._numbers.next() if car.attempt is None else car.attempt


def _judge(answer: Answer) -> Outcome:
    if answer.status == 201:
        return Outcome.ADMITTED
    if answer.status in FAULTY_STATUSES:
        return Outcome.FAULTY
    # A 503 without a status is not the substation's own: a proxy may have lost the connection after the request.
    if answer.status in REFUSED_STATUSES and STATUS in answer.headers:
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def with_name(session: dict[str, Any], name: str) -> dict[str, Any]:
    """The session as this balancer shows it: its id, and for a substation behind a balancer its name, prefixed."""
    inner = str(session["session_id"])
    place = f"{name}{ID_SEPARATOR}{session['substation']}" if ID_SEPARATOR in inner else name
    return {**session, "session_id": f"{name}{ID_SEPARATOR}{inner}", "substation": place}


def _headers(key: str) -> dict[str, str]:
    return {**JSON_HEADERS, **tracing.outgoing(), "Idempotency-Key": key}
