"""A server on a real socket that answers each connection as a script says: well, badly, late or not at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[socket.socket], None]
LONGEST_S = 30.0


class RoughServer:
    """Treats its first connection by the first script, and so on; `requests` is what came in, in order."""

    def __init__(self, scripts: Iterable[Script]) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LONGEST_S)
        self._current: socket.socket | None = None
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def then(self, scripts: Iterable[Script]) -> None:
        """More scripts, for the connections after those; before the server is started."""
        self._scripts += scripts

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _run(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # the test is over
            connection.settimeout(LONGEST_S)
            with connection, suppress(OSError):
                self._serve(connection, script)

    def _serve(self, connection: socket.socket, script: Script) -> None:
        self._current = connection
        script(connection)

    def read(self, connection: socket.socket) -> None:
        """Take in one request."""
        head = b""
        while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
            head += part
        if head:
            self.requests.append(head)

    def __enter__(self) -> RoughServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for open_socket in (self._listener, self._current):
            if open_socket is not None:
                with suppress(OSError):  # this, unlike a close, ends the wait in the other thread
                    open_socket.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONGEST_S)


def ok(body: bytes = b"{}", *headers: bytes) -> bytes:
    """An answer as it should be."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


Answering = Callable[[RoughServer, socket.socket], None]


@contextmanager
def server(*ways: Answering) -> Iterator[RoughServer]:
    """A server that answers its connections in these ways, one after the other."""
    rough = RoughServer([])
    rough._scripts = [lambda connection, way=way: way(rough, connection) for way in ways]
    with rough:
        yield rough


def answers(*bodies: bytes) -> Answering:
    """One good answer a body, on one connection."""
    return says_each(*[ok(body) for body in bodies])


def says_each(*raws: bytes) -> Answering:
    """These very bytes, one after the other, each for one request on the same connection."""

    def way(rough: RoughServer, connection: socket.socket) -> None:
        for raw in raws:
            rough.read(connection)
            connection.sendall(raw)

    return way


def says(raw: bytes) -> Answering:
    """These very bytes, and the end of the connection."""
    return says_each(raw)


def says_nothing(rough: RoughServer, connection: socket.socket) -> None:
    rough.read(connection)
    connection.recv(1)  # until the client has had enough
