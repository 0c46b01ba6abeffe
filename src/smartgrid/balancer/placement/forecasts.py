"""Where a car would wait least: members are asked when it would start if it joined their list now.

Only a substation can tell: it runs a copy of itself forward, with the car in its list. That costs it milliseconds, so a
few are asked, those that look best by their statuses, all at once, and for no longer than `TIMEOUT_S`: a forecast is
worth little beside an answer to the client. Whoever does not answer in time is asked to let the car wait after all
others, as it may well do that.

A region answers with the earliest of its own, so it is asked like a substation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.domain.request import PowerRange
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol.headers import STATUS

ASKED = 5
TIMEOUT_S = 0.4
THREADS = 16
MAX_START_S = 366 * 86400.0
MIN_TIMEOUT_S = 0.02


class Forecast(BaseModel):
    """`expected_start_in_s` is in seconds from now; None for a car that would leave before. `takes`: it may wait."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    expected_start_in_s: float | None = Field(ge=0, le=MAX_START_S)
    takes: bool


NOWHERE = Forecast(expected_start_in_s=None, takes=False)


def in_order(forecasts: Mapping[str, Forecast | None]) -> list[str]:
    """Who is asked to let the car wait: where it starts first, at last those that have told nothing. Not who does not
    take it."""
    may = [name for name, forecast in forecasts.items() if forecast is None or forecast.takes]
    return sorted(may, key=lambda name: _start_s(forecasts[name]))


def earliest(forecasts: Iterable[Forecast | None]) -> Forecast:
    """What a region says of itself."""
    taking = [each for each in forecasts if each is not None and each.takes]
    return min(taking, key=_start_s, default=NOWHERE)


def _start_s(forecast: Forecast | None) -> tuple[bool, float]:
    if forecast is None:
        return True, 0.0
    return False, math.inf if forecast.expected_start_in_s is None else forecast.expected_start_in_s


@dataclass(frozen=True, slots=True)
class _Question:
    """What each member is asked."""

    body: bytes
    headers: Mapping[str, str]
    end_s: float


class Forecasts:
    """Asks members. Its threads are shared by all cars, and bounded: what is asked too late is not asked at all."""

    def __init__(self, fleet: LiveFleet) -> None:
        self._fleet = fleet
        self._pool = ThreadPoolExecutor(THREADS, "forecast")

    def of(
        self, body: bytes, power: PowerRange, headers: Mapping[str, str], end_s: float, asked: Sequence[str] = ()
    ) -> dict[str, Forecast | None]:
        """By name, what those say that look best and have not been asked, by `end_s`; None of who does not answer.

        `headers` go with each question. Empty where there is no one left.
        """
        members = self._fleet.shortest_backlogs(power, ASKED, asked)
        question = _Question(body, headers, min(end_s, time.monotonic() + TIMEOUT_S))
        answers: dict[str, Future[Forecast | None]] = {
            each.name: self._pool.submit(self._ask, each, question) for each in members
        }
        return {name: answer.result() for name, answer in answers.items()}

    def earliest(self, body: bytes, power: PowerRange, headers: Mapping[str, str], end_s: float) -> Forecast:
        """What a region says of itself: the earliest of the first few of whom one takes the car, by `end_s`."""
        asked: list[str] = []
        while time.monotonic() < end_s and (found := self.of(body, power, headers, end_s, asked)):
            best = earliest(found.values())
            if best.takes:
                return best
            asked += found
        return NOWHERE

    def _ask(self, member: Substation, question: _Question) -> Forecast | None:
        left_s = question.end_s - time.monotonic()
        if left_s < MIN_TIMEOUT_S:
            return None
        try:
            answer = member.client.request(
                "POST", "/forecast", timeout_s=left_s, body=question.body, headers=question.headers
            )
        except (NotSentError, OutcomeUnknownError):
            return None
        self._fleet.saw(member, answer.headers.get(STATUS))
        if answer.status != 200:
            return None
        try:
            return Forecast.model_validate_json(answer.body)
        except ValidationError:
            return None
