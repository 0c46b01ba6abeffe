"""Many substations that only answer polls, in one process: each has a port and a status of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from smartgrid.domain.status import Status
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.keys import KeyPage, to_wire
from support.ports import free_port

CAPACITY_KW = 100.0
EPOCH = 1
TIMEOUT_S = 20


class StubSubstations:
    """Statuses by name; changing one answers its long poll."""

    def __init__(self, count: int) -> None:
        self.ports = {f"substation-{number}": free_port() for number in range(count)}
        self._names = {port: name for name, port in self.ports.items()}
        self._statuses = {name: status(0.0, 1) for name in self.ports}
        self._loop = asyncio.new_event_loop()
        self._changed: dict[str, asyncio.Event] = {}

    def fleet(self) -> str:
        """As SMARTGRID_SUBSTATIONS takes it."""
        return ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in self.ports.items())

    def set_load(self, name: str, load_kw: float) -> None:
        def change() -> None:
            self._statuses[name] = status(load_kw, self._statuses[name].revision + 1)
            self._changed[name].set()

        self._loop.call_soon_threadsafe(change)

    @contextmanager
    def running(self) -> Iterator[StubSubstations]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(TIMEOUT_S)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(_end(runner), self._loop).result(TIMEOUT_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(TIMEOUT_S)
            self._loop.close()

    async def _serve(self) -> web.AppRunner:
        self._changed = {name: asyncio.Event() for name in self.ports}
        app = web.Application()
        app.router.add_get("/status", self._answer)
        app.router.add_get("/charge", self._sessions)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        for port in self.ports.values():
            await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        name = self._name(request)
        since, wait_s = int(request.query.get("since", -1)), float(request.query.get("wait_s", 0))
        known = request.query.get("epoch") == str(EPOCH)
        if known and self._statuses[name].revision <= since:
            self._changed[name].clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed[name].wait(), wait_s)
        found = self._statuses[name]
        keys = to_wire(KeyPage([], position=0, more=False, reset=not known))
        header = status_header.encode(name, found, None)
        return web.json_response({**status_header.wire_status(name, found), "keys": keys}, headers={STATUS: header})

    async def _sessions(self, request: web.Request) -> web.Response:
        return web.json_response({"sessions": [], "next_cursor": None})

    def _name(self, request: web.Request) -> str:
        assert request.transport is not None
        return self._names[request.transport.get_extra_info("sockname")[1]]


async def _end(runner: web.AppRunner) -> None:
    """Stop listening, and leave no long poll behind."""
    await runner.cleanup()
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def status(load_kw: float, revision: int) -> Status:
    sessions, free_kw = round(load_kw / 10), CAPACITY_KW
    return Status(CAPACITY_KW, load_kw, 0.4 * load_kw, 1.2 * load_kw, sessions, revision, None, free_kw, epoch=EPOCH)
