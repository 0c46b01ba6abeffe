"""The server over real sockets: whoever does not send, read or leave takes nothing from the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from smartgrid.http_server import connection, server
from smartgrid.http_server.request import MAX_BODY_BYTES
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.turns import Kind
from support.http import Reply, call
from support.processes import wait_until

LONGEST_S = 60.0
MOST = {Kind.START: 2, Kind.STOP: 1, Kind.READ: 1, Kind.POLL: 2, Kind.PROBE: 2}
HEAD = b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Start = Callable[..., Any]


class App:
    """Answers with what it got. `POST /held` and `GET /held` wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.held = threading.Semaphore(0)
        self.requests: list[tuple[str, str]] = []

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        if path == "/held":
            self.held.release()
            self.go.wait(LONGEST_S)
        if path == "/fault":
            raise RuntimeError("a fault in the application")
        body = b"x" * int(environ["QUERY_STRING"]) if path == "/large" else environ["wsgi.input"].read() or b"well"
        start("200 OK", [("Content-Type", "text/plain")])
        return [body]


class Served:
    """A server with its application."""

    def __init__(self, most: dict[Kind, int]) -> None:
        self.app = App()
        self.server = HttpServer(self.app, "127.0.0.1", 0, most)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self._stopped = False

    def call(self, method: str, path: str, **options: Any) -> Reply:
        return call(method, self.url + path, timeout_s=LONGEST_S, **options)

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.server.port), LONGEST_S)
        made.settimeout(LONGEST_S)
        return made

    def raw(self, data: bytes) -> bytes:
        """What comes back until the server closes."""
        with closing(self.connect()) as made:
            made.sendall(data)
            return read_all(made)

    @contextmanager
    def hold(self, number: int, method: str = "POST", query: str = "") -> Iterator[ThreadPoolExecutor]:
        """So many requests are under way while this lasts."""
        with ThreadPoolExecutor(number) as threads:
            calls = [threads.submit(self.call, method, "/held" + query) for _ in range(number)]
            for _ in range(number):
                assert self.app.held.acquire(timeout=LONGEST_S)
            yield threads
            self.app.go.set()
            assert [each.result(LONGEST_S).status for each in calls] == [200] * number

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.app.go.set()
            self.server.stop()


@contextmanager
def serving(most: dict[Kind, int] = MOST) -> Iterator[Served]:
    served = Served(most)
    served.server.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that are over soon."""
    for name in ("HEAD_TIMEOUT_S", "BODY_TIMEOUT_S", "IDLE_TIMEOUT_S", "WRITE_TIMEOUT_S", "LINGER_S"):
        monkeypatch.setattr(connection, name, 0.2)
    monkeypatch.setattr(server, "LOOK_S", 0.05)


def read_all(made: socket.socket) -> bytes:
    found = b""
    while part := made.recv(65_536):
        found += part
    return found


def read_one(made: socket.socket) -> bytes:
    """One answer with a length."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += made.recv(65_536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += made.recv(65_536)
    return body


# ------------------------------------------------------------------ what it speaks


def test_connections_are_kept(served: Served) -> None:
    with closing(served.connect()) as made:
        for _ in range(3):
            made.sendall(GET)
            assert read_one(made) == b"well"


def test_a_body_comes_to_the_application_however_it_is_sent(served: Served) -> None:
    assert served.call("POST", "/", body=b"abc").body == b"abc"
    assert served.call("POST", "/", body=iter([b"a", b"bc"])).body == b"abc"
    assert served.call("POST", "/", body=b"x" * MAX_BODY_BYTES).body == b"x" * MAX_BODY_BYTES


def test_a_body_may_come_byte_by_byte(served: Served) -> None:
    with closing(served.connect()) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            made.sendall(bytes([byte]))
        assert read_one(made) == b"abc"


def test_who_waits_to_be_told_to_go_on_is_told(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert made.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        made.sendall(b"abc")
        assert read_one(made) == b"abc"


def test_the_answer_to_head_has_no_body(served: Served) -> None:
    found = served.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 4\r\n" in found
    assert found.endswith(b"\r\n\r\n")


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    found = served.raw(b"GET / HTTP/1.0\r\n\r\n")
    assert b"Connection: close\r\n" in found
    assert found.endswith(b"\r\n\r\nwell")


def test_several_requests_at_once_get_one_answer_and_the_end_of_the_connection(served: Served) -> None:
    assert served.raw(GET * 3).count(b"HTTP/1.1 200") == 1
    assert served.app.requests == [("GET", "/")]


def test_headers_with_an_underscore_are_not_taken_for_others(served: Served) -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start: Start) -> list[bytes]:
        seen.append(environ)
        start("204 No Content", [])
        return []

    served.server._app = app
    served.raw(b"GET /a%20b?c=%20 HTTP/1.0\r\nX-Thing: good\r\nX_Thing: evil\r\nx-thing: too\r\n\r\n")
    assert seen[0]["HTTP_X_THING"] == "good,too"
    assert (seen[0]["PATH_INFO"], seen[0]["QUERY_STRING"]) == ("/a b", "c=%20")


