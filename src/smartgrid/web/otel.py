"""Spans by OpenTelemetry, sent by OTLP over HTTP: off, and not even imported, unless an endpoint is set.

The endpoint, sampling and the rest are OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, ...). A span's trace id is the request id in logs and answers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from smartgrid.http_server.turns import is_long_poll
from smartgrid.protocol import tracing
from smartgrid.runtime.start_error import StartError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SILENT_PATHS = ("/health", "/ready", "/metrics", "/status", "/console", "/docs")  # asked by machines, or held for long


def wanted() -> bool:
    """Whether the environment names somewhere to send spans to."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(os.environ.get(name) for name in ENDPOINTS)


def install(app: Flask, service: str) -> None:
    """Make a span of each request that `app` handles, if wanted. The trace must have begun before.

    Raises StartError where the libraries are not installed.
    """
    if not wanted():
        return
    try:
        provider = _provider(service)
    except ImportError as error:
        raise StartError(f"{ENDPOINTS[0]} is set, which needs the extra: pip install 'smartgrid[tracing]'") from error
    spans = _Spans(provider)
    app.before_request(spans.begin)
    app.after_request(spans.answered)
    app.teardown_request(spans.end)


class _Spans:
    """A span from the first hook of a request to the last."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("smartgrid")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self) -> None:
        from opentelemetry.trace import SpanKind

        if request.path.startswith(SILENT_PATHS) or is_long_poll(request.query_string):
            return
        route = request.url_rule.rule if request.url_rule else "none"
        span = self._tracer.start_span(
            f"{request.method} {route}",
            context=self._propagator.extract({name.lower(): value for name, value in request.headers}),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": request.method, "http.route": route},
        )
        g.span = span
        context = span.get_span_context()
        tracing.within_span(f"{context.span_id:016x}", sampled=context.trace_flags.sampled)

    def answered(self, response: Response) -> Response:
        span: Span | None = g.get("span")
        if span is not None:
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                from opentelemetry.trace import StatusCode

                span.set_status(StatusCode.ERROR)
        return response

    def end(self, _error: BaseException | None) -> None:
        span: Span | None = g.pop("span", None)
        if span is not None:
            span.end()


def _provider(service: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class RequestIds(RandomIdGenerator):
        """A trace that begins here has the id that the request already has."""

        def generate_trace_id(self) -> int:
            request_id = tracing.current()
            return int(request_id, 16) if request_id else super().generate_trace_id()

    named = os.environ.get("OTEL_SERVICE_NAME") or f"smartgrid-{service}"
    provider = TracerProvider(resource=Resource.create({"service.name": named}), id_generator=RequestIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
