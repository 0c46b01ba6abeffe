"""Calls to the balancer."""

from __future__ import annotations

import threading

from smartgrid.domain.status import Status
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.http_client.connection import Answer
from smartgrid.protocol import status_header, tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.web.app import FIRST_ATTEMPT, JSON
from smartgrid.web.problems import ProblemError

PROBE_TIMEOUT_S = 1.0
RETRY_AFTER = {"Retry-After": "1"}


class Balancer:
    """Each call is tried twice: behind a Service, the second connection may reach a balancer that lives."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._client, self._timeout_s = HttpClient(url), timeout_s
        self._reached = threading.Event()

    def charge(self, body: bytes, key: str, *, first_attempt: bool) -> Answer:
        """Have a car placed, once for each key.

        Raises a problem: 503 if the balancer cannot be reached, 504 if it may have placed the car and did not say so.
        """
        headers = {"Content-Type": JSON, "Idempotency-Key": key, **tracing.outgoing()}
        first = {**headers, FIRST_ATTEMPT: "true"} if first_attempt else headers
        try:
            return self._request("POST", "/charge", body, first, resend=not first_attempt)
        except NotSentError:
            return self._again("POST", "/charge", body, headers)
        except OutcomeUnknownError:
            return self._again("POST", "/charge", body, headers, unknown=True)

    def call(self, method: str, path: str) -> Answer:
        """Anything that can be repeated. Raises a problem (503)."""
        try:
            return self._request(method, path, None, tracing.outgoing())
        except (NotSentError, OutcomeUnknownError):
            return self._again(method, path, None, tracing.outgoing())

    def status(self) -> Status | None:
        """The fleet's totals, or None if the balancer does not answer."""
        try:
            answer = self._client.request("GET", "/status", timeout_s=PROBE_TIMEOUT_S)
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

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, resend: bool = True
    ) -> Answer:
        """A request that says it is the first must not be sent again saying so: the first may have been done."""
        return self._client.request(method, path, timeout_s=self._timeout_s, body=body, headers=headers, resend=resend)

    def _again(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, unknown: bool = False
    ) -> Answer:
        try:
            return self._request(method, path, body, headers)
        except NotSentError as error:
            if not unknown:
                raise _unavailable() from error
            raise _unknown() from error
        except OutcomeUnknownError as error:
            raise (_unknown() if method == "POST" else _unavailable()) from error


def _unavailable() -> ProblemError:
    detail = "The balancer cannot be reached; nothing was done. Try again."
    return ProblemError(503, "balancer-unavailable", detail, headers=RETRY_AFTER)


def _unknown() -> ProblemError:
    detail = (
        "The balancer did not answer; the car may have been admitted. "
        "Repeat the request with the Idempotency-Key of this answer."
    )
    return ProblemError(504, "outcome-unknown", detail, headers=RETRY_AFTER)
