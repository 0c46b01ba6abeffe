"""One HTTP/1.1 connection: requests go out as bytes, answers come back whole, parsed by llhttp (httptools).

`http.client` costs three times the CPU a call here: most of it goes into reading the headers as those of an e-mail.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult

import httptools

MIN_WAIT_S = 0.01  # a socket with a timeout of 0 does not wait at all
CHUNK_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}


class Headers(Mapping[str, str]):
    """An answer's headers; names in any case."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, name: bytes, value: bytes) -> None:
        self._values[name.decode("latin-1").lower()] = value.decode("latin-1")

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(Exception):
    """The connection ended within an answer, or what came was none."""


class Connection:
    """Raises OSError from each method; TimeoutError, which is one, when `end_s` on the monotonic clock has passed."""

    def __init__(self, target: SplitResult, timeout_s: float) -> None:
        host, port = target.hostname or "", target.port or DEFAULT_PORTS[target.scheme]
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme == "https":
            self._socket = _tls().wrap_socket(self._socket, server_hostname=host)
        self.opened_s = time.monotonic()

    def exchange(self, request: bytes, end_s: float) -> tuple[Answer, bool]:
        """Send and wait for the answer; also whether the connection can be used again.

        Raises BrokenAnswerError too.
        """
        self._socket.settimeout(left_s(end_s))
        self._socket.sendall(request)
        answer = _Incoming()
        while not answer.complete:
            self._socket.settimeout(left_s(end_s))
            answer.feed(self._socket.recv(CHUNK_BYTES))
            if time.monotonic() > end_s + MIN_WAIT_S:
                raise TimeoutError("the answer comes too slowly")
        return Answer(answer.status, answer.headers, b"".join(answer.body)), answer.keep_alive

    def close(self) -> None:
        self._socket.close()


class _Incoming:
    """An answer as it comes in; the parser calls the methods whose names begin with `on_`."""

    def __init__(self) -> None:
        self.headers, self.body = Headers(), list[bytes]()
        self.complete = self.keep_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none means the end of the connection. Raises BrokenAnswerError."""
        self._size += len(data)
        if not data:
            raise BrokenAnswerError("the connection was closed before the end of the answer")
        if self._size > MAX_ANSWER_BYTES:
            raise BrokenAnswerError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BrokenAnswerError(f"no HTTP answer: {error}") from error

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.add(name, value)

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        self.complete, self.keep_alive = True, self._parser.should_keep_alive()


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads all the certificate authorities: once is enough


def left_s(end_s: float) -> float:
    """Seconds until `end_s`, and a little where it has passed."""
    return max(MIN_WAIT_S, end_s - time.monotonic())
