"""A request that is too late is refused before anything is done, also where it waited in the server's own queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.turns import Kind
from smartgrid.protocol.deadlines import ANSWER_WAY_S
from smartgrid.protocol.headers import DEADLINE
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import deadlines
from smartgrid.web.app import create_app
from support.http import Reply, call
from support.processes import wait_until

LONGEST_S = 60.0
ONE_AT_ONCE = dict.fromkeys(Kind, 1)


@dataclass
class Service:
    """Has one place for starts. What is done is noted; `POST /held` has the place until it is let go."""

    done: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def app(self) -> Flask:
        app = create_app("service", Lifecycle(), CollectorRegistry())
        deadlines.install(app)

        @app.route("/<what>", methods=["GET", "POST", "DELETE"])
        def do(what: str) -> str:
            self.done.append(what)
            if what == "held":
                self.go.wait(LONGEST_S)
            return f"{deadlines.work_end_s() - time.monotonic()}"

        return app

    def call(self, method: str, what: str, left_ms: object = None) -> Reply:
        sent = {} if left_ms is None else {DEADLINE: str(left_ms)}
        url = f"http://127.0.0.1:{self.port}/{what}"
        return call(method, url, headers=sent, body=b"" if method == "POST" else None, timeout_s=LONGEST_S)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    server = HttpServer(service.app(), "127.0.0.1", 0, ONE_AT_ONCE)
    service.port = server.port
    server.start()
    try:
        yield service
    finally:
        service.go.set()
        server.stop()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_is_late_as_it_comes_is_not_done(service: Service, method: str) -> None:
    reply = service.call(method, "late", left_ms=0)

    assert (reply.status, reply.json()["code"], reply.headers["Retry-After"]) == (503, "deadline-exceeded", "1")
    assert service.done == []


def test_a_late_stop_is_done(service: Service) -> None:
    assert service.call("DELETE", "stop", left_ms=0).status == 200


def test_what_becomes_late_while_it_waits_for_its_turn_is_not_done(service: Service) -> None:
    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(service.call, "POST", "held")
        wait_until(lambda: service.done == ["held"], LONGEST_S, "the place is taken")
        waiting = threads.submit(service.call, "POST", "late", 100)
        time.sleep(0.3)  # longer than it has, however slow the machine is
        service.go.set()

        assert waiting.result().json()["code"] == "deadline-exceeded"
        assert held.result().status == 200
    assert service.done == ["held"]


def test_work_ends_a_moment_before_its_answer_would_be_given_up(service: Service) -> None:
    assert float(service.call("POST", "work", left_ms=30_000).body) < 30 - ANSWER_WAY_S


@pytest.mark.parametrize("left_ms", ["never", "-1", "60001", "1.5"])
def test_a_time_that_cannot_be_is_no_limit(service: Service, left_ms: str) -> None:
    assert service.call("POST", "work", left_ms).body == b"inf"
