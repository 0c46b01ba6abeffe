"""Keeps every member's status fresh: a long poll each, all on one event loop in one thread."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp

from smartgrid.balancer.grid import Entry, Grid
from smartgrid.service import status_header

LONG_POLL_INTERVALS = 12  # a long poll is held for so many poll intervals: 60 s at the default 5 s
MAX_HOLD_S = 60.0
MIN_PAUSE_S = 0.1  # between two answers of one substation, so that a burst there is one message here
FIRST_RETRY_S = 0.25
JITTER = 0.2
POLL_TIMEOUT_S = 2.0
STOP_TIMEOUT_S = 5.0
T = TypeVar("T")


class Telemetry:
    """While a member answers, one long poll is open to it (`GET /status?since=`), which returns as soon as something
    changes there; when it does not answer, it is polled each `poll_interval_s`, jittered, at first more often.
    """

    def __init__(
        self,
        grid: Grid,
        poll_interval_s: float,
        *,
        on_answer: Callable[[str], None],
        observe_s: Callable[[float], None],
    ) -> None:
        """`on_answer` hears the name of a member that answers again; `observe_s` the duration of each plain poll."""
        self._grid, self._poll_interval_s = grid, poll_interval_s
        self._on_answer, self._observe_s = on_answer, observe_s
        self._hold_s = min(MAX_HOLD_S, LONG_POLL_INTERVALS * poll_interval_s)
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[str, tuple[Entry, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def max_view_age_s(self) -> float:
        """How old the view of a healthy substation gets: its long poll ends by itself, or is given up and repeated."""
        return self._hold_s + self._poll_interval_s + 2 * POLL_TIMEOUT_S

    def follow(self) -> None:
        """Watch just the members that the grid has now."""
        self._loop.call_soon_threadsafe(self._follow)

    def check(self, name: str) -> None:
        """Ask a member at once, as it has just let a car down."""
        self._loop.call_soon_threadsafe(self._restart, name)

    def run(self, work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        """Do something else over the same kept connections. Raises TimeoutError."""
        return asyncio.run_coroutine_threadsafe(work(self._client()), self._loop).result(timeout_s)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)

    # ------------------------------------------------------------------ on the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=90)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def _close(self) -> None:
        tasks = [task for _, task in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _follow(self) -> None:
        entries = {entry.member.name: entry for entry in self._grid.entries()}
        for name, (entry, task) in list(self._tasks.items()):
            if entries.get(name) is not entry:
                task.cancel()
                del self._tasks[name]
        for name, entry in entries.items():
            if name not in self._tasks:
                self._watch(entry)

    def _restart(self, name: str) -> None:
        if name in self._tasks:
            entry, task = self._tasks.pop(name)
            task.cancel()
            self._watch(entry)

    def _watch(self, entry: Entry) -> None:
        self._tasks[entry.member.name] = entry, self._loop.create_task(self._watch_forever(entry))

    async def _watch_forever(self, entry: Entry) -> None:
        failures = 0
        fresh = False
        while True:
            try:
                await (self._long_poll(entry) if fresh else self._poll(entry))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if fresh:  # a kept connection may just have been closed: only a poll of its own tells
                    fresh = False
                    continue
                failures += 1
                self._grid.missed(entry, refused=not isinstance(error, TimeoutError))
                await asyncio.sleep(_jittered(min(self._poll_interval_s, FIRST_RETRY_S * 2 ** min(failures - 1, 16))))
            else:
                if not fresh:
                    self._on_answer(entry.member.name)
                fresh, failures = True, 0
                await asyncio.sleep(_jittered(min(MIN_PAUSE_S, self._poll_interval_s)))

    async def _poll(self, entry: Entry) -> None:
        begun_s = time.monotonic()
        await self._get(entry, "/status", POLL_TIMEOUT_S)
        self._observe_s(time.monotonic() - begun_s)

    async def _long_poll(self, entry: Entry) -> None:
        revision = self._grid.revision_of(entry.member.name)
        path = f"/status?since={revision or 0}&wait_s={round(self._hold_s)}"
        await self._get(entry, path, self._hold_s + self._poll_interval_s + POLL_TIMEOUT_S)

    async def _get(self, entry: Entry, path: str, timeout_s: float) -> None:
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=POLL_TIMEOUT_S)
        async with self._client().get(entry.member.url + path, timeout=timeout, allow_redirects=False) as response:
            await response.read()
            if response.status != 200:
                raise aiohttp.ClientPayloadError(f"status {response.status}")
            self._grid.saw(entry, response.headers.get(status_header.NAME))


def _jittered(duration_s: float) -> float:
    return duration_s * random.uniform(1 - JITTER, 1 + JITTER)
