"""Prometheus metrics: a registry a service, and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Flask, Response
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from smartgrid.web import access

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


class Registry(CollectorRegistry):
    """Also serves text that a service renders itself, where the library's 8 µs a series are too slow."""

    def __init__(self) -> None:
        super().__init__()
        self._renderers: list[Callable[[], str]] = []

    def add_text(self, render: Callable[[], str]) -> None:
        """Append what `render` returns, in the text exposition format, to every page."""
        self._renderers.append(render)

    def page(self) -> bytes:
        """All metrics in the text exposition format."""
        return generate_latest(self) + "".join(render() for render in self._renderers).encode()


def family(name: str, kind: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> str:
    """One metric as text, a series for each pair of label and value. Labels must need no escape, as names don't."""
    series = "".join([f'{name}{{{label}="{each}"}} {value}\n' for each, value in values])
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n{series}"


def registry() -> Registry:
    """A registry with the process's own metrics."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here reads
    made = Registry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def install(app: Flask, source: CollectorRegistry | Registry) -> None:
    """Serve `source` as `GET /metrics` of `app`."""

    @app.get("/metrics")
    @access.needs()
    def metrics() -> Response:
        page = source.page() if isinstance(source, Registry) else generate_latest(source)
        return Response(page, content_type=CONTENT_TYPE_PLAIN_0_0_4)
