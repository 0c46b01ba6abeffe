"""The gateway's metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from smartgrid.gateway.upstream import Balancer
from smartgrid.http_server.turns import is_long_poll
from smartgrid.http_server.wsgi import CAME_S
from smartgrid.web.metrics import LATENCY_BUCKETS_S

RESULTS = ("admitted", "waiting", "replayed", "rejected", "failed")
CODES = ("no-capacity", "invalid-request", "balancer-unavailable", "outcome-unknown", "internal-error")
OTHER_CODES = (
    "bad-request",
    "bad-upstream",
    "body-too-large",
    "charger-in-use",
    "charger-offline",
    "charger-silent",
    "deadline-exceeded",
    "draining",
    "edge-unavailable",
    "forbidden",
    "idempotency-key-reused",
    "issuer-unavailable",
    "malformed-json",
    "method-not-allowed",
    "no-edge",
    "no-key",
    "not-found",
    "not-ready",
    "overloaded",
    "quota-exceeded",
    "rate-limited",
    "request-in-progress",
    "storage-unavailable",
    "substation-unavailable",
    "superseded",
    "too-many-chargers",
    "unauthenticated",
    "unsupported-media-type",
)
"""Counted by name too, from when they first occur. What is in neither list is "other": a balancer's answer could make
any number of series."""


_KNOWN_CODES = frozenset(CODES + OTHER_CODES)


class GatewayMetrics:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("charge_requests", "Requests to charge, by result.", ["result"], registry=registry)
        self._failures = Counter(
            "failed_requests", "Requests answered with a problem, by its code.", ["code"], registry=registry
        )
        self._durations_s = Histogram(
            "requests_duration_seconds",
            "Time to answer a request, from when it had come whole.",
            ["method", "route", "status"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}  # spares a lock and three strings a request
        for result in RESULTS:
            self.requests.labels(result)
        for code in CODES:
            self._failures.labels(code)
        self._followers = Gauge("session_followers", "Who follows a session by server-sent events.", registry=registry)

    def count_followers(self, number: Callable[[], int]) -> None:
        """Ask `number` for them when scraped."""
        self._followers.set_function(number)

    def install(self, app: Flask) -> None:
        """Measure every request of `app` but long polls: how long one takes says nothing of how fast the gateway is."""
        app.after_request(self._end)

    def failed(self, code: str) -> None:
        self._failures.labels(code if code in _KNOWN_CODES else "other").inc()

    def counts(self) -> dict[str, int]:
        """Requests to charge since the start, by result."""
        return {result: int(self.requests.labels(result)._value.get()) for result in RESULTS}

    def _end(self, response: Response) -> Response:
        seen = request._get_current_object()  # type: ignore[attr-defined]
        if is_long_poll(seen.query_string):
            return response
        route = seen.url_rule.rule if seen.url_rule else "none"
        method = seen.method if seen.url_rule else "other"  # a made-up method must not make a new series
        series = (method, route, response.status_code)
        duration_s = self._series.get(series)
        if duration_s is None:
            duration_s = self._series[series] = self._durations_s.labels(*series)
        duration_s.observe(time.monotonic() - seen.environ[CAME_S])
        return response


class BalancerCollector(Collector):
    """How the balancer answers; it is asked when scraped, as the gateway keeps no sessions. The last known number of
    them if it is silent."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._last = 0

    def collect(self) -> Iterable[Metric]:
        status = self._balancer.status()
        reachable = status is not None
        self._last = status.active_sessions if status is not None else self._last
        yield GaugeMetricFamily("active_sessions", "Sessions of the whole grid that have not ended.", self._last)
        yield GaugeMetricFamily("balancer_reachable", "Whether the balancer answers.", float(reachable))
        yield GaugeMetricFamily(
            "gateway_breaker_open",
            "Whether the circuit breaker fails calls at once, as the balancer has left several in a row unanswered.",
            float(self._balancer.breaker_is_open),
        )
        sendings = CounterMetricFamily(
            "gateway_second_sendings", "Unanswered calls, by whether they were sent again.", labels=["result"]
        )
        for result, count in self._balancer.second_sendings.items():
            sendings.add_metric([result], count)
        yield sendings
