"""Where a key's session is: remembered, or asked of all substations."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json

from smartgrid.balancer.grid import Entry, Grid
from smartgrid.balancer.telemetry import Telemetry
from smartgrid.balancer.voids import Voids

REMEMBERED = 10_000
MAX_AT_ONCE = 100

Found = tuple[str, dict[str, Any]]


class Lookup:
    """The substations hold the truth about keys, so any balancer finds what another has placed.

    A substation that does not answer may hold the key as well: it is to void it once it answers again, as the car is
    about to be placed elsewhere.
    """

    def __init__(self, grid: Grid, telemetry: Telemetry, voids: Voids) -> None:
        self._grid, self._telemetry, self._voids = grid, telemetry, voids
        self._names: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, key: str, name: str) -> None:
        with self._lock:
            self._names[key] = name
            while len(self._names) > REMEMBERED:
                self._names.popitem(last=False)

    def find(self, key: str, timeout_s: float, *, void_absent: bool = True) -> Found | None:
        """The substation's name and the session, without its prefix.

        With `void_absent`, and nothing found, the key is to be voided at those that do not answer.
        """
        with self._lock:
            name = self._names.get(key)
        entries = self._grid.entries()
        likely = [entry for entry in entries if entry.member.name == name]
        found, _ = self._ask(likely, key, timeout_s)
        if found is None:
            found, silent = self._ask(entries, key, timeout_s)
            for absent in silent if found is None and void_absent else ():
                self._voids.add(absent, key)
        return found

    def void(self, key: str, timeout_s: float) -> Found | None:
        """Void the key everywhere: at once where it can be, else later. Returns the session it had."""
        entries = self._grid.entries()
        answers = self._telemetry.run(lambda s: ask_all(s, entries, key, timeout_s, "DELETE"), 2 * timeout_s + 1)
        for name, sessions in answers.items():
            if sessions is None:
                self._voids.add(name, key)
        return next(((name, sessions[0]) for name, sessions in answers.items() if sessions), None)

    def _ask(self, entries: list[Entry], key: str, timeout_s: float) -> tuple[Found | None, list[str]]:
        """Who has it, and who did not answer."""
        if not entries:
            return None, []
        answers = self._telemetry.run(lambda session: ask_all(session, entries, key, timeout_s), 2 * timeout_s + 1)
        found = next(((name, sessions[0]) for name, sessions in answers.items() if sessions), None)
        return found, [name for name, sessions in answers.items() if sessions is None]


async def ask_all(
    session: aiohttp.ClientSession, entries: list[Entry], key: str, timeout_s: float, method: str = "GET"
) -> dict[str, list[dict[str, Any]] | None]:
    """The sessions that each member has for the key (DELETE: had, as it voids it); None if it does not answer."""
    gate = asyncio.Semaphore(MAX_AT_ONCE)

    async def ask(entry: Entry) -> list[dict[str, Any]] | None:
        if not entry.health.in_rotation:
            return None  # no one waits for what is known to be silent
        url = f"{entry.member.url}/charge?idempotency_key={quote(key, safe='')}"
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with gate, session.request(method, url, timeout=timeout, allow_redirects=False) as answer:
                body = from_json(await answer.read())
                return list(body["sessions"]) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError):
            return None

    found = await asyncio.gather(*map(ask, entries))
    return {entry.member.name: sessions for entry, sessions in zip(entries, found, strict=True)}