def test_a_fault_of_the_application_is_a_problem_and_the_connection_stays(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(b"GET /fault HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"code": "internal-error"' in read_one(made)
        made.sendall(GET)
        assert read_one(made) == b"well"


def test_what_is_not_a_request_is_told_so_and_closed(served: Served) -> None:
    found = served.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "bad-request"' in found
    assert b"Connection: close" in found


def test_a_body_that_is_too_large_is_told_so_although_it_is_still_being_sent(served: Served) -> None:
    reply = served.call("POST", "/", body=b"x" * 10 * MAX_BODY_BYTES)
    assert (reply.status, reply.json()["code"]) == (413, "body-too-large")


# ------------------------------------------------------------------ who keeps no one out


def test_requests_that_do_not_come_hold_no_thread(served: Served) -> None:
    """64 of them stopped everything, `/health` too."""
    with ExitStack() as stalled:
        for _ in range(200):
            made = stalled.enter_context(closing(served.connect()))
            made.sendall(HEAD + b"{")
        assert served.call("GET", "/health").body == b"well"
        assert served.call("POST", "/charge", body=b"abc").body == b"abc"
        assert threading.active_count() < 50


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", HEAD + b"{", GET[:1]])
def test_a_request_that_does_not_come_is_given_up(begun: bytes) -> None:
    with serving() as served:
        found = served.raw(begun)
        assert found.startswith(b"HTTP/1.1 408") if begun else found == b""


@pytest.mark.usefixtures("hasty")
def test_a_head_that_trickles_is_given_up_at_the_same_time() -> None:
    with serving() as served, closing(served.connect()) as made:
        made.sendall(b"GET / HTTP/1.1\r\n")
        pause, ended = threading.Event(), False
        while not ended:
            pause.wait(0.05)
            try:
                made.sendall(b"A: b\r\n")
            except OSError:
                ended = True


@pytest.mark.usefixtures("hasty")
def test_one_that_is_closed_just_as_its_time_is_up_does_not_end_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread has got the end of the connection before the clock asks for it."""
    expired = threading.Semaphore(0)

    def closed_meanwhile(ended: connection.Connection) -> None:
        ended.close()
        expired.release()

    with serving() as served:
        with monkeypatch.context() as patched, closing(served.connect()):
            patched.setattr(connection.Connection, "expire", closed_meanwhile)
            assert expired.acquire(timeout=LONGEST_S)
        with closing(served.connect()) as silent:
            assert read_all(silent) == b""
        served.server._open.clear()  # what was closed behind its back


@pytest.mark.usefixtures("hasty")
def test_a_kept_connection_that_is_idle_is_closed_in_the_end() -> None:
    with serving() as served, closing(served.connect()) as made:
        made.sendall(GET)
        assert read_one(made) == b"well"
        assert made.recv(1) == b""


def test_who_does_not_take_the_answer_loses_the_connection_and_holds_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server, "LOOK_S", 0.05)
    with serving() as served, ExitStack() as lazy:
        for _ in range(5):
            made = lazy.enter_context(closing(served.connect()))
            made.sendall(b"GET /large?20000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: served.call("GET", "/").body == b"well", LONGEST_S, "there is a thread for others")
        wait_until(lambda: not served.server._held, LONGEST_S, "what waited for them is let go")


def test_a_large_answer_comes_whole_to_who_takes_it_slowly(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(b"GET /large?20000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(read_one(made)) == 20_000_000
        made.sendall(GET)
        assert read_one(made) == b"well"


def test_memory_that_waits_for_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_HELD_BYTES", 1_000_000)
    with serving() as served, ExitStack() as stalled:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
        for _ in range(40):
            made = stalled.enter_context(closing(served.connect()))
            made.sendall(head + b"x" * 59_999)
        assert served.call("GET", "/").body == b"well"
        assert served.server._held_bytes <= 1_000_000


def test_whoever_waited_longest_makes_room_for_who_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 20)
    with serving() as served, ExitStack() as silent:
        crowd = [silent.enter_context(closing(served.connect())) for _ in range(60)]
        for _ in range(10):
            assert served.call("GET", "/").body == b"well"
        assert crowd[0].recv(1) == b""


# ------------------------------------------------------------------ whose turn it is


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("DELETE", "/charge/x"), ("GET", "/"), ("GET", "/?wait_s=9")]
)
def test_probes_stops_and_reads_do_not_wait_for_starts(served: Served, method: str, path: str) -> None:
    with served.hold(2):  # all the places that starts have
        assert served.call(method, path).status == 200


def test_long_polls_take_no_one_elses_thread(served: Served) -> None:
    with served.hold(2, "GET", "?wait_s=60"):
        assert served.call("POST", "/charge", body=b"abc").body == b"abc"
        assert served.call("GET", "/health").body == b"well"


def test_a_start_waits_for_a_place(served: Served) -> None:
    with served.hold(2), ThreadPoolExecutor(1) as threads:
        third = threads.submit(served.call, "POST", "/charge", body=b"abc")
        wait_until(lambda: served.server._turns.waiting()[Kind.START] == 1, LONGEST_S)
        assert ("POST", "/charge") not in served.app.requests
        served.app.go.set()
        assert third.result(LONGEST_S).body == b"abc"


def test_who_would_wait_too_long_is_told_to_come_again(served: Served) -> None:
    with served.hold(2):
        late = served.call("POST", "/charge", body=b"abc")
    assert (late.status, late.json()["code"], late.headers["Retry-After"]) == (503, "overloaded", "1")
    assert ("POST", "/charge") not in served.app.requests
    assert served.server.refused[Kind.START] == 1


def test_beyond_the_queue_the_no_comes_at_once(served: Served) -> None:
    """Each from a spare thread: thousands of them while the starts hang, and the connections are kept."""
    served.server._turns._max_waiting = 0
    with served.hold(2), closing(served.connect()) as made:
        for _ in range(1000):
            made.sendall(b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert b'"code": "overloaded"' in read_one(made)
    assert 'http_requests_refused_total{kind="start"} 1000\n' in served.server.metrics()


def test_what_there_is_to_do_is_in_the_metrics(served: Served) -> None:
    with served.hold(2):
        assert 'http_requests_under_way{kind="start"} 2\n' in served.server.metrics()


# ------------------------------------------------------------------ who has gone


def test_what_no_one_waits_for_any_more_is_not_begun() -> None:
    """As after a process was frozen: the kernel took connections and requests, and their clients have given up."""
    served = Served(MOST)
    for _ in range(5):
        with closing(served.connect()) as made:
            made.sendall(b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    served.server.start()
    assert served.call("GET", "/").body == b"well"
    served.stop()
    assert served.app.requests == [("GET", "/")]


def test_who_stops_in_the_midst_of_a_request_finds_an_end_and_no_failure(served: Served) -> None:
    with closing(served.connect()) as made:
        made.sendall(HEAD + b"{")
        made.shutdown(socket.SHUT_WR)
        assert made.recv(65_536) == b""


def test_nor_is_what_has_waited_for_a_place(served: Served) -> None:
    with served.hold(2):
        with closing(served.connect()) as made:
            made.sendall(b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            wait_until(lambda: served.server._turns.waiting()[Kind.START] == 1, LONGEST_S)
        still_there = served.connect()
        still_there.sendall(b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: served.server._turns.waiting()[Kind.START] == 2, LONGEST_S)
        served.app.go.set()
        assert read_one(still_there) == b"well"
        still_there.close()
    assert ("POST", "/charge") not in served.app.requests


# ------------------------------------------------------------------ the end


def test_what_is_under_way_is_answered_at_the_end(served: Served) -> None:
    with ThreadPoolExecutor(2) as threads:
        under_way = threads.submit(served.call, "POST", "/held")
        assert served.app.held.acquire(timeout=LONGEST_S)
        idle = served.connect()
        stopping = threads.submit(served.server.stop)
        assert read_all(idle) == b""  # closed at once
        assert not stopping.done()
        served.app.go.set()
        assert under_way.result(LONGEST_S).body == b"well"
        stopping.result(LONGEST_S)
        served._stopped = True
        idle.close()
    with pytest.raises(OSError):
        served.connect()


def test_a_connection_that_is_accepted_as_the_server_stops_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread had it, and the server did not know of it yet."""
    accepted, go_on = threading.Event(), threading.Event()

    class Slow(connection.Connection):
        def __init__(self, *args: Any) -> None:
            accepted.set()
            go_on.wait(LONGEST_S)
            super().__init__(*args)

    monkeypatch.setattr(server, "Connection", Slow)
    with serving() as served, closing(served.connect()) as made, ThreadPoolExecutor(1) as threads:
        assert accepted.wait(LONGEST_S)
        stopping = threads.submit(served.stop)
        threading.Timer(5 * server.STOP_GRACE_S, go_on.set).start()
        assert read_all(made) == b""
        stopping.result(LONGEST_S)


def test_threads_end_with_the_server() -> None:
    def ours() -> int:
        return sum(thread.name.startswith("http-") for thread in threading.enumerate())

    before = ours()
    with serving() as served, served.hold(2):
        assert ours() > before
    wait_until(lambda: ours() <= before, LONGEST_S, "its threads have ended")


def test_it_takes_few_threads_where_little_is_under_way(served: Served) -> None:
    for _ in range(50):
        served.call("GET", "/")
    assert served.server._threads <= 3
