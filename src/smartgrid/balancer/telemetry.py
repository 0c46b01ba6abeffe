"""Keeps every member's status fresh: a long poll each, all on one event loop in one thread."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from smartgrid.balancer.grid import Entry, Grid
from smartgrid.protocol.headers import STATUS

LONG_POLL_INTERVALS = 12  # a long poll is held for so many poll intervals: 60 s at the default 5 s
MAX_HOLD_S = 60.0
MIN_PAUSE_S = 0.15  # between two answers of one substation, so that a burst there is one message here
FIRST_RETRY_S = 0.25
JITTER = 0.2
POLL_TIMEOUT_S = 2.0
STOP_TIMEOUT_S = 5.0
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Watch:
    """One member being watched. `fresh` while its last poll was answered, so that a long poll is open to it."""

    entry: Entry
    task: asyncio.Task[None]
    fresh: bool = False


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
        self._watches: dict[str, Watch] = {}
        self._session: aiohttp.ClientSession | None = None
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def max_view_age_s(self) -> float:
        """How old the view of a healthy substation gets: its long poll ends by itself, or is given up and repeated."""
        return self._hold_s + self._poll_interval_s + 2 * POLL_TIMEOUT_S

    def follow(self) -> None:
        """Watch just the members that the grid has now."""
        self._soon(self._follow)

    def check(self, name: str) -> None:
        """Ask a member at once, as it has just let a car down."""
        self._soon(self._check, name)

    def run(self, work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        """Do something else over the same kept connections. Raises TimeoutError."""

        async def on_the_loop() -> T:
            return await work(self._client())

        future = asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _soon(self, work: Callable[..., None], *args: str) -> None:
        with suppress(RuntimeError):  # it has been stopped: no one needs to know any more
            self._loop.call_soon_threadsafe(work, *args)

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
        tasks = [watch.task for watch in self._watches.values()]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _follow(self) -> None:
        entries = {entry.member.name: entry for entry in self._grid.entries()}
        for name, watch in list(self._watches.items()):
            if entries.get(name) is not watch.entry:
                watch.task.cancel()
                del self._watches[name]
        for name, entry in entries.items():
            if name not in self._watches:
                self._watch(entry)

    def _check(self, name: str) -> None:
        """Break off a long poll. A poll under way stays: cars that fail faster than it takes would starve it."""
        watch = self._watches.get(name)
        if watch is not None and watch.fresh:
            watch.task.cancel()
            self._watch(watch.entry)

    def _watch(self, entry: Entry) -> None:
        task = self._loop.create_task(self._watch_forever(entry))
        self._watches[entry.member.name] = Watch(entry, task)

    async def _watch_forever(self, entry: Entry) -> None:
        watch = self._watches[entry.member.name]
        failures = 0
        while True:
            try:
                await (self._long_poll(entry) if watch.fresh else self._poll(entry))
            except Exception as error:  # whatever it answers: a member that is not polled could never come back
                if not isinstance(error, (aiohttp.ClientError, TimeoutError, OSError)):
                    log.exception("unexpected answer", extra={"substation": entry.member.name})
                if watch.fresh:  # a kept connection may just have been closed: only a poll of its own tells
                    watch.fresh = False
                    continue
                failures += 1
                self._grid.missed(entry, refused=not isinstance(error, TimeoutError))
                await asyncio.sleep(_jittered(min(self._poll_interval_s, FIRST_RETRY_S * 2 ** min(failures - 1, 16))))
            else:
                if not watch.fresh:
                    self._on_answer(entry.member.name)
                watch.fresh, failures = True, 0
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
            self._grid.saw(entry, response.headers.get(STATUS))


def _jittered(duration_s: float) -> float:
    return duration_s * random.uniform(1 - JITTER, 1 + JITTER)
