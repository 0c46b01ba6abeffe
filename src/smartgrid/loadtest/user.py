"""A Locust user that asks for one car after another: on Locust's own page, and under `smartgrid loadtest`.

A request whose connection is lost before the whole answer is there is sent once more under the same Idempotency-Key, as
a driver's app would do; nothing else is repeated. A user whose car is let wait (202) goes on with the next car; another
greenlet looks at the waiting one, about when it should start, until it charges or has left. When it did is told by the
session, so that looks need not be frequent. All of a user share its few connections.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

import gevent
from gevent.pool import Group
from geventhttpclient.response import HTTPParseError
from locust import FastHttpUser
from locust.contrib.fasthttp import LocustBadStatusCode
from locust.env import Environment

from smartgrid.auth.credentials import Headers
from smartgrid.domain.request import ChargeRequest
from smartgrid.loadtest.request import (
    InLine,
    Result,
    Verdict,
    Wait,
    body_of,
    json_object,
    look_again_s,
    time_s,
    verdict_on_answer,
    verdict_on_look,
    verdict_on_silence,
)

CONNECTION_LOST = "connection lost"
GRACE_S = 30.0  # after the end of a wait, until which its session should tell of it


@dataclass(frozen=True)
class Answer:
    """To one POST /charge: what it means, how long it took, and whether it was sent twice."""

    verdict: Verdict | InLine
    response_ms: float
    retried: bool


@dataclass(frozen=True)
class Terms:
    """`wait_s` is how long cars wait where all is full (None: they do not); `credential` what each request carries."""

    timeout_s: float = 30.0
    wait_s: float | None = None
    credential: Headers = dict


class CarUser(FastHttpUser):
    """Asks, and follows cars that wait."""

    abstract = True
    insecure = False
    max_redirects = 0
    terms: ClassVar[Terms] = Terms()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.waits = Group()

    def on_stop(self) -> None:
        self.waits.kill()
        self.client.client.close()

    def ask(self, request: ChargeRequest, started_at: datetime, key: str) -> Answer:
        """Sends one request. `started_at` is when the clock of the request's departure began."""
        wait_s = self.terms.wait_s
        until = datetime.now(UTC) + timedelta(seconds=wait_s) if wait_s is not None else None
        body, begun_s = body_of(request, started_at, until), time.perf_counter()
        verdict, retried = self._charge(body, key, self.terms.timeout_s), False
        if isinstance(verdict, Verdict) and verdict.reason == CONNECTION_LOST:
            left_s = self.terms.timeout_s - (time.perf_counter() - begun_s)
            verdict, retried = self._charge(body, key, left_s), True
        return Answer(verdict, (time.perf_counter() - begun_s) * 1000, retried)

    def follow(self, car: InLine) -> tuple[Verdict, Wait | None]:
        """Returns when a waiting car charges or has left, and tells Locust how long it waited."""
        give_up_s = time.monotonic() + (self.terms.wait_s or 0.0) + GRACE_S
        expected_s = car.expected_s
        while time.monotonic() < give_up_s:
            gevent.sleep(look_again_s(expected_s, time.time()))
            session = self._look(car.session_id)
            found = verdict_on_look(car, session)
            if found is not None:
                self._tell_wait(*found)
                return found
            expected_s = time_s(session.get("expected_start"))
        return verdict_on_silence("its session does not tell how its wait ended"), None

    def _charge(self, body: str, key: str, timeout_s: float) -> Verdict | InLine:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **self.terms.credential()}
        # For the whole: Locust's client has timeouts of parts only, and catches this one as one of its own.
        with gevent.Timeout(max(timeout_s, 0.001)):
            response = self.client.request("POST", "/charge", data=body, headers=headers, catch_response=True)
        with response:
            problem = response.request_meta["exception"]
            if problem is None or isinstance(problem, LocustBadStatusCode):  # the whole answer is there
                verdict = verdict_on_answer(response.status_code, response.content or b"")
            else:
                verdict = verdict_on_silence(_why(problem))
            if isinstance(verdict, Verdict) and verdict.result is not Result.SUCCEEDED:
                response.failure(verdict.reason)  # type: ignore[no-untyped-call]
            else:
                response.success()  # type: ignore[no-untyped-call]
        return verdict

    def _look(self, session_id: str) -> dict[str, object]:
        path = f"/sessions/{quote(session_id, safe='')}"
        with gevent.Timeout(self.terms.timeout_s, False):
            response = self.client.get(path, name="/sessions/[id]", headers=dict(self.terms.credential()))
            return json_object(response.content or b"") if response.status_code == 200 else {}
        return {}

    def _tell_wait(self, verdict: Verdict, wait: Wait) -> None:
        self.environment.events.request.fire(
            request_type="WAIT",
            name="until it charges",
            response_time=wait.lasted_s * 1000,
            response_length=0,
            exception=verdict.reason,
            context={},
        )


def _why(error: BaseException | None) -> str:
    """In a few words, why there is no answer."""
    cause = getattr(error, "original", None) or error
    if isinstance(cause, gevent.Timeout | TimeoutError):
        return "no answer in time"
    if isinstance(cause, HTTPParseError | ConnectionResetError | BrokenPipeError):
        return CONNECTION_LOST
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, OSError):
        return f"cannot connect: {cause.strerror or cause}"
    return type(cause).__name__
