"""Calls to the balancer.

A call that is not answered is sent a second time: behind a Service, the second connection may reach a balancer that
lives. How many are, `retry_budget` says, and whether a call is worth a wait at all, `breaker`. A try to charge has a
number (docs/protocol.md), and its second sending has the next one: the first may be under way still, at another
balancer perhaps, and what has the greater number counts, whichever comes last. For the same reason a charge is never
sent again with the number that it had.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

from smartgrid.domain.status import Status
from smartgrid.gateway.breaker import Breaker, Verdict
from smartgrid.gateway.retry_budget import RetryBudget
from smartgrid.http_client.answer import MAX_ANSWER_BYTES, MAX_LIST_BYTES, Answer
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.protocol import numbers, status_header, tracing
from smartgrid.protocol.headers import KEY, NUMBER, STATUS
from smartgrid.protocol.numbers import Number
from smartgrid.web import access
from smartgrid.web.app import JSON
from smartgrid.web.problems import ProblemError

PROBE_TIMEOUT_S = 1.0
NO_PLACE = (429, 503)
RETRY_AFTER = {"Retry-After": "1"}
STATUS_WANTED = {STATUS: status_header.WANTED}
STOP = "DELETE"
SENT, REFUSED = "sent", "refused"


class Balancer:
    """The balancers behind one URL. Thread-safe."""

    def __init__(self, client: HttpClient, timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s
        self._numbers = numbers.NumberSource()
        self._reached = threading.Event()
        self._lock = threading.Lock()  # of the two that follow
        self._breaker, self._budget = Breaker(), RetryBudget()
        self.second_sendings: Counter[str] = Counter({SENT: 0, REFUSED: 0})

    @property
    def breaker_is_open(self) -> bool:
        return self._breaker.is_open

    def charge(self, body: bytes, key: str) -> Answer:
        """Have a car placed, once for each key.

        Raises a problem: 503 if the car was surely not sent, 504 if it may have been placed and no one said so.
        """
        self._begin()
        number = self._numbers.next()
        try:
            return self._send(body, key, number)
        except NotSentError:
            may_be_placed = False
        except OutcomeUnknownError:
            may_be_placed = True
        if not self._may_send_again():
            raise _unknown() if may_be_placed else _unavailable()
        try:
            answer = self._send(body, key, numbers.second_sending(number))
        except NotSentError as error:
            raise (_unknown() if may_be_placed else _unavailable()) from error
        except OutcomeUnknownError as error:
            raise _unknown() from error
        if may_be_placed and answer.status in NO_PLACE:
            raise _unknown()  # it is sure of this sending only: the first may yet be done
        return answer

    def call(self, method: str, path: str, *, wait_s: float = 0.0) -> Answer:
        """Anything that can be repeated as it is, whose answer may be held for `wait_s`. Raises a problem (503)."""
        self._begin(is_stop=method == STOP)
        try:
            return self._request(method, path, wait_s)
        except (NotSentError, OutcomeUnknownError) as error:
            if not self._may_send_again(is_stop=method == STOP):
                raise _unanswered() from error
        try:
            return self._request(method, path, wait_s)
        except (NotSentError, OutcomeUnknownError) as error:
            raise _unanswered() from error

    def look(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        """The answer to a GET that nobody waits for: it is not sent a second time, and may have none."""
        if not self._is_worth_it():
            return None
        try:
            return self._noted("GET", path, {**headers})
        except (NotSentError, OutcomeUnknownError):
            return None

    def status(self) -> Status | None:
        """The fleet's totals, or None if the balancer does not answer."""
        try:
            answer = self._client.request("GET", "/status", timeout_s=PROBE_TIMEOUT_S, headers=STATUS_WANTED)
        except (NotSentError, OutcomeUnknownError):
            return None
        self._answered()
        found = status_header.decode(answer.headers.get(STATUS), 0.0)
        return found[1] if found else None

    def not_reached(self) -> str | None:
        """Why the gateway cannot serve yet: it has never reached a ready balancer. Later outages do not count, as a
        gateway that says so is better than none."""
        if not self._reached.is_set() and not self._is_ready():
            return "the balancer is not ready"
        self._reached.set()
        return None

    def _is_ready(self) -> bool:
        try:
            return self._client.request("GET", "/ready", timeout_s=PROBE_TIMEOUT_S).status == 200
        except (NotSentError, OutcomeUnknownError):
            return False

    def _begin(self, *, is_stop: bool = False) -> None:
        """Before the first sending of a call. Raises a problem (503) where it is not worth a wait."""
        with self._lock:
            self._budget.called(time.monotonic())
        if not is_stop and not self._is_worth_it():
            raise _unavailable()

    def _is_worth_it(self) -> bool:
        """Whether the breaker lets a call through; it closes where a balancer turns out to be ready."""
        with self._lock:
            verdict = self._breaker.verdict(time.monotonic())
        if verdict is Verdict.FAIL or (verdict is Verdict.PROBE and not self._is_ready()):
            return False
        if verdict is Verdict.PROBE:
            self._answered()
        return True

    def _may_send_again(self, *, is_stop: bool = False) -> bool:
        with self._lock:
            may = (is_stop or not self._breaker.is_open) and self._budget.allows(time.monotonic())
            self.second_sendings[SENT if may else REFUSED] += 1
        return may

    def _send(self, body: bytes, key: str, number: Number) -> Answer:
        headers = {
            "Content-Type": JSON,
            KEY: key,
            NUMBER: numbers.encode(number),
            **access.outgoing_with_car(),
            tracing.HEADER: tracing.outgoing_value(),
        }
        return self._noted("POST", "/charge", headers, body)

    def _request(self, method: str, path: str, wait_s: float) -> Answer:
        return self._noted(method, path, {**access.outgoing(), **tracing.outgoing()}, wait_s=wait_s)

    def _noted(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None, *, wait_s: float = 0.0
    ) -> Answer:
        """One sending, whose end the breaker hears. Raises NotSentError or OutcomeUnknownError."""
        try:
            answer = self._client.request(
                method,
                path,
                timeout_s=self._timeout_s + wait_s,
                body=body,
                headers=headers,
                resend=body is None,
                max_answer_bytes=MAX_ANSWER_BYTES if body is not None else MAX_LIST_BYTES,
            )
        except (NotSentError, OutcomeUnknownError):
            with self._lock:
                self._breaker.unanswered(time.monotonic())
            raise
        self._answered()
        return answer

    def _answered(self) -> None:
        if self._breaker.in_a_row:
            with self._lock:
                self._breaker.answered()


def _unavailable() -> ProblemError:
    detail = "The balancer cannot be reached; nothing was done. Try again."
    return ProblemError(503, "balancer-unavailable", detail, headers=RETRY_AFTER)


def _unanswered() -> ProblemError:
    return ProblemError(503, "balancer-unavailable", "The balancer does not answer. Try again.", headers=RETRY_AFTER)


def _unknown() -> ProblemError:
    detail = (
        "The balancer did not answer; the car may have been admitted. "
        "Repeat the request with the Idempotency-Key of this answer."
    )
    return ProblemError(504, "outcome-unknown", detail, headers=RETRY_AFTER)
