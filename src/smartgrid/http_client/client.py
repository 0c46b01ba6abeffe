"""A keep-alive HTTP client for the hot path: a small pool of connections to one server.

It exists for one distinction that other clients do not make, and on which one key's one session stands: whether the
server has *surely not* got a request (NotSentError: send it elsewhere) or *may have* done it (OutcomeUnknownError: only
the same key may ask again). A request ends in an answer or in one of the two, by its deadline; names are resolved, TLS
shakes hands and slow drips drip within it.

Why not urllib3: it costs 180 µs of CPU a call more (`make bench-http-client`), twice a charge, a fifth of what a charge
may cost in all; it gives out `103 Early Hints` as the answer; and its time limits are for each read, so an answer that
drips is waited for without end. http.client has the same two faults.

Connections are kept, and a kept one is used again only if nothing has come on it meanwhile: neither its end nor bytes
that no request asked for. HTTP/1.1 does not number answers, so a byte too many would hand each car the answer of
the one before. What arrives after that look cannot be told from the answer by anyone. For the same reason a connection
is only kept after an answer that ended exactly where it should (`answer.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from smartgrid.http_client.addresses import Addresses
from smartgrid.http_client.answer import MAX_ANSWER_BYTES, Answer, BrokenAnswerError
from smartgrid.http_client.connection import ClosedError, Connection, Tls, connect
from smartgrid.protocol import deadlines
from smartgrid.protocol.headers import DEADLINE

DEFAULT_PORTS = {"http": 80, "https": 443}
_DEADLINE_LINE = f"\r\n{DEADLINE}: ".encode() + b"%s"


def origin_and_path(url: str) -> tuple[str, str]:
    """Of a URL: what a client is made for, and what it is then asked for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class NotSentError(Exception):
    """The request never reached the server: it is safe to send it elsewhere."""


class OutcomeUnknownError(Exception):
    """The request was sent and no answer came: the server may or may not have done it."""


class HttpClient:
    """Requests to one server, over kept connections. Thread-safe.

    A kept connection that turns out to be closed is replaced once, as most often the server closed it just as the
    request was on its way. But it may also have died with the request half done, so this is only for requests that are
    safe to repeat just as they are; the others pass `resend=False` and are never sent twice. Connections older than
    `max_age_s` are not reused, so that a Service in front of several servers spreads them anew.
    """

    def __init__(
        self,
        url: str,
        *,
        host: str = "",
        ca_file: Path | None = None,
        extra_headers: Callable[[], Mapping[str, str]] = dict,
        connect_timeout_s: float = 1.0,
        max_idle: int = 64,
        max_age_s: float = 30.0,
        tells_deadline: bool = False,
    ) -> None:
        """`host` is what requests name as their host, if not the URL's; the connection is made to the URL's all the
        same. `extra_headers` gives what each request carries besides, such as a token. With `tells_deadline` each says
        how long its answer is waited for (`protocol.deadlines`).

        Raises ValueError for what is not an http or https URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url!r} must be a URL such as http://127.0.0.1:8080")
        self.url = url
        self._addresses = Addresses(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        self._tls = Tls(parts.hostname, ca_file) if parts.scheme == "https" else None
        self._prefix, self._host_line = parts.path.rstrip("/"), f"Host: {host or parts.netloc.rpartition('@')[2]}"
        self._extra_headers = extra_headers
        self._connect_timeout_s, self._max_age_s, self._max_idle = connect_timeout_s, max_age_s, max_idle
        self._tells_deadline = tells_deadline
        self._idle: deque[Connection] = deque()
        self._closed = False
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
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send, and wait until `timeout_s` from now for the answer.

        An answer larger than `max_answer_bytes` is not believed. `method` is any but HEAD and CONNECT, whose answers
        have another form. Raises NotSentError or OutcomeUnknownError.
        """
        end_s = time.monotonic() + timeout_s
        request = self._head(method, path, body, headers or {}), body or b""
        kept = self._take()
        if kept is None:
            return self._exchange(self._open(end_s), request, end_s, max_answer_bytes)
        try:
            return self._exchange(kept, request, end_s, max_answer_bytes)
        except OutcomeUnknownError as error:
            if not resend or not isinstance(error.__cause__, ClosedError):
                raise
        try:
            return self._exchange(self._open(end_s), request, end_s, max_answer_bytes)
        except NotSentError as error:  # this time; but what became of the first?
            raise OutcomeUnknownError(str(error)) from error

    def close(self) -> None:
        """Close the idle connections, and from now on every other after its exchange."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _open(self, end_s: float) -> Connection:
        try:
            return connect(self._addresses, min(end_s, time.monotonic() + self._connect_timeout_s), self._tls)
        except OSError as error:
            raise NotSentError(f"{self.url} cannot be reached: {error}") from error

    def _exchange(
        self, connection: Connection, request: tuple[bytes, bytes], end_s: float, max_answer_bytes: int
    ) -> Answer:
        head, body = request
        if self._tells_deadline:  # as late as here: to connect may have taken most of the time
            head += _DEADLINE_LINE % deadlines.encode(end_s - time.monotonic()).encode()
        try:
            answer, keep = connection.exchange(head + b"\r\n\r\n" + body, end_s, max_answer_bytes)
        except (BrokenAnswerError, TimeoutError) as error:
            connection.close()
            raise OutcomeUnknownError(f"{self.url} gave no answer: {error}") from error
        except BaseException:
            connection.close()
            raise
        self._give_back(connection, keep=keep)
        return answer

    def _give_back(self, connection: Connection, *, keep: bool) -> None:
        with self._lock:
            kept = keep and not self._closed and len(self._idle) < self._max_idle
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
            if kept is None or (kept.opened_s >= self._oldest_s() and kept.is_idle()):
                return kept
            kept.close()

    def _oldest_s(self) -> float:
        return time.monotonic() - self._max_age_s

    def _head(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        """The request without its last line break and its body.

        Raises NotSentError where a part of it could be taken for another header.
        """
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", self._host_line]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"{name}: {value}" for name, value in self._extra_headers().items()]
        if body is not None or method == "POST":
            lines.append(f"Content-Length: {len(body or b'')}")
        head = "\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head or " " in path:
            raise NotSentError("a line break, a NUL or a space where there may be none; the request was not sent")
        try:
            return head.encode("latin-1")
        except UnicodeEncodeError as error:
            raise NotSentError("a character that a header cannot have; the request was not sent") from error
