"""The rates of those who ask a gateway: whom a request is counted to, and what they are told.

Counted to the owner, who is the same whatever token is sent; without a token, to the client's address. Starts, stops
and reads are counted apart, each up to the whole rate: a stop frees power and must not fail because of too many starts,
nor a start because an app looks often. Services among themselves are not limited. Gateways do not share what
they count: a store in the path of each request would make its outage ours. So n gateways let through n times the rate.
"""

from __future__ import annotations

import math
import threading
import time

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter

from smartgrid.auth.principal import anonymous
from smartgrid.gateway.settings import OFF, GatewaySettings
from smartgrid.http_server.client_address import Network, client_address, networks
from smartgrid.http_server.rate import Limiter, Rate, Verdict, parse
from smartgrid.web.access import PRINCIPAL, Guard
from smartgrid.web.problems import ProblemError

VERDICT = "smartgrid.rate_verdict"
DEFAULT = "20/s burst 40"
STARTS, STOPS, READS = "starts", "stops", "reads"
_KINDS = {"POST": STARTS, "PUT": STARTS, "DELETE": STOPS}
_ANONYMOUS = anonymous(frozenset()).owner


class RateLimits:
    """Limits the routes of a gateway that need something; what is open to all, such as /health, is not counted."""

    def __init__(self, rate: Rate, trusted_proxies: tuple[Network, ...], registry: CollectorRegistry) -> None:
        self._rate, self._trusted = rate, trusted_proxies
        self._limiters = {kind: Limiter(rate) for kind in (STARTS, STOPS, READS)}
        self._policies = {kind: f'"{kind}";q={rate.burst};w={rate.window_s}' for kind in self._limiters}
        self._lock = threading.Lock()
        self._limited = Counter(
            "gateway_rate_limited", "Requests answered 429, by what was asked.", ["kind"], registry=registry
        )
        for kind in self._limiters:
            self._limited.labels(kind)

    def install(self, app: Flask, guard: Guard) -> None:
        """Count each request of `app` once the guard knows whose it is, also those that it then forbids."""
        guard.once_known.append(lambda: self.check(guard))
        app.after_request(self.tell)

    def check(self, guard: Guard) -> None:
        """Count the present request. Raises a problem (429) where it is one too many."""
        environ = request.environ
        caller = environ[PRINCIPAL]
        if guard.asks and caller.owner != _ANONYMOUS:
            if caller.is_service:
                return
            key = caller.owner
        else:
            key = client_address(environ["REMOTE_ADDR"], environ.get("HTTP_X_FORWARDED_FOR"), self._trusted)
        kind = _KINDS.get(environ["REQUEST_METHOD"], READS)
        with self._lock:
            verdict = self._limiters[kind].take(key, time.monotonic())
        environ[VERDICT] = kind, verdict
        if not verdict.is_within:
            self._limited.labels(kind).inc()
            raise self._problem(kind, verdict)

    def tell(self, response: Response) -> Response:
        """Say in the answer what is left (draft-ietf-httpapi-ratelimit-headers-11)."""
        found: tuple[str, Verdict] | None = request.environ.get(VERDICT)
        if found is not None:
            kind, verdict = found
            response.headers["RateLimit-Policy"] = self._policies[kind]
            response.headers["RateLimit"] = f'"{kind}";r={verdict.left};t={math.ceil(verdict.whole_in_s)}'
        return response

    def _problem(self, kind: str, verdict: Verdict) -> ProblemError:
        rate = self._rate
        allowed = f"at most {rate.count} in {rate.period_s:g} s, and {rate.burst} at once"
        detail = f"Too many {kind}: {allowed}. Nothing was done."
        headers = {"Retry-After": str(max(1, math.ceil(verdict.retry_in_s)))}
        return ProblemError(429, "rate-limited", detail, headers=headers)


def of_settings(settings: GatewaySettings, guard: Guard, registry: CollectorRegistry) -> RateLimits | None:
    """The limits that are set. By default there is one only where callers are told apart by who they are."""
    text = settings.rate_limit or (DEFAULT if guard.asks else OFF)
    return None if text == OFF else RateLimits(parse(text), networks(settings.trusted_proxies), registry)
