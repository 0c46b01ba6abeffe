"""One client's connection: what has come of a request, what has not gone yet of an answer, and until when it may take.

Nothing here blocks. A connection belongs to one thread at a time, or to none while it waits for the client.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from smartgrid.http_server.request import RefusedError, Request, RequestParser
from smartgrid.http_server.tls import TlsSocket
from smartgrid.http_server.wsgi import base_environ, problem

if TYPE_CHECKING:
    from smartgrid.http_server.stream import Stream

HEAD_TIMEOUT_S = 5.0
"""From the beginning of a connection, or from a request's first byte, to the end of its headers."""
BODY_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 60.0
"""Twice as long as our own client keeps a connection, so that it never finds one that was closed just then."""
WRITE_TIMEOUT_S = 30.0
LINGER_S = 2.0
"""For a client that still sends: to close at once would take the answer from it."""
RECEIVE_BYTES = 16 * 1024
MAX_LINGER_BYTES = 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class EndedError(Exception):
    """The client has closed the connection, or it broke."""


class Connection:
    """`end_s` is until when the client may take for what it is at, on the monotonic clock."""

    __slots__ = (
        "_continued",
        "_lingered_bytes",
        "_parser",
        "_socket",
        "closes",
        "end_s",
        "environ",
        "fd",
        "stream",
        "unsent",
    )

    def __init__(self, accepted: socket.socket | TlsSocket, client: str, server: tuple[str, int], now_s: float) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket, self.fd = accepted, accepted.fileno()
        self.environ: dict[str, Any] = base_environ(server, client)
        self.end_s = now_s + HEAD_TIMEOUT_S
        self.unsent: bytes | memoryview = b""
        self.closes = False
        """Whether the answer that is being sent is the last."""
        self.stream: Stream | None = None
        """Whose it is, where its answer goes on."""
        self._parser: RequestParser | None = None
        self._lingered_bytes = -1
        self._continued = False

    @property
    def held_bytes(self) -> int:
        """Memory that waits for the client."""
        return len(self.unsent) + (self._parser.bytes if self._parser is not None else 0)

    def receive(self, now_s: float) -> Request | None:
        """A request, if it is whole by now. Raises EndedError, or RefusedError."""
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EndedError from error
        if not data:
            raise EndedError
        if self._lingered_bytes >= 0:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > MAX_LINGER_BYTES:
                raise EndedError
            return None
        parser = self._parser
        if parser is None:
            parser = self._parser = RequestParser()
            self.end_s, self._continued = now_s + HEAD_TIMEOUT_S, False
        was_in_head = parser.in_head
        parser.feed(data)
        if parser.complete:
            self._parser = None
            request = parser.request()
            request.came_s = now_s
            return request
        if was_in_head and not parser.in_head:
            self.end_s = now_s + BODY_TIMEOUT_S
        if parser.wants_continue and not self._continued:
            self._continued = True
            self._send_continue()
        return None

    def _send_continue(self) -> None:
        self.unsent = CONTINUE
        if not self.flush():
            raise EndedError

    def send(self, data: bytes, now_s: float) -> bool:
        """Send what goes at once; whether that is all. Raises EndedError."""
        self.unsent, self.end_s = data, now_s + WRITE_TIMEOUT_S
        return self.flush()

    def flush(self) -> bool:
        """Send more of what has not gone yet; whether that is all. Raises EndedError."""
        try:
            sent = self._socket.send(self.unsent)
        except BlockingIOError:
            return False
        except OSError as error:
            raise EndedError from error
        if sent < len(self.unsent):
            self.unsent = memoryview(self.unsent)[sent:]
            return False
        self.unsent = b""
        return True

    def await_request(self, now_s: float) -> None:
        """The answer has gone; another request may come."""
        self.end_s = now_s + IDLE_TIMEOUT_S

    def linger(self, now_s: float) -> None:
        """Nothing more is sent or understood, until the client closes."""
        self._end_parser()
        self._lingered_bytes, self.end_s = 0, now_s + LINGER_S
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise EndedError from error

    def expire(self) -> None:
        """The client has taken too long, or must make room: say so where a request has begun, and end."""
        parser = self._parser
        try:
            if parser is not None and not self.unsent and self._lingered_bytes < 0:
                late = RefusedError(408, "request-timeout", "The request did not come whole in time.")
                self._socket.send(problem(late))
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself

    def discard(self) -> None:
        """Take in what has come, so that closing is an end to the client and not a failure."""
        with suppress(OSError):
            for _ in range(MAX_LINGER_BYTES // RECEIVE_BYTES):
                if not self._socket.recv(RECEIVE_BYTES):
                    return

    def is_gone(self) -> bool:
        """Whether the client has closed the connection."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._end_parser()
        self._socket.close()

    def _end_parser(self) -> None:
        if self._parser is not None:
            self._parser.end()
            self._parser = None
