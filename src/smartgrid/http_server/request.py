"""An HTTP/1.1 request, taken from the bytes of a connection as they come in. Knows no socket and no clock.

llhttp (httptools) splits the bytes and is strict about where a request ends: two lengths, a length beside chunks, or
line breaks where none may be are refused, so that no proxy in front and we disagree on it. This file adds the bounds,
and what of a request is taken: one request at a time. Bytes that follow it are not read as another: its answer ends the
connection, as clients that send several at once must expect of any server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httptools

MAX_BODY_BYTES = 64 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8 * 1024
ONCE = {
    name.encode(): name.title()
    for name in (
        "host",
        "authorization",
        "content-type",
        "idempotency-key",
        "smartgrid-deadline-ms",
        "smartgrid-number",
        "smartgrid-owner",
        "smartgrid-token",
    )
}
"""Headers of which two are refused: put together with a comma they would be another key or number than either."""
_LOOKED_AT = {*map(len, ONCE), len("content-length"), len("expect")}


class RefusedError(Exception):
    """What came is not a request that is taken. The connection ends with the answer that says so."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


@dataclass(slots=True)
class Request:
    """A request, whole."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool
    came_s: float = 0.0
    may_wait: bool = False
    """Whether it has the place of a long poll, so that nobody else waits while it does."""
    """When it had come whole, on the monotonic clock; set by who received it."""


class RequestParser:
    """Takes the bytes of one request. httptools calls the methods whose names begin with `on_`."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_head_bytes",
        "_headers",
        "_keep_alive",
        "_parser",
        "_refused",
        "_target",
        "bytes",
        "complete",
        "in_head",
        "wants_continue",
    )

    def __init__(self) -> None:
        self.complete = False
        self.in_head = True
        self.bytes = 0
        """What has come so far."""
        self.wants_continue = False
        """Whether the client holds the body back until it is told to go on."""
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._keep_alive = False
        self._refused: RefusedError | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises RefusedError."""
        self.bytes += len(data)
        fault = None
        try:
            self._parser.feed_data(data)
        except Exception as error:  # a class of its own for an upgrade, one for each fault, one for ours from below
            self._keep_alive, fault = False, str(error)
        if fault is not None and not self.complete:
            raise self._refused or _bad(fault)
        if self.in_head and self.bytes > MAX_HEAD_BYTES:
            raise _head_too_large()

    def request(self) -> Request:
        """The request, once it is complete. Nothing can be fed after that."""
        method, version = self._parser.get_method().decode("latin-1"), self._parser.get_http_version()
        self.end()
        path, query = _split(self._target)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Request(method, path, query, version, self._headers, body, self._keep_alive)

    def end(self) -> None:
        """Nothing is fed any more. It and llhttp's parser know each other; parted, they are gone at once, and not when
        the garbage collector comes by."""
        self._parser = self._refused = None

    def on_message_begin(self) -> None:
        if self.complete:
            raise _bad("another request came before the answer to this one")

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES or len(self._headers) >= MAX_HEADERS:
            self._refuse(_head_too_large())
        if self.in_head:  # a trailer replaces no header
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        once, length = set[bytes](), b"0"
        for name, value in self._headers:
            if len(name) not in _LOOKED_AT:
                continue
            lower = name.lower()
            if lower in ONCE:
                if lower in once:
                    self._refuse(_bad(f"a request has one header {ONCE[lower]}"))
                once.add(lower)
            elif lower == b"content-length":
                length = value
            elif lower == b"expect":
                self.wants_continue = value.lower() == b"100-continue"
        target = self._target
        if len(target) > MAX_TARGET_BYTES:
            self._refuse(RefusedError(414, "uri-too-long", f"A target may have {MAX_TARGET_BYTES} bytes at the most."))
        if not target.startswith((b"/", b"http://", b"https://")) and target != b"*":
            self._refuse(_bad("the target must be a path"))
        if b"host" not in once and self._parser.get_http_version() != "1.0":
            self._refuse(_bad("a request has one header Host"))
        if int(length) > MAX_BODY_BYTES:
            self._refuse(_body_too_large())

    def on_body(self, part: bytes) -> None:
        self._body_bytes += len(part)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(_body_too_large())
        self._body.append(part)

    def on_message_complete(self) -> None:
        self.complete, self._keep_alive = True, self._parser.should_keep_alive()

    def _refuse(self, refused: RefusedError) -> None:
        """Out of llhttp, which wraps what its callbacks raise; `feed` raises what is noted."""
        self._refused = refused
        raise ValueError(refused.code)


def _split(target: bytes) -> tuple[bytes, bytes]:
    """Path and query; of a target in absolute form (RFC 9112, 3.2.2) too."""
    path, _, query = target.partition(b"#")[0].partition(b"?")
    if b"://" in path and not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path, query


def _bad(reason: str) -> RefusedError:
    return RefusedError(400, "bad-request", f"This is not an HTTP/1.1 request: {reason}.")


def _head_too_large() -> RefusedError:
    detail = f"A request may have {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes of them at the most."
    return RefusedError(431, "headers-too-large", detail)


def _body_too_large() -> RefusedError:
    return RefusedError(413, "body-too-large", f"A body may have {MAX_BODY_BYTES} bytes at the most.")
