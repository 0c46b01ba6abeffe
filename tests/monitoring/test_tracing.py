"""Spans reach an OTLP collector, with the request id as their trace id; without an endpoint nothing is loaded."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.processes import Process, wait_until

CAR = {"vehicle_id": "EV-1", "energy_kwh": 5}


class Collector(ThreadingHTTPServer):
    """Takes what an OTLP exporter sends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self, trace_id: str) -> dict[str, Span]:
        """The trace's spans by service."""
        found = {}
        for request in list(self.requests):
            for resource in request.resource_spans:
                names = {a.key: a.value.string_value for a in resource.resource.attributes}
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        if span.trace_id.hex() == trace_id:
                            found[names["service.name"]] = span
        return found


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Silent."""


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, Process]]:
    """A collector, and a balancer that with its one substation sends spans there."""
    folder = tmp_path_factory.mktemp("traced")
    with collecting() as collector:
        substation = Process("substation", folder / "substation", name="substation-0", capacity_kw=100)
        balancer = Process("balancer", folder / "balancer", substations=substation.url)
        with contextlib.ExitStack() as stack:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
                patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
                stack.enter_context(substation)
                stack.enter_context(balancer)
            yield collector, balancer


def test_one_request_is_one_trace_through_the_services(traced: tuple[Collector, Process]) -> None:
    collector, balancer = traced

    reply = balancer.call("POST", "/charge", json=CAR)
    spans = both_spans(collector, reply.headers["X-Request-ID"])

    outer, inner = spans["smartgrid-balancer"], spans["smartgrid-substation"]
    assert inner.parent_span_id == outer.span_id
    assert outer.parent_span_id == b""
    assert (outer.name, inner.name) == ("POST /charge", "POST /charge")
    sent = " ".join(str(request) for request in collector.requests)
    assert CAR["vehicle_id"] not in sent
    assert "/ready" not in sent


def test_a_span_joins_the_callers_trace_and_a_refusal_is_marked_as_an_error(traced: tuple[Collector, Process]) -> None:
    collector, balancer = traced
    trace_id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    too_much = {**CAR, "max_power_kw": 400, "min_power_kw": 400}

    reply = balancer.call("POST", "/charge", json=too_much, headers={"traceparent": f"00-{trace_id}-{parent}-01"})
    wait_until(lambda: bool(collector.spans(trace_id)), what="the balancer has sent its span")

    span = collector.spans(trace_id)["smartgrid-balancer"]
    assert reply.status == 503
    assert reply.headers["X-Request-ID"] == trace_id
    assert span.parent_span_id.hex() == parent
    assert span.status.code == Status.STATUS_CODE_ERROR


def test_without_an_endpoint_opentelemetry_is_not_even_imported() -> None:
    code = "import sys, smartgrid.gateway.main, smartgrid.web.otel as o; assert not o.wanted(); " + (
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )

    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=env)


def both_spans(collector: Collector, trace_id: str) -> dict[str, Span]:
    wait_until(lambda: len(collector.spans(trace_id)) == 2, what="both services have sent their span")
    return collector.spans(trace_id)
