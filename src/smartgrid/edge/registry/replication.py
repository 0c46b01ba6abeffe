"""Has this edge's registry learn what those of the other edges know.

Each edge asks each other one every `INTERVAL_S` for what has changed there since it last asked, and takes what is newer
(`replica`). That is all: a registration or a rotated key is at every edge after some seconds; an edge that was away
catches up; one that is new is told everything, before it takes its first charger (`begin`), as it would refuse those
that it does not know yet. Nothing waits for a peer: an edge that is alone goes on alone, and what was changed at two
edges apart is put together when they meet.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.registry.replica import Registered
from smartgrid.edge.registry.spec import SpecError
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.wire import ChangesBody, RowBody, from_wire
from smartgrid.http_client.answer import BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.protocol.headers import EDGE

INTERVAL_S = 5.0
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 10.0
BEGIN_TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_PAGES = 10_000
PEERS_AT_ONCE = 4
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
        self._complaints: dict[str, str] = {}
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

    async def ask_all(self) -> None:
        """Ask each peer until it has no more to tell."""
        limit = asyncio.Semaphore(PEERS_AT_ONCE)

        async def ask(name: str, url: str) -> None:
            async with limit:
                try:
                    await self._ask(name, url)
                    self._complaints.pop(name, None)
                except FAILURES as error:
                    self._complain(name, error)

        await asyncio.gather(*(ask(name, url) for name, url in self._peers().items()))

    async def _run(self) -> None:
        jitter = random.Random()
        while True:
            await asyncio.sleep(self._interval_s * jitter.uniform(0.8, 1.2))
            try:
                await self.ask_all()
            except Exception:
                log.exception("other edges could not be asked for registrations")

    async def _ask(self, name: str, url: str) -> None:
        credential = self._credentials.of(url)
        client = AsyncClient(
            url,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            ca_file=credential.ca_file,
            extra_headers=credential.headers,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        try:
            for _ in range(MAX_PAGES):
                if await self._take_page(name, client):
                    return
        finally:
            client.close()

    async def _take_page(self, name: str, client: AsyncClient) -> bool:
        """Returns whether it was the last."""
        epoch, since = self._told.get(name, ("0", 0))
        path = f"/registry/changes?epoch={epoch}&since={since}"
        answer = await client.request("GET", path, timeout_s=ANSWER_TIMEOUT_S, headers=self._headers)
        if answer.status != 200:
            raise OSError(f"it answered {answer.status}")
        found = ChangesBody.model_validate_json(answer.body)
        rows = [row for each in found.rows if (row := _read(each)) is not None]
        if rows:
            await asyncio.get_running_loop().run_in_executor(None, self._registry.merge, rows)
        self._told[name] = found.epoch, found.sequence
        return found.is_end

    def _complain(self, name: str, error: BaseException) -> None:
        """Once for each reason: a peer of a template need not be there at all."""
        text = str(error) or type(error).__name__
        if self._complaints.get(name) != text:
            self._complaints[name] = text
            log.info("edge %s tells no registrations: %s", name, text)


def _read(body: RowBody) -> Registered | None:
    try:
        return from_wire(body)
    except SpecError as error:
        log.warning("another edge has a registration that cannot be", extra={"reason": str(error)})
        return None
