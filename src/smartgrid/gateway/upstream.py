"""Calls to the balancer.

Each call is tried twice: behind a Service, the second connection may reach a balancer that lives. A try to charge has a
number (docs/protocol.md), and its second sending has the next one: the first may be under way still, at another
balancer perhaps, and what has the greater number counts, whichever comes last. For the same reason a charge is never
sent again with the number that it had.
"""

from __future__ import annotations

import threading

from smartgrid.domain.status import Status
from smartgrid.http_client.answer import MAX_LIST_BYTES, Answer
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.protocol import numbers, status_header, tracing
from smartgrid.protocol.headers import KEY, NUMBER, STATUS
from smartgrid.protocol.numbers import Number
from smartgrid.web.app import JSON
from smartgrid.web.problems import ProblemError

PROBE_TIMEOUT_S = 1.0
NO_PLACE = 503
RETRY_AFTER = {"Retry-After": "1"}
STATUS_WANTED = {STATUS: status_header.WANTED}


class Balancer:
    """The balancers behind one URL."""

    def __init__(self, client: HttpClient, timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s
        self._numbers = numbers.NumberSource()
        self._reached = threading.Event()

    def charge(self, body: bytes, key: str) -> Answer:
        """Have a car placed, once for each key.

        Raises a problem: 503 if the balancer cannot be reached, 504 if it may have placed the car and did not say so.
        """
        number = self._numbers.next()
        try:
            return self._send(body, key, number)
        except NotSentError:
            may_be_placed = False
        except OutcomeUnknownError:
            may_be_placed = True
        try:
            answer = self._send(body, key, numbers.second_sending(number))
        except NotSentError as error:
            raise (_unknown() if may_be_placed else _unavailable()) from error
        except OutcomeUnknownError as error:
            raise _unknown() from error
        if may_be_placed and answer.status == NO_PLACE:
            raise _unknown()  # it is sure of this sending only: the first may yet be done
        return answer

    def call(self, method: str, path: str) -> Answer:
        """Anything that can be repeated as it is. Raises a problem (503)."""
        try:
            return self._request(method, path)
        except (NotSentError, OutcomeUnknownError):
            pass
        try:
            return self._request(method, path)
        except (NotSentError, OutcomeUnknownError) as error:
            raise _unavailable() from error

    def status(self) -> Status | None:
        """The fleet's totals, or None if the balancer does not answer."""
        try:
            answer = self._client.request("GET", "/status", timeout_s=PROBE_TIMEOUT_S, headers=STATUS_WANTED)
        except (NotSentError, OutcomeUnknownError):
            return None
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

    def _send(self, body: bytes, key: str, number: Number) -> Answer:
        headers = {
            "Content-Type": JSON,
            KEY: key,
            NUMBER: numbers.encode(number),
            tracing.HEADER: tracing.outgoing_value(),
        }
        return self._client.request(
            "POST", "/charge", timeout_s=self._timeout_s, body=body, headers=headers, resend=False
        )

    def _request(self, method: str, path: str) -> Answer:
        headers = tracing.outgoing()
        return self._client.request(
            method, path, timeout_s=self._timeout_s, headers=headers, max_answer_bytes=MAX_LIST_BYTES
        )


def _unavailable() -> ProblemError:
    detail = "The balancer cannot be reached; nothing was done. Try again."
    return ProblemError(503, "balancer-unavailable", detail, headers=RETRY_AFTER)


def _unknown() -> ProblemError:
    detail = (
        "The balancer did not answer; the car may have been admitted. "
        "Repeat the request with the Idempotency-Key of this answer."
    )
    return ProblemError(504, "outcome-unknown", detail, headers=RETRY_AFTER)
