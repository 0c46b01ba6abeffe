"""A keep-alive HTTP client for the hot path: a small pool of connections to one server."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from smartgrid.http_client.connection import Answer, BrokenAnswerError, Connection, left_s

_LINE_ENDS = str.maketrans("", "", "\r\n")


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
        self.url, self._target = url, urlsplit(url)
        self._connect_timeout_s, self._max_age_s, self._max_idle = connect_timeout_s, max_age_s, max_idle
        self._idle: deque[Connection] = deque()
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
        """Send, and wait until `timeout_s` from now for the answer.

        Raises NotSentError or OutcomeUnknownError.
        """
        end_s = time.monotonic() + timeout_s
        request = self._bytes(method, path, body, headers or {})
        kept = self._take()
        if kept is None:
            return self._fresh(request, end_s)
        try:
            return self._exchange(kept, request, end_s)
        except TimeoutError as error:
            raise OutcomeUnknownError(f"no answer from {self.url} within {timeout_s:g} s") from error
        except (BrokenAnswerError, OSError) as error:
            if not resend:
                raise OutcomeUnknownError(f"{self.url} closed the connection") from error
        return self._again(request, end_s)

    def close(self) -> None:
        """Close the idle connections."""
        while (kept := self._take()) is not None:
            kept.close()

    def _again(self, request: bytes, end_s: float) -> Answer:
        """After a kept connection broke: mostly the server had closed it, but it may have done the request."""
        try:
            return self._fresh(request, end_s)
        except NotSentError as error:
            raise OutcomeUnknownError(str(error)) from error

    def _fresh(self, request: bytes, end_s: float) -> Answer:
        try:
            connection = Connection(self._target, min(left_s(end_s), self._connect_timeout_s))
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that cannot be a name
            raise NotSentError(f"{self.url} cannot be reached: {error}") from error
        try:
            return self._exchange(connection, request, end_s)
        except (BrokenAnswerError, OSError) as error:
            raise OutcomeUnknownError(f"{self.url} gave no answer: {error or type(error).__name__}") from error

    def _exchange(self, connection: Connection, request: bytes, end_s: float) -> Answer:
        try:
            answer, keep = connection.exchange(request, end_s)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection, keep=keep)
        return answer

    def _give_back(self, connection: Connection, *, keep: bool) -> None:
        with self._lock:
            kept = keep and len(self._idle) < self._max_idle
            if kept:
                self._idle.append(connection)
            stale = self._idle.popleft() if self._idle and self._idle[0].opened_s < self._oldest_s() else None
        if not kept:
            connection.close()
        if stale is not None:  # a burst opened more than are needed now: without this they would stay for ever
            stale.close()

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None or kept.opened_s >= self._oldest_s():
                return kept
            kept.close()

    def _oldest_s(self) -> float:
        return time.monotonic() - self._max_age_s

    def _bytes(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self._target.path.rstrip('/')}{path} HTTP/1.1", f"Host: {self._target.netloc}"]
        lines += [f"{name}: {value.translate(_LINE_ENDS)}" for name, value in headers.items()]
        if body is not None or method == "POST":
            lines.append(f"Content-Length: {len(body or b'')}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
