"""A keep-alive HTTP client for the hot path: `http.client` behind a small pool.

`requests` costs six times the CPU a call here (design.md, Measured choices).
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

MIN_WAIT_S = 0.01  # a socket with a timeout of 0 does not wait at all


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSentError(Exception):
    """The request never reached the server: it is safe to send it elsewhere."""


class OutcomeUnknownError(Exception):
    """The request was sent and no answer came: the server may or may not have done it."""


class HttpClient:
    """Requests to one server, over kept connections.

    A kept connection that turns out to be closed is replaced once, as most often the server closed it while it was
    idle. But it may also have died with the request half done, so this is only for requests that are safe to repeat
    just as they are; the others pass `resend=False`. Connections older than `max_age_s` are not reused, so that a
    Service in front of several servers spreads them anew.
    """

    def __init__(
        self, url: str, *, connect_timeout_s: float = 1.0, max_idle: int = 64, max_age_s: float = 30.0
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self._factory = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._connect_timeout_s, self._max_age_s = connect_timeout_s, max_age_s
        self._idle: deque[tuple[HTTPConnection, float]] = deque(maxlen=max_idle)
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        resend: bool = True,
    ) -> Answer:
        """Send, and wait until `timeout_s` from now for the answer to begin.

        Raises NotSentError or OutcomeUnknownError.
        """
        end_s = time.monotonic() + timeout_s
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(*kept, method, path, end_s, body, headers)
            except TimeoutError as error:
                raise OutcomeUnknownError(f"no answer from {self.url} within {timeout_s:g} s") from error
            except (HTTPException, OSError) as error:
                if not resend:
                    raise OutcomeUnknownError(f"{self.url} closed the connection") from error
                return self._again(method, path, end_s, body, headers)
        return self._fresh(method, path, end_s, body, headers)

    def close(self) -> None:
        """Close the idle connections."""
        while (kept := self._take()) is not None:
            kept[0].close()

    def _again(
        self, method: str, path: str, end_s: float, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Answer:
        """After a kept connection broke: mostly the server had closed it, but it may have done the request."""
        try:
            return self._fresh(method, path, end_s, body, headers)
        except NotSentError as error:
            raise OutcomeUnknownError(str(error)) from error

    def _fresh(
        self, method: str, path: str, end_s: float, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Answer:
        connection = self._connect(min(_left_s(end_s), self._connect_timeout_s))
        try:
            return self._exchange(connection, time.monotonic(), method, path, end_s, body, headers)
        except (HTTPException, OSError) as error:
            raise OutcomeUnknownError(f"{self.url} gave no answer: {error or type(error).__name__}") from error

    def _connect(self, timeout_s: float) -> HTTPConnection:
        connection = self._factory(self._host, self._port, timeout=timeout_s)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that cannot be a name
            connection.close()
            raise NotSentError(f"{self.url} cannot be reached: {error}") from error
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _exchange(
        self,
        connection: HTTPConnection,
        born_s: float,
        method: str,
        path: str,
        end_s: float,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        try:
            connection.sock.settimeout(_left_s(end_s))
            connection.request(method, self._prefix + path, body, dict(headers or {}))
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())  # type: ignore[arg-type]
        except BaseException:
            connection.close()
            raise
        self._give_back(connection, born_s, response)
        return answer

    def _give_back(self, connection: HTTPConnection, born_s: float, response: http.client.HTTPResponse) -> None:
        with self._lock:
            is_kept = not response.will_close and len(self._idle) < (self._idle.maxlen or 0)
            if is_kept:
                self._idle.append((connection, born_s))
            stale = self._idle.popleft() if self._idle and self._idle[0][1] < self._oldest_s() else None
        if not is_kept:
            connection.close()
        if stale is not None:  # a burst opened more than are needed now: without this they would stay for ever
            stale[0].close()

    def _take(self) -> tuple[HTTPConnection, float] | None:
        oldest_s = self._oldest_s()
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None or kept[1] >= oldest_s:
                return kept
            kept[0].close()

    def _oldest_s(self) -> float:
        return time.monotonic() - self._max_age_s


def _left_s(end_s: float) -> float:
    return max(MIN_WAIT_S, end_s - time.monotonic())
