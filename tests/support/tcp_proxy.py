"""TCP connections between real processes, that fail as a test or a fault injector says.

A `Link` is the way to one server, with what is wrong on it; all connections over it share that. A `Listener` takes
connections at a port of its own and sends each over one of its links: over the only one as a cable does, or over one
of several as a Kubernetes Service does. `TcpProxy` is both, for tests that need one.

Two threads serve a connection, one for each direction, and each asks before every chunk whether the link lets it pass.
So a fault also strikes connections that are open already, in the middle of a request. What a network does to a
connection is one of these:

    OPEN   all passes
    SLOW   each chunk comes late
    HELD   nothing passes, and all of it does once the link is mended: TCP sends again what was lost. So a request
           arrives long after its sender has given it up
    LOST   what is sent meanwhile is never heard of, and connections that lost something are closed once it is mended
    DEAF   the same for answers alone: requests arrive
    CUT    connections are closed at once, new ones too

Besides, the answers of the next so many requests can be cut: `cuts`. And a link can cut, as load balancers of clouds
do, each connection over which nothing has come for a while: `idle_limit_s`.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType

from support.ports import free_port

CHUNK = 65536
CONNECT_TIMEOUT_S = 5.0
JOIN_TIMEOUT_S = 10.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with an RST, as a host does that knows nothing of the connection


class Fault(Enum):
    OPEN = auto()
    SLOW = auto()
    HELD = auto()
    LOST = auto()
    DEAF = auto()
    CUT = auto()


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    doomed: bool = False  # its next answer is cut
    has_lost: bool = False
    moved_s: float = field(default_factory=time.monotonic)  # when the last bytes came, either way

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass(eq=False)
class Link:
    """The way to a port of this machine.

    While `cuts` is above 0, a request that contains `trigger` is passed on, and both connections are closed as soon as
    its answer begins to arrive: done, and not heard of. Each such cut lowers `cuts` by one and raises `cut`.
    """

    target_port: int
    trigger: bytes = b"POST /charge"
    cuts: int = 0
    cut: int = 0
    idle_limit_s: float | None = None
    idle_cuts: int = 0
    asked: int = 0  # chunks of requests that were passed on
    usable: bool = True  # whether a listener with several links may choose this one
    _fault: Fault = Fault.OPEN
    _delay_s: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _open: set[_Connection] = field(default_factory=set)

    def fail(self, fault: Fault, delay_s: float = 0.0) -> None:
        """From now on this is wrong with it; `delay_s` is how late each chunk is on a slow one."""
        with self._changed:
            mended = self._fault in (Fault.LOST, Fault.DEAF)
            self._fault, self._delay_s = fault, delay_s
            closed = [each for each in self._open if fault is Fault.CUT or (mended and each.has_lost)]
            self._changed.notify_all()
        for each in closed:
            each.close()

    def mend(self) -> None:
        self.cuts = 0
        self.fail(Fault.OPEN)

    def serve(self, client: socket.socket) -> bool:
        """Pass a connection on; False if nothing listens at the target, and the connection is as it was."""
        if self._fault is Fault.CUT:
            _reset(client)
            return True
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port), timeout=CONNECT_TIMEOUT_S)
        except OSError:
            return False
        for end in (client, server):
            end.settimeout(self.idle_limit_s)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(client, server)
        with self._changed:
            self._open.add(connection)
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        return True

    def close(self) -> None:
        """End all its connections."""
        with self._changed:
            still_open = list(self._open)
            self._fault = Fault.CUT
            self._changed.notify_all()
        for each in still_open:
            each.close()

    def _serve(self, connection: _Connection) -> None:
        back = threading.Thread(target=self._pump_back, args=(connection,), daemon=True)
        back.start()
        with suppress(OSError):
            while chunk := self._receive(connection, connection.client):
                self.asked += 1
                if self.trigger in chunk and self._takes_a_cut():
                    connection.doomed = True
                if self._passes(connection, is_answer=False):
                    connection.server.sendall(chunk)
        self._passes(connection, is_answer=False)  # that the client has left is news that takes the same way
        if not connection.doomed:
            connection.close()
        back.join()
        with self._changed:
            self._open.discard(connection)
        connection.client.close()
        connection.server.close()

    def _pump_back(self, connection: _Connection) -> None:
        with suppress(OSError):
            while chunk := self._receive(connection, connection.server):
                if connection.doomed:
                    break
                if self._passes(connection, is_answer=True):
                    connection.client.sendall(chunk)
        self._passes(connection, is_answer=True)
        connection.close()

    def _receive(self, connection: _Connection, end: socket.socket) -> bytes:
        """What comes next from one end; nothing where the other has closed, or nothing has come for too long."""
        while True:
            try:
                chunk = end.recv(CHUNK)
            except TimeoutError:
                assert self.idle_limit_s is not None
                if time.monotonic() - connection.moved_s < self.idle_limit_s:
                    continue  # the other way there was something
                with self._changed:
                    self.idle_cuts += 1
                return b""
            connection.moved_s = time.monotonic()
            return chunk

    def _passes(self, connection: _Connection, *, is_answer: bool) -> bool:
        """Wait as long as the link holds or delays a chunk; whether it arrives then."""
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not Fault.HELD)
            fault, delay_s = self._fault, self._delay_s
            if fault is Fault.LOST or (fault is Fault.DEAF and is_answer):
                connection.has_lost = True
                return False
        if fault is Fault.SLOW:
            time.sleep(delay_s)
        return fault is not Fault.CUT

    def _takes_a_cut(self) -> bool:
        with self._changed:
            taken = self.cuts > 0
            self.cuts -= taken
            self.cut += taken
            return taken


class Listener:
    """Takes connections at a port of its own and sends each over one of its usable links, drawn at random.

    Where nothing listens at a link's end, another is tried; where nothing does at any, the connection is reset.
    """

    def __init__(self, links: Sequence[Link], seed: object = None) -> None:
        self._links, self._rng = list(links), random.Random(str(seed))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        """Take connections, from now on or again."""
        if self._socket is None:
            self._socket = socket.create_server(("127.0.0.1", self.port))
            self._thread = threading.Thread(target=self._accept, args=(self._socket,), daemon=True)
            self._thread.start()

    def refuse(self) -> None:
        """Refuse new connections, as a machine does on which nothing listens. Open ones stay."""
        if self._socket is not None and self._thread is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._thread.join(JOIN_TIMEOUT_S)
            self._socket = self._thread = None

    def __enter__(self) -> Listener:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        for link in self._links:
            link.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        usable = [link for link in self._links if link.usable]
        if not any(link.serve(client) for link in self._rng.sample(usable, len(usable))):
            _reset(client)


class TcpProxy(Link):
    """One link with a listener of its own."""

    def __init__(self, target_port: int, trigger: bytes = b"POST /charge") -> None:
        super().__init__(target_port, trigger)
        self._listener = Listener([self])

    @property
    def url(self) -> str:
        return self._listener.url

    def refuse(self) -> None:
        """Refuse new connections until `listen`."""
        self._listener.refuse()

    def listen(self) -> None:
        self._listener.listen()

    def __enter__(self) -> TcpProxy:
        self._listener.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.refuse()
        self.close()


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
