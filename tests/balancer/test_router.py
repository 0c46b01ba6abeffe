"""What the router makes of each answer, and that every attempt ends its reservation."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.grid import Grid
from smartgrid.balancer.lookup import Lookup
from smartgrid.balancer.router import FaultyError, NoPlaceError, Router
from smartgrid.balancer.state import State
from smartgrid.balancer.telemetry import Telemetry
from smartgrid.balancer.voids import Voids
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header

POWER = PowerRange(4, 11)
STATUS = status_header.encode("one", Status(100, 0, 0, 0, 0, 1, None, 100), None)
SESSION = b'{"session_id": "abc", "substation": "one"}'


@dataclass
class Answer:
    """What the server at the other end says to every POST; nothing at all where `status` is 0."""

    status: int
    body: bytes = b"{}"
    with_status: bool = True


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if not answer.status:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Location", "http://127.0.0.1:1/")
            if answer.with_status:
                self.send_header(status_header.NAME, STATUS)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join(10)


@dataclass
class Parts:
    grid: Grid
    router: Router
    state: State

    def place(self) -> str:
        return self.router.place(b"{}", POWER, "key", first_attempt=True).substation

    def assert_nothing_reserved(self) -> None:
        [seen] = self.grid.seen()
        assert (seen.view.reserved_min_kw, seen.view.reserved_max_kw) == (0, 0)


@contextmanager
def balancer_in_front_of(url: str, folder: Path) -> Iterator[Parts]:
    rng = random.Random(1)
    grid, state = Grid(Fleet(make_policy("least-loaded", rng), rng)), State(folder)
    grid.join(Member("one", url))
    entry = grid.entry("one")
    assert entry is not None
    grid.saw(entry, STATUS)
    voids = Voids(grid, state)
    telemetry = Telemetry(grid, 5, on_answer=voids.answers_again, observe_s=lambda _: None)
    router = Router(grid, Lookup(grid, telemetry, voids), voids, attempt_timeout_s=10, request_timeout_s=30)
    try:
        yield Parts(grid, router, state)
    finally:
        telemetry.stop()
        state.close()
        entry.client.close()


def test_admitted(tmp_path: Path) -> None:
    with server(Answer(201, SESSION)) as url, balancer_in_front_of(url, tmp_path) as parts:
        assert parts.place() == "one"
        parts.assert_nothing_reserved()
        assert parts.state.void_count() == 0


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_request_that_no_one_will_take_goes_no_further(tmp_path: Path, status: int) -> None:
    with server(Answer(status)) as url, balancer_in_front_of(url, tmp_path) as parts:
        with pytest.raises(FaultyError) as raised:
            parts.place()
        assert raised.value.answer.status == status
        parts.assert_nothing_reserved()
        assert parts.state.void_count() == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_no_that_carries_a_status_is_certain(tmp_path: Path, status: int) -> None:
    with server(Answer(status)) as url, balancer_in_front_of(url, tmp_path) as parts:
        with pytest.raises(NoPlaceError):
            parts.place()
        parts.assert_nothing_reserved()
        assert parts.state.void_count() == 0


@pytest.mark.parametrize(
    "answer",
    [Answer(503, with_status=False), Answer(500), Answer(502, with_status=False), Answer(302), Answer(404), Answer(0)],
    ids=["503 of a proxy", "500", "502", "302", "404", "none"],
)
def test_all_else_may_have_started_a_session(tmp_path: Path, answer: Answer) -> None:
    with server(answer) as url, balancer_in_front_of(url, tmp_path) as parts:
        with pytest.raises(NoPlaceError):
            parts.place()
        parts.assert_nothing_reserved()
        [(key, before)] = parts.state.voids("one")
        assert key == "key"
        assert before > 0


def test_a_disk_that_takes_no_note_stops_the_search_and_leaves_no_reservation(tmp_path: Path) -> None:
    with server(Answer(0)) as url, balancer_in_front_of(url, tmp_path) as parts:
        parts.state.close()
        with pytest.raises(sqlite3.Error):
            parts.place()
        parts.assert_nothing_reserved()


def test_one_that_cannot_be_reached_has_no_session(tmp_path: Path) -> None:
    with balancer_in_front_of("http://127.0.0.1:1", tmp_path) as parts:
        with pytest.raises(NoPlaceError):
            parts.place()
        parts.assert_nothing_reserved()
        assert parts.state.void_count() == 0
        assert parts.grid.out_of_rotation() == 1
