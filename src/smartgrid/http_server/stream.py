"""An answer that goes on: what a client is told over minutes, such as server-sent events, and no thread waits for it.

A view puts whom to tell into its environment, `environ[wsgi.STREAM] = opened`, and answers as always. The server sends
that answer without a length, says that the connection ends with it, and calls `opened(stream)`. From then on any thread
may send more. Nothing here waits: what the client does not take at once is kept, and goes when epoll says that it can.
A client that takes nothing for `connection.WRITE_TIMEOUT_S`, or for which more than `MAX_UNSENT_BYTES` are kept, is
cut; so is everyone when the server stops. Under another server the same view gives an answer that ends.

A stream's connection stays in the epoll at all times: for the end of its client, and while something is unsent for
when it can go. So there are two who may be at it at once, who sends and who has an event of it, and a lock is between
them. Whoever finds it broken shuts the socket down only; the event of that has it closed, by the server, in one place.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections.abc import Callable

from smartgrid.http_server.connection import Connection, EndedError

MAX_UNSENT_BYTES = 64 * 1024
CLIENT_ENDS = select.EPOLLRDHUP | select.EPOLLONESHOT
GOES_ON = select.EPOLLOUT | CLIENT_ENDS


class Stream:
    """The rest of one answer. Thread-safe."""

    def __init__(self, connection: Connection, wait_for: Callable[[Connection, int], None]) -> None:
        """`wait_for` has the server wait for events of the connection."""
        self._connection, self._wait_for = connection, wait_for
        self._lock = threading.Lock()
        self._is_over = self._ends = False

    @property
    def is_over(self) -> bool:
        """Whether the client has gone, or was cut, or told all: nothing more can be sent."""
        return self._is_over

    def begin(self, head: bytes) -> None:
        """Send the head and what there is of the body; the connection is this stream's from here on."""
        with self._lock:
            self._connection.end_s = math.inf
            self._wait_for(self._connection, CLIENT_ENDS)
            self._send(head)

    def send(self, data: bytes) -> bool:
        """Send more, or keep it until it can go; whether the client is still there, as far as is known."""
        with self._lock:
            if not self._is_over:
                self._send(data)
            return not self._is_over

    def end(self) -> None:
        """Nothing more comes: the connection is closed when all has gone."""
        with self._lock:
            self._ends = True
            if not self._connection.unsent:
                self._cut()

    def cut(self) -> None:
        """End it at once, whatever has not gone yet."""
        with self._lock:
            self._cut()

    def go_on(self) -> None:
        """The server: the client takes more. Raises EndedError."""
        with self._lock:
            if self._is_over:
                raise EndedError
            if not self._connection.flush():
                self._wait_for(self._connection, GOES_ON)
                return
            self._connection.end_s = math.inf
            self._wait_for(self._connection, CLIENT_ENDS)
            if self._ends:
                self._cut()

    def close(self, close: Callable[[], None]) -> None:
        """The server: have `close` close the connection, with nobody else at it."""
        with self._lock:
            self._is_over = True
            close()

    def _send(self, data: bytes) -> None:
        connection = self._connection
        try:
            if connection.unsent:
                connection.unsent = bytes(connection.unsent) + data
            elif connection.send(data, time.monotonic()):
                connection.end_s = math.inf
            else:
                self._wait_for(connection, GOES_ON)
        except EndedError:
            self._cut()
        if len(connection.unsent) > MAX_UNSENT_BYTES:
            self._cut()

    def _cut(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._connection.expire()
