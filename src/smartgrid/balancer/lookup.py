"""Where a key's session is: remembered, or asked of all substations."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from pydantic_core import from_json

from smartgrid.balancer.grid import Entry, Grid
from smartgrid.balancer.telemetry import Telemetry
from smartgrid.balancer.voids import Voids
from smartgrid.protocol import attempts

REMEMBERED = 10_000
MAX_AT_ONCE = 100
GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """A key's session, without the prefix, at which substation, and the latest attempt that was answered with it."""

    name: str
    session: dict[str, Any]
    attempt: int


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the substations say of a key. `silent` are those that did not answer."""

    found: Found | None
    silent: frozenset[str]
    placed_at: str | None  # where this balancer itself has placed it


class Lookup:
    """The substations hold the truth about keys, so any balancer finds what another has placed."""

    def __init__(self, grid: Grid, telemetry: Telemetry, voids: Voids) -> None:
        self._grid, self._telemetry, self._voids = grid, telemetry, voids
        self._names: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, key: str, name: str) -> None:
        with self._lock:
            self._names[key] = name
            while len(self._names) > REMEMBERED:
                self._names.popitem(last=False)

    def remembers(self, key: str) -> bool:
        """Whether this balancer has placed it."""
        with self._lock:
            return key in self._names

    def find(self, key: str, timeout_s: float) -> Whereabouts:
        """Ask the substation that is remembered, and all if it does not know."""
        with self._lock:
            name = self._names.get(key)
        entries = self._grid.entries()
        likely = [entry for entry in entries if entry.member.name == name]
        where = self._ask(likely, key, timeout_s)
        if where.found is None and not where.silent:
            where = self._ask(entries, key, timeout_s)
        return Whereabouts(where.found, where.silent, name if likely else None)

    def void(self, key: str, timeout_s: float, before: int = attempts.NEVER) -> Found | None:
        """Void the attempts before this one everywhere: at once where it can be, else later. Returns what they had."""
        where = self._ask(self._grid.entries(), key, timeout_s, before)
        for name in where.silent:
            self._voids.add(name, key, before)
        return where.found

    def _ask(self, entries: list[Entry], key: str, timeout_s: float, void_before: int | None = None) -> Whereabouts:
        if not entries:
            return Whereabouts(None, frozenset(), None)
        try:
            answers = self._telemetry.run(
                lambda session: ask_all(session, entries, key, timeout_s, void_before), timeout_s + GRACE_S
            )
        except TimeoutError:  # the loop has too much to do to notice what has answered
            answers = dict.fromkeys((entry.member.name for entry in entries), None)
        return Whereabouts(self._latest(key, answers, heal=void_before is None), _silent(answers), None)

    def _latest(self, key: str, answers: Mapping[str, list[Found] | None], *, heal: bool) -> Found | None:
        """The session of the latest attempt; earlier ones were given up, and their voids are on their way, or lost."""
        found = sorted((each for many in answers.values() for each in many or ()), key=lambda each: each.attempt)
        if not found:
            return None
        for given_up in found[:-1] if heal else ():
            if given_up.attempt < found[-1].attempt:
                self._voids.add(given_up.name, key, given_up.attempt + 1)
        return found[-1]


def _silent(answers: Mapping[str, list[Found] | None]) -> frozenset[str]:
    return frozenset(name for name, found in answers.items() if found is None)


async def ask_all(
    session: aiohttp.ClientSession, entries: list[Entry], key: str, timeout_s: float, void_before: int | None = None
) -> dict[str, list[Found] | None]:
    """What each member has for the key (with `void_before`: had, as it voids it); None if it does not answer.

    All are asked at once, and none for longer than `timeout_s`.
    """
    gate = asyncio.Semaphore(MAX_AT_ONCE)
    bound = {} if void_before is None else {"before": void_before}
    query = urlencode({"idempotency_key": key, **bound})
    method = "GET" if void_before is None else "DELETE"

    async def ask(entry: Entry) -> list[Found] | None:
        if not entry.health.in_rotation:
            return None  # no one waits for what is known to be silent
        url = f"{entry.member.url}/charge?{query}"
        try:
            async with asyncio.timeout(timeout_s), gate, session.request(method, url, allow_redirects=False) as answer:
                return _read(entry, answer, await answer.read()) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
            return None

    found = await asyncio.gather(*map(ask, entries))
    return {entry.member.name: sessions for entry, sessions in zip(entries, found, strict=True)}


def _read(entry: Entry, answer: aiohttp.ClientResponse, body: bytes) -> list[Found]:
    attempt = attempts.decode(answer.headers.get(attempts.HEADER)) or 0
    return [Found(entry.member.name, dict(session), attempt) for session in from_json(body)["sessions"]]
