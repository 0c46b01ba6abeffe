"""The other side of a line, by the `websockets` library: lets chargers in, and answers them."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chargersim.wire import answer_to
from support.ports import free_port


class Listener:
    """`refuses_with` is an HTTP status instead of a connection. `connections` are those that are open."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/ocpp"
        self.refuses_with: HTTPStatus | None = None
        self.requests: list[Request] = []
        self.connections: list[ServerConnection] = []
        self.accepted = 0
        self.calls: list[tuple[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def close_all(self) -> None:
        """Every connection is lost."""

        async def close() -> None:
            for each in list(self.connections):
                each.transport.abort()

        self._run(close())

    async def _start(self) -> Any:
        return await serve(
            self._talk, "127.0.0.1", self.port, process_request=self._admit, subprotocols=["ocpp1.6"], compression=None
        )

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return connection.respond(self.refuses_with, "") if self.refuses_with else None

    async def _talk(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        self.accepted += 1
        with suppress(ConnectionClosed):
            await self._answer(connection)
        self.connections.remove(connection)

    async def _answer(self, connection: ServerConnection) -> None:
        async for text in connection:
            kind, message_id, *rest = json.loads(text)
            if kind == 2:
                self.calls.append((rest[0], rest[1]))
                await connection.send(json.dumps([3, message_id, answer_to(rest[0], rest[1], 0.0)]))

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
