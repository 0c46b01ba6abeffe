"""GETs to one member over one kept connection on the event loop, for telemetry's polls.

Polls are most of what a balancer does besides cars, so they must be cheap: a transport, llhttp (httptools), and one
future an exchange, in place of a general client. Answers are bounded while they come in, as a member may say anything.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from smartgrid.protocol.headers import STATUS

MAX_ANSWER_BYTES = 1024 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}
SWITCHING_PROTOCOLS, FIRST_FINAL_STATUS = 101, 200
_STATUS = STATUS.lower().encode()


class PollError(Exception):
    """No answer, or one that cannot be used; the message says which."""


class AbsurdAnswerError(PollError):
    """What has come is no answer of a member."""


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """An answer with what telemetry needs of it: `status_header` is `Smartgrid-Status`, where it came."""

    status: int
    status_header: str | None
    body: bytes


class PollClient:
    """One exchange at a time; only for coroutines on one event loop."""

    def __init__(self, url: str, *, connect_timeout_s: float) -> None:
        self._target, self._connect_timeout_s = urlsplit(url), connect_timeout_s
        self._connection: _Connection | None = None
        self._head_end = (
            f" HTTP/1.1\r\nHost: {self._target.netloc}\r\n{STATUS}: wanted\r\n\r\n".encode()  # `status_header.WANTED`
        )

    async def get(self, path: str, timeout_s: float) -> PollAnswer:
        """Send, and wait for the answer. Raises PollError, OSError, or TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            connection = self._connection
            if connection is None or connection.closed:
                connection = self._connection = await self._connect()
            try:
                return await connection.exchange(b"GET " + path.encode() + self._head_end)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connect(self) -> _Connection:
        target, loop = self._target, asyncio.get_running_loop()
        port = target.port or DEFAULT_PORTS[target.scheme]
        context = _tls() if target.scheme == "https" else None
        async with asyncio.timeout(self._connect_timeout_s):
            try:
                _, made = await loop.create_connection(_Connection, target.hostname or "", port, ssl=context)
            except UnicodeError as error:  # a host that cannot be a name
                raise PollError(f"{target.hostname} is no host name") from error
        return made


class _Connection(asyncio.Protocol):
    """The parser calls the methods whose names begin with `on_`, the event loop the others."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[PollAnswer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._size = 0
        self._status_header: str | None = None
        self._body: list[bytes] = []

    async def exchange(self, request: bytes) -> PollAnswer:
        if self._transport is None or self.closed:
            raise PollError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser, self._size = httptools.HttpResponseParser(self), 0
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._fail(PollError(f"the connection was closed{f': {error}' if error else ''}"))

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()  # no one has asked for it: what follows would be taken for the next answer
            return
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            self._fail(AbsurdAnswerError(f"an answer of more than {MAX_ANSWER_BYTES} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(AbsurdAnswerError(f"no HTTP answer ({error})"))

    # ------------------------------------------------------------------ from the parser

    def on_message_begin(self) -> None:
        if self._answer is not None and self._answer.done():  # a second answer to one request
            self.close()
        self._status_header, self._body = None, []

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _STATUS:
            self._status_header = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < FIRST_FINAL_STATUS and status != SWITCHING_PROTOCOLS:
            return  # an interim answer: the final one follows
        if not self._parser.should_keep_alive():
            self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(PollAnswer(status, self._status_header, b"".join(self._body)))

    def _fail(self, error: PollError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if not self.closed:
            self.close()


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads all the certificate authorities: once is enough
