"""Answers that go on: a client is told more while it stays, and neither it nor who does not read holds a thread."""

from __future__ import annotations

import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from smartgrid.http_server import connection, server
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.stream import MAX_UNSENT_BYTES, Stream
from smartgrid.http_server.tls import ServerTls
from smartgrid.http_server.turns import Kind
from smartgrid.http_server.wsgi import STREAM
from support import certificates
from support.certificates import Certificate
from support.processes import wait_until

LONGEST_S = 60.0
MOST = {Kind.START: 1, Kind.STOP: 1, Kind.READ: 1, Kind.POLL: 1, Kind.PROBE: 1}
ASKED = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A server whose answers begin with "first" and go on."""

    def __init__(self, certificate: Certificate | None) -> None:
        self.streams: list[Stream] = []
        tls = None if certificate is None else ServerTls(certificate.cert, certificate.key)
        self.server = HttpServer(self.app, "127.0.0.1", 0, MOST, tls)
        self._client = None if certificate is None else ssl.create_default_context(cafile=certificate.cert)

    def app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/events":
            environ[STREAM] = self.streams.append
        start("200 OK", [("Content-Type", "text/event-stream"), ("Content-Length", "5")])
        return [b"first"]

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.server.port), LONGEST_S)
        made.settimeout(LONGEST_S)
        return made if self._client is None else self._client.wrap_socket(made, server_hostname="localhost")

    def opened(self, made: socket.socket) -> Stream:
        """What comes of a request on this connection."""
        known = len(self.streams)
        made.sendall(ASKED)
        assert received(made, b"first").startswith(b"HTTP/1.1 200 OK")
        wait_until(lambda: len(self.streams) > known, LONGEST_S)
        return self.streams[-1]


@pytest.fixture(params=["plain", "tls"])
def certificate(request: pytest.FixtureRequest, tmp_path: Path) -> Certificate | None:
    return certificates.make(tmp_path) if request.param == "tls" else None


@contextmanager
def serving(certificate: Certificate | None) -> Iterator[Served]:
    served = Served(certificate)
    served.server.start()
    try:
        yield served
    finally:
        served.server.stop()


@pytest.fixture
def served(certificate: Certificate | None) -> Iterator[Served]:
    with serving(certificate) as made:
        yield made


def received(made: socket.socket, end: bytes) -> bytes:
    """What comes up to these bytes."""
    found = b""
    while not found.endswith(end):
        part = made.recv(65_536)
        assert part, f"ended after {found!r}"
        found += part
    return found


def test_it_has_no_length_and_says_that_it_ends_with_the_connection(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(ASKED)
        head = received(made, b"first").lower()
    assert b"content-length" not in head
    assert b"connection: close\r\n" in head


def test_what_is_sent_later_comes_at_once_and_the_end_is_an_end(served: Served) -> None:
    with closing(served.connect()) as made:
        stream = served.opened(made)
        assert stream.send(b"second")
        assert received(made, b"second") == b"second"
        assert stream.send(b"last")
        stream.end()
        assert received(made, b"last") == b"last"
        assert made.recv(1) == b""


def test_the_answer_to_head_does_not_go_on(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(b"HEAD /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert received(made, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
        assert made.recv(1) == b""
    assert served.streams == []


def test_many_streams_hold_no_thread(served: Served) -> None:
    before = threading.active_count()
    with ExitStack() as open_ones:
        readers, streams = [], []
        for _ in range(200):  # one after the other: a connection that says nothing for long is given up
            readers.append(open_ones.enter_context(closing(served.connect())))
            streams.append(served.opened(readers[-1]))
        assert threading.active_count() < before + 10
        for stream in streams:
            assert stream.send(b"news")
        for each in readers:
            assert received(each, b"news") == b"news"


def test_a_client_that_goes_ends_its_stream(served: Served) -> None:
    with closing(served.connect()) as made:
        stream = served.opened(made)
        assert not stream.is_over
    wait_until(lambda: stream.is_over, LONGEST_S)
    assert not stream.send(b"nobody reads this")
    wait_until(lambda: not served.server._open, LONGEST_S, "its connection is closed")


def test_what_a_client_does_not_take_at_once_comes_in_the_end_and_in_order(served: Served) -> None:
    with closing(served.connect()) as made:
        stream, sent = served.opened(made), bytearray()
        while not stream._connection.unsent:
            piece = f"{len(sent)};".encode() * 1000
            assert stream.send(piece)
            sent += piece
        assert stream.send(b"appended")
        stream.end()
        found = bytearray()
        while part := made.recv(1_000_000):
            found += part
        assert found == sent + b"appended", "not as it was sent"


def test_who_takes_nothing_is_cut_when_too_much_is_kept_for_it(served: Served) -> None:
    with closing(served.connect()) as made:
        stream = served.opened(made)
        most = 64 * 1024 * 1024 // MAX_UNSENT_BYTES  # more than the kernel would ever keep
        assert any(not stream.send(b"x" * (MAX_UNSENT_BYTES // 2)) for _ in range(most))
        wait_until(lambda: not served.server._open, LONGEST_S)


def test_who_takes_nothing_for_too_long_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server, "LOOK_S", 0.05)
    with closing(served.connect()) as made:
        stream = served.opened(made)
        while not stream._connection.unsent:
            assert stream.send(b"x" * 10_000)
        wait_until(lambda: stream.is_over, LONGEST_S)


def test_a_quiet_stream_is_not_an_idle_connection(served: Served) -> None:
    with closing(served.connect()) as made:
        stream = served.opened(made)
        assert stream.send(b"news")
        assert received(made, b"news") == b"news"
        assert stream._connection.end_s == math.inf


def test_a_stop_of_the_server_ends_streams_at_once(certificate: Certificate | None) -> None:
    with ExitStack() as open_ones:
        with serving(certificate) as served:
            readers = [open_ones.enter_context(closing(served.connect())) for _ in range(3)]
            streams = [served.opened(each) for each in readers]
            while not streams[0]._connection.unsent:  # one that does not read
                assert streams[0].send(b"x" * 10_000)
        assert [stream.is_over for stream in streams] == [True] * 3
        assert readers[1].recv(1) == b""


def test_to_send_while_the_client_goes_does_no_harm(served: Served) -> None:
    """Clients come and go while others send to them: what is closed is not written to, nor is anyone else cut."""
    done = threading.Event()

    def tell() -> None:
        while not done.is_set():
            for stream in list(served.streams[-20:]):
                stream.send(b"x" * 1000)

    tellers = [threading.Thread(target=tell) for _ in range(2)]
    for each in tellers:
        each.start()
    try:
        for _ in range(100):
            with closing(served.connect()) as made:
                made.sendall(ASKED)
                assert made.recv(1)
    finally:
        done.set()
        for each in tellers:
            each.join(LONGEST_S)
    wait_until(lambda: not served.server._open, LONGEST_S)
    with closing(served.connect()) as made:
        assert served.opened(made).send(b"well")
        assert received(made, b"well") == b"well"
