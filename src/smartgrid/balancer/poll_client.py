"""GETs to one member over one kept connection on the event loop, for telemetry's polls.

Polls are most of what a balancer does besides cars, so they must be cheap: a transport, the client's parser, and one
future an exchange, in place of a general client. Answers are bounded while they come in (`http_client.answer`), as a
member may say anything.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from smartgrid.auth.credentials import Credential
from smartgrid.http_client.answer import Answer, AnswerParser, BrokenAnswerError
from smartgrid.http_client.client import DEFAULT_PORTS
from smartgrid.http_client.connection import tls_context
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.status_header import WANTED

MAX_ANSWER_BYTES = 1024 * 1024
"""A page of keys has 2,000 entries at the most; of a region's, with long ids, they take 0.9 MB."""


class ClosedError(ConnectionError):
    """The member closed the connection before it answered."""


class PollClient:
    """One exchange at a time; only for coroutines on one event loop."""

    def __init__(
        self, url: str, *, connect_timeout_s: float, host: str = "", credential: Credential | None = None
    ) -> None:
        """`host` is what requests name as their host, if not the URL's."""
        self._credential = credential or Credential()
        self._target, self._connect_timeout_s = urlsplit(url), connect_timeout_s
        self._connection: _Connection | None = None
        self._head_end = f" HTTP/1.1\r\nHost: {host or self._target.netloc}\r\n{STATUS}: {WANTED}\r\n".encode()

    async def get(self, path: str, timeout_s: float) -> Answer:
        """Send, and wait for the answer. Raises OSError, TimeoutError after `timeout_s`, or BrokenAnswerError."""
        async with asyncio.timeout(timeout_s):
            connection = self._connection
            if connection is None or connection.closed:
                connection = self._connection = await self._connect()
            try:
                answer, keep_alive = await connection.exchange(b"GET " + path.encode() + self._head_end + self._proof())
            except BaseException:
                self.close()
                raise
        if not keep_alive:
            self.close()
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _proof(self) -> bytes:
        sent = "".join(f"{name}: {value}\r\n" for name, value in self._credential.headers().items())
        return f"{sent}\r\n".encode()

    async def _connect(self) -> _Connection:
        target, loop = self._target, asyncio.get_running_loop()
        port = target.port or DEFAULT_PORTS[target.scheme]
        context = tls_context(self._credential.ca_file) if target.scheme == "https" else None
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

    async def exchange(self, request: bytes) -> tuple[Answer, bool]:
        """The answer, and whether the connection can be used again."""
        if self._transport is None or self.closed:
            raise ClosedError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = AnswerParser(MAX_ANSWER_BYTES)
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
