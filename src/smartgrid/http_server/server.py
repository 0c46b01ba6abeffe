"""An HTTP/1.1 server for a WSGI application: a thread for each request under way, none for those yet to come whole.

A server that gives a thread to each connection, or reads bodies where the application runs, belongs to whoever opens 64
connections and sends nothing. Here all connections are in one epoll, and all threads wait on it. A thread that gets one
takes what has come, without waiting. If that makes a request whole, the same thread has the application answer
it, sends the answer and goes back to wait; there is no other thread to hand it to, which under Python's lock would
cost more than the rest. If not, the connection goes back into the epoll, and the thread is free.

    epoll ──▶ receive ──▶ whole? ──no──▶ epoll, until its time is up
                            │yes
                       whose turn? ──never──▶ 503 overloaded, at once
                            │now    └─later─▶ waits; whoever leaves a place takes it along
                       application ──▶ send ──▶ epoll

What no one waits for any more is not begun: a server that was frozen, or had a queue, finds requests whose clients
have long asked elsewhere, and would admit their cars a second time. `turns.py` says whose turn it is. More threads
exist than can be under way, so one is always left to receive, to refuse, and to answer probes. Threads begin when the
last that waits has got something to do, and end when idle.

Everything that waits for a client is bounded: connections (the one that has waited longest makes room), the time for
headers, body, silence and the taking of an answer, and the memory that all of it holds (`connection.py`). A thread of
its own looks twice a second for what has run out of time.

An answer may go on after its thread has left it (`stream.py`), for as long as the client stays.

Why not Granian, or another: Granian has no time limit for bodies, reads them in the application's thread and queues
without bound; its asynchronous interface in front of the same threads costs 250 µs of CPU a request where this
costs 130 and its WSGI interface 128; waitress and gunicorn answer half and a third of the requests.
"""

from __future__ import annotations

import logging
import os
import resource
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from smartgrid.http_server.connection import Connection, EndedError
from smartgrid.http_server.request import RefusedError, Request
from smartgrid.http_server.stream import Stream
from smartgrid.http_server.tls import ServerTls
from smartgrid.http_server.turns import Kind, Turn, Turns, kind_of
from smartgrid.http_server.wsgi import WsgiApp, answer, problem

BACKLOG = 1024
MAX_CONNECTIONS = 8192
RESERVED_FILES = 256
"""Of the files that the process may open: for disks, clients and the like."""
MAX_HELD_BYTES = 32 * 1024 * 1024
SPARE_THREADS = 2
THREAD_IDLE_S = 30.0
LOOK_S = 0.5
STOP_LOOK_S = 0.02
STOP_GRACE_S = 0.1
"""For requests that were on their way when the server stopped to listen."""
IN = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
OUT = select.EPOLLOUT | select.EPOLLONESHOT
GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
OVERLOADED = RefusedError(503, "overloaded", "Too many requests are under way; nothing was done. Try again.")
RETRY_AFTER = (("Retry-After", "1"),)

log = logging.getLogger(__name__)
Job = tuple[Connection, Request, Kind]


