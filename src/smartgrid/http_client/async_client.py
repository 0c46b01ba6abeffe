"""Requests to one server over one kept connection on an event loop: for long polls, and for calls that wait for them.

Polls are most of what a balancer does besides cars, and all of what an edge does with substations, so they must be
cheap: a transport, the client's parser, and one future an exchange, in place of a general client. Answers are bounded
while they come in (`http_client.answer`), as a server may say anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from smartgrid.http_client import answer
from smartgrid.http_client.answer import Answer, AnswerParser, BrokenAnswerError
from smartgrid.http_client.client import DEFAULT_PORTS
from smartgrid.http_client.connection import tls_context


class ClosedError(ConnectionError):
    """The server closed the connection before it answered."""


class AsyncClient:
    """One exchange at a time; only for coroutines on one event loop."""

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float,
        host: str = "",
        ca_file: Path | None = None,
        extra_headers: Callable[[], Mapping[str, str]] = dict,
        max_answer_bytes: int = answer.MAX_ANSWER_BYTES,
    ) -> None:
        """`host` is what requests name as their host, if not the URL's. `extra_headers` gives what each request carries
        besides, such as a token. An answer larger than `max_answer_bytes` is not believed."""
        self._ca_file, self._extra_headers, self._max_answer_bytes = ca_file, extra_headers, max_answer_bytes
        self._target, self._connect_timeout_s = urlsplit(url), connect_timeout_s
        self._connection: _Connection | None = None
        self._head_end = f" HTTP/1.1\r\nHost: {host or self._target.netloc}\r\n"

    async def request(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        resend: bool = False,
    ) -> Answer:
        """Send, and wait for the answer.

        With `resend`, for what may be done twice, a kept connection that turns out to be closed is replaced once.
        Raises OSError, TimeoutError after `timeout_s`, BrokenAnswerError, or ValueError where a part of the request
        could be taken for another header.
        """
        request = self._head(method, path, body, headers or {}) + (body or b"")
        async with asyncio.timeout(timeout_s):
            kept = self._connection
            if kept is not None and not kept.closed:
                try:
                    return await self._exchange(kept, request)
                except ClosedError:
                    if not resend:
                        raise
            self._connection = await self._connect()
            return await self._exchange(self._connection, request)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        try:
            found, keep_alive = await connection.exchange(request, self._max_answer_bytes)
        except BaseException:
            self.close()
            raise
        if not keep_alive:
            self.close()
        return found

    def _head(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        lines = [f"{name}: {value}\r\n" for each in (headers, self._extra_headers()) for name, value in each.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n")
        head, breaks = f"{method} {path}{self._head_end}{''.join(lines)}\r\n", len(lines) + 3
        if head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head or " " in path:
            raise ValueError("a line break, a NUL or a space where there may be none; the request was not sent")
        return head.encode("latin-1")

    async def _connect(self) -> _Connection:
        target, loop = self._target, asyncio.get_running_loop()
        port = target.port or DEFAULT_PORTS[target.scheme]
        context = tls_context(self._ca_file) if target.scheme == "https" else None
        async with asyncio.timeout(self._connect_timeout_s):
            try:
                _, made = await loop.create_connection(_Connection, target.hostname or "", port, ssl=context)
            except UnicodeError as error:  # a host that cannot be a name
                raise OSError(f"{target.hostname} is no host name") from error
        return made


class _Connection(asyncio.Protocol):
    """The event loop calls the methods whose names it knows."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._parser = AnswerParser()
        self._answer: asyncio.Future[tuple[Answer, bool]] | None = None

    async def exchange(self, request: bytes, max_answer_bytes: int) -> tuple[Answer, bool]:
        """The answer, and whether the connection can be used again."""
        if self._transport is None or self.closed:
            raise ClosedError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = AnswerParser(max_answer_bytes)
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # no one has asked for it: it would be taken for the next answer
            return
        self._take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer is None or self._answer.done():
            return
        if error is None and self._parser.begun:
            self._take(b"")  # an answer without a length ends so
        else:
            self._answer.set_exception(ClosedError(f"the connection was closed{f': {error}' if error else ''}"))

    def _take(self, data: bytes) -> None:
        assert self._answer is not None
        try:
            self._parser.feed(data)
        except BrokenAnswerError as error:
            self._answer.set_exception(error)
            self.close()
            return
        if self._parser.complete:
            self._answer.set_result((self._parser.answer(), self._parser.keep_alive))
