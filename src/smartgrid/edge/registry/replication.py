"""Has this edge's registry learn what those of the other edges know.

Each edge asks each other one every `INTERVAL_S` for what has changed there since it last asked, and takes what is newer
(`replica`). That is all: a registration or a rotated key is at every edge after some seconds; an edge that was away
catches up; one that is new is told everything, before it takes its first charger (`begin`), as it would refuse those
that it does not know yet. Nothing waits for a peer: an edge that is alone goes on alone, and what was changed at two
edges apart is put together when they meet.

A peer may be broken, or of a newer version. So each is asked for itself, `TURN_S` at a time, and one that is slow or
tells the same for ever keeps none of the others waiting; a row that cannot be read costs only itself; and who does not
know what it was asked for is asked for everything.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import quote

from pydantic import ValidationError

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.wire import ToldChanges, rows_of
from smartgrid.http_client.answer import BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.protocol.headers import EDGE
from smartgrid.runtime.log_pace import LogPace
from smartgrid.runtime.tasks import Tasks

INTERVAL_S = 5.0
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 10.0
BEGIN_TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
TURN_S = 30.0
"""After so long a peer that has more to tell is asked again in the next round."""
MAX_AHEAD_S = 365 * 86_400.0
"""What a peer says to have changed later than that from now is not taken: what is changed here has a version beyond it,
and there must be room for that on the wire for ever."""
ANEW_S = 600.0
"""Whoever has told of such is asked for everything again after so long: it may be our clock that was wrong."""
MAX_REASON = 200
PEERS_AT_ONCE = 4
UNKNOWN_EPOCH = 422
FAILURES = (OSError, TimeoutError, BrokenAnswerError, ValueError, sqlite3.Error)
log = logging.getLogger(__name__)


class Replication:
    """Only for the event loop."""

    def __init__(
        self,
        registry: Registry,
        peers: Callable[[], Mapping[str, str]],
        credentials: Credentials,
        interval_s: float = INTERVAL_S,
        own_name: str = "",
    ) -> None:
        """`peers` are the HTTP addresses of all other edges by name, also of those that may not be there."""
        self._headers = {EDGE: own_name} if own_name else {}
        self._registry, self._peers, self._credentials = registry, peers, credentials
        self._interval_s = interval_s
        self._told: dict[str, tuple[str, int]] = {}
        """Of each peer the epoch and the sequence up to which it has been asked."""
        self._anew_s: dict[str, float] = {}
        """When to ask a peer for everything again."""
        self._complaints: dict[str, str] = {}
        self._turns = asyncio.Semaphore(PEERS_AT_ONCE)
        self._under_way: set[str] = set()
        """Peers that are being asked."""
        self._tasks = Tasks()
        self._pace = LogPace(log)
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Learn all that peers know who are there, and go on learning."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                await self.ask_all()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """No more of it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._tasks.end()

    async def ask_all(self) -> None:
        """Ask each peer once, for `TURN_S` at the most."""
        await asyncio.gather(*(self._ask(name, url) for name, url in self._peers().items()))

    async def _run(self) -> None:
        jitter = random.Random()
        while True:
            await asyncio.sleep(self._interval_s * jitter.uniform(0.8, 1.2))
            try:
                for name, url in self._peers().items():
                    if name not in self._under_way:
                        self._tasks.begin(self._ask(name, url))
            except Exception:
                log.exception("other edges could not be asked for registrations")

    async def _ask(self, name: str, url: str) -> None:
        self._under_way.add(name)
        try:
            async with self._turns:
                await self._take_pages(name, url)
            self._complaints.pop(name, None)
        except FAILURES as error:
            self._complain(name, error)
        except Exception:
            log.exception("another edge could not be asked for registrations")
        finally:
            self._under_way.discard(name)

    async def _take_pages(self, name: str, url: str) -> None:
        credential = self._credentials.of(url)
        client = AsyncClient(
            url,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            ca_file=credential.ca_file,
            extra_headers=credential.headers,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        loop = asyncio.get_running_loop()
        end_s = loop.time() + TURN_S
        if loop.time() >= self._anew_s.get(name, math.inf):
            del self._anew_s[name]
            self._told.pop(name, None)
        try:
            while loop.time() < end_s and not await self._take_page(name, client):
                pass
        finally:
            client.close()

    async def _take_page(self, name: str, client: AsyncClient) -> bool:
        """Returns whether it was the last."""
        epoch, since = self._told.get(name, ("0", 0))
        path = f"/registry/changes?epoch={quote(epoch, safe='')}&since={since}"
        answer = await client.request("GET", path, timeout_s=ANSWER_TIMEOUT_S, headers=self._headers)
        if answer.status == UNKNOWN_EPOCH:
            self._told.pop(name, None)
        if answer.status != 200:
            raise OSError(f"it answered {answer.status}")
        loop = asyncio.get_running_loop()
        found, is_whole = await loop.run_in_executor(None, self._take, answer.body)
        if not is_whole:
            self._anew_s.setdefault(name, loop.time() + ANEW_S)
        if not found.is_end and found.epoch == epoch and found.sequence <= since:
            raise OSError("it says that there is more, and tells the same again")
        self._told[name] = found.epoch, found.sequence
        return found.is_end

    def _take(self, body: bytes) -> tuple[ToldChanges, bool]:
        """In a thread: it may be much, and is written. Returns also whether nothing was from the future."""
        found = ToldChanges.model_validate_json(body)
        rows, bad = rows_of(found)
        latest = time.time_ns() // 1000 + int(MAX_AHEAD_S * 1e6)
        believed = [row for row in rows if max(row.version, row.about_version) <= latest]
        early = len(rows) - len(believed)
        if bad or early:
            reason = bad[0][:MAX_REASON] if bad else "they are from the future; is a clock wrong?"
            extra = {"rows": str(len(bad) + early), "reason": reason}
            self._pace.say("rows", "another edge has registrations that cannot be", extra)
        if believed:
            self._registry.merge(believed)
        return found, not early

    def _complain(self, name: str, error: BaseException) -> None:
        """Once for each reason: a peer of a template need not be there at all."""
        text = _reason(error)
        if self._complaints.get(name) != text:
            self._complaints[name] = text
            log.info("edge %s tells no registrations: %s", name, text)


def _reason(error: BaseException) -> str:
    """Short, and without what came: hashes of keys are in it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"it is no answer of an edge: {first['msg']}"[:MAX_REASON]
    return (str(error) or type(error).__name__)[:MAX_REASON]
