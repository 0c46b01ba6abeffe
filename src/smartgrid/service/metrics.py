"""Prometheus metrics: a registry a service, and its page."""

from __future__ import annotations

from flask import Flask, Response
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


def registry() -> CollectorRegistry:
    """A registry with the process's own metrics."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here reads
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def install(app: Flask, source: CollectorRegistry) -> None:
    """Serve `source` as `GET /metrics` of `app`."""

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(source), content_type=CONTENT_TYPE_PLAIN_0_0_4)