class HttpServer:
    """Serves `app` at `host` and `port`, with so many requests of each kind at once. Raises OSError if it cannot."""

    def __init__(self, app: WsgiApp, host: str, port: int, most: dict[Kind, int], tls: ServerTls | None = None) -> None:
        self._app, self._tls = app, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._listener_fd = self._listener.fileno()
        self._address: tuple[str, int] = self._listener.getsockname()[:2]
        self._epoll = select.epoll()
        self._epoll.register(self._listener_fd, 0)
        self._max_connections = min(MAX_CONNECTIONS, _files() - RESERVED_FILES)
        self._accept_lock = threading.Lock()  # who has accepted a connection, but not yet noted it, has it
        self._lock = threading.Lock()  # of all below but what one step of the interpreter does
        self._open: set[Connection] = set()
        self._waiting: dict[int, Connection] = {}  # for the client, by file; who has waited longest is first
        self._held: dict[Connection, int] = {}
        self._held_bytes = 0
        self._turns: Turns[Job] = Turns(most)
        self._max_threads = sum(most.values()) + SPARE_THREADS
        self._threads = self._busy = 0
        self._stopping = self._stopped = False
        self.refused: Counter[Kind] = Counter()
        """Requests that were answered 503 `overloaded`."""

    @property
    def port(self) -> int:
        return self._address[1]

    def metrics(self) -> str:
        """What it has to do, in Prometheus' text format."""
        under_way, waiting = self._turns.under_way(), self._turns.waiting()
        refused = {kind: self.refused[kind] for kind in under_way}
        return (
            _family("http_requests_under_way", "gauge", "Requests that are being answered.", under_way)
            + _family("http_requests_waiting", "gauge", "Requests that wait for a thread.", waiting)
            + _family("http_requests_refused_total", "counter", "Requests answered 503 overloaded.", refused)
        )

    def start(self) -> None:
        """Begin to accept. Threads are daemons: only `stop` waits for what is under way."""
        for _ in range(SPARE_THREADS):
            self._begin_thread()
        threading.Thread(target=self._look, name="http-clock", daemon=True).start()
        self._epoll.modify(self._listener_fd, IN)

    def stop(self) -> None:
        """Accept no more, answer what has come and what is under way, and return when all of it is done."""
        self._stopping = True
        self._accept(BACKLOG)
        with suppress(OSError):
            self._epoll.unregister(self._listener_fd)
        with self._accept_lock:
            self._listener.close()
        time.sleep(STOP_GRACE_S)
        while self._open:
            for connection in list(self._waiting.values()):
                if connection.stream is not None or not connection.unsent:  # idle, or its request does not come
                    self._expire(connection)
            time.sleep(STOP_LOOK_S)
        self._stopped = True
        self._epoll.register(os.eventfd(1), select.EPOLLIN)  # always readable: every thread wakes up, and ends

    # ------------------------------------------------------------------ threads

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"http-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more: those that there are go on
            log.warning("cannot begin a thread", extra={"error": str(error)})
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            ready = self._epoll.poll(THREAD_IDLE_S, 1)
            if self._stopped or (not ready and self._may_end()):
                return
            for fd, events in ready:
                try:
                    self._treat(fd, events)
                except Exception:
                    log.exception("unexpected error in the server")

    def _may_end(self) -> bool:
        with self._lock:
            may = self._threads - self._busy > SPARE_THREADS
            self._threads -= may
            return may

    def _treat(self, fd: int, events: int) -> None:
        if fd == self._listener_fd:
            if self._accept():
                with suppress(OSError):  # it has stopped to listen
                    self._epoll.modify(fd, IN)
            return
        connection = self._waiting.pop(fd, None)
        if connection is None:
            return
        if events & GONE:  # also with a whole request before it: no one waits for that any more
            if connection.stream is None:
                connection.discard()
            self._close(connection)
            return
        try:
            self._go_on(connection)
        except EndedError:
            self._close(connection)
        except BaseException:
            self._close(connection)
            raise

    # ------------------------------------------------------------------ connections

    def _accept(self, most: int = 64) -> bool:
        """Accept who has come; whether more can be accepted."""
        with self._accept_lock:
            return self._accept_in_turn(most)

    def _accept_in_turn(self, most: int) -> bool:
        for _ in range(most):
            try:
                accepted, address = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if not self._stopping:
                    log.warning("cannot accept a connection", extra={"error": str(error)})
                    self._make_room()
                return False  # the clock tries again
            if len(self._open) >= self._max_connections:
                self._make_room()
            try:
                connection = self._begun(accepted, address[0])
            except OSError:  # its client has gone meanwhile
                accepted.close()
                continue
            self._open.add(connection)
            self._waiting[connection.fd] = connection
            self._epoll.register(connection.fd, IN)
        return True

    def _begun(self, accepted: socket.socket, client: str) -> Connection:
        if self._tls is None:
            return Connection(accepted, client, self._address, time.monotonic())
        connection = Connection(self._tls.wrap(accepted), client, self._address, time.monotonic())
        connection.environ["wsgi.url_scheme"] = "https"
        return connection

    def _make_room(self) -> None:
        for connection in list(self._waiting.values())[:1]:
            self._expire(connection)

    def _expire(self, connection: Connection) -> None:
        """End a connection that waits for its client, unless a thread has just got it."""
        if connection.stream is not None:
            connection.stream.cut()
            return
        if self._waiting.get(connection.fd) is connection:
            self._waiting.pop(connection.fd, None)
            connection.expire()
            self._waiting[connection.fd] = connection
            with suppress(OSError):  # the client has ended it just now, and a thread has closed it already
                self._epoll.modify(connection.fd, IN)  # whoever gets it finds it ended, and closes it

    def _wait_for(self, connection: Connection, event: int) -> None:
        """The client's turn. From here on the connection belongs to whoever gets the event."""
        if connection in self._held or connection.held_bytes:
            self._hold(connection, connection.held_bytes)
        self._waiting[connection.fd] = connection
        self._epoll.modify(connection.fd, event)

    def _hold(self, connection: Connection, size: int) -> None:
        with self._lock:
            self._held_bytes += size - self._held.pop(connection, 0)
            if size:
                self._held[connection] = size
        if size and self._held_bytes > MAX_HELD_BYTES:
            raise EndedError

    def _close(self, connection: Connection) -> None:
        if connection in self._held:
            self._hold(connection, 0)
        self._open.discard(connection)
        if connection.stream is None:
            connection.close()
        else:
            connection.stream.close(lambda: self._forget(connection))

    def _forget(self, connection: Connection) -> None:
        """Close a stream's connection: who sent to it meanwhile has had it wait for its client."""
        if self._waiting.get(connection.fd) is connection:
            del self._waiting[connection.fd]
        connection.discard()
        connection.close()

    # ------------------------------------------------------------------ requests

    def _go_on(self, connection: Connection) -> None:
        if connection.stream is not None:
            connection.stream.go_on()
            return
        now_s = time.monotonic()
        if connection.unsent:
            if connection.flush():
                self._sent(connection, now_s)
            else:
                self._wait_for(connection, OUT)
            return
        try:
            request = connection.receive(now_s)
        except RefusedError as refused:
            self._refuse(connection, refused, now_s)
            return
        if request is None:
            self._wait_for(connection, IN)
        else:
            self._take_turn(connection, request, now_s)

    def _take_turn(self, connection: Connection, request: Request, now_s: float) -> None:
        kind = kind_of(request.method, request.path, request.query)
        with self._lock:
            place = self._turns.place_for(kind)
            request.may_wait = place is Kind.POLL
            job = (connection, request, place)
            turn = self._turns.begin(place, job, now_s)
            if turn is Turn.NOW:
                self._busy += 1
                if self._busy >= self._threads and self._threads < self._max_threads:
                    self._begin_thread()
        if turn is Turn.NEVER:
            self._shed(job)
        elif turn is Turn.NOW:
            self._answer(job)

    def _answer(self, job: Job | None) -> None:
        """Answer a request, and then those that waited for its place."""
        waited = False
        while job is not None:
            connection, request, place = job
            try:
                if waited and connection.is_gone():
                    raise EndedError
                keep_alive = request.keep_alive and not self._stopping
                data, opened = answer(self._app, connection.environ, request, keep_alive=keep_alive)
                if opened is None:
                    self._send(connection, data, keep_alive)
                else:
                    self._open_stream(connection, data, opened)
            except EndedError:
                self._close(connection)
            except Exception:
                log.exception("unexpected error in the server")
                self._close(connection)
            with self._lock:
                job, waited = self._turns.end(place), True
                self._busy -= job is None

    def _shed(self, job: Job) -> None:
        connection, request, place = job
        with self._lock:
            self.refused[place] += 1
        keep_alive = request.keep_alive and not self._stopping
        try:
            self._send(connection, problem(OVERLOADED, keep_alive=keep_alive, headers=RETRY_AFTER), keep_alive)
        except EndedError:
            self._close(connection)

    def _refuse(self, connection: Connection, refused: RefusedError, now_s: float) -> None:
        connection.send(problem(refused), now_s)
        connection.linger(now_s)
        self._wait_for(connection, IN)

    def _send(self, connection: Connection, data: bytes, keep_alive: bool) -> None:
        now_s = time.monotonic()
        connection.closes = not keep_alive
        if connection.send(data, now_s):
            self._sent(connection, now_s)
        else:
            self._wait_for(connection, OUT)

    def _open_stream(self, connection: Connection, data: bytes, opened: Callable[[Stream], None]) -> None:
        connection.stream = stream = Stream(connection, self._wait_for)
        stream.begin(data)
        opened(stream)

    def _sent(self, connection: Connection, now_s: float) -> None:
        if connection.closes:
            raise EndedError
        connection.await_request(now_s)
        self._wait_for(connection, IN)

    # ------------------------------------------------------------------ time

    def _look(self) -> None:
        """End what has run out of time, again and again, whatever happens."""
        while not self._stopped:
            time.sleep(LOOK_S)
            try:
                self._look_once(time.monotonic())
            except Exception:
                log.exception("unexpected error in the server's clock")

    def _look_once(self, now_s: float) -> None:
        if self._tls is not None:
            self._tls.look()
        with self._lock:
            late = self._turns.expired(now_s)
        for job in late:
            self._shed(job)
        for connection in list(self._waiting.values()):
            if connection.end_s <= now_s:
                self._expire(connection)
        if not self._stopping:
            with suppress(OSError):
                self._epoll.modify(self._listener_fd, IN)


def _files() -> int:
    """How many files the process may open, having asked for as many as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def _family(name: str, kind: str, meaning: str, values: Mapping[Kind, int]) -> str:
    series = "".join([f'{name}{{kind="{each.value}"}} {value}\n' for each, value in values.items()])
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n{series}"
