"""Whose turn it is: how many requests of a kind may be under way, how many wait, and for how long. No thread, no clock.

At overload the question is not how to serve all, but who must not suffer from the others:

- A **stop** frees power and ends load, so it never waits behind starts.
- **Long polls** wait by their nature, for up to a minute; those beyond their budget are answered at once, as reads.
- **Probes** decide whether the process lives, and must not ask how busy it is.
- **Starts** are what overload consists of. Some of them wait a little, in the order in which they came; whoever would
  wait longer is told to come again, at once, since work for a client that has gone is what keeps an overload up.

Each kind has its budget, and the server has more threads than all budgets together: there is always one to say no.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

MAX_WAITING = 512
MAX_WAIT_S = 2.0
"""A gateway waits 2.5 s for a balancer."""
PROBES = (b"/health", b"/ready", b"/metrics", b"/autoscaling")
T = TypeVar("T")


class Kind(Enum):
    PROBE = "probe"
    START = "start"
    STOP = "stop"
    READ = "read"
    POLL = "poll"


class Turn(Enum):
    NOW = "now"
    LATER = "later"
    NEVER = "never"


def kind_of(method: str, path: bytes, query: bytes) -> Kind:
    """What kind of request it is. Whatever changes something and is not a stop is a start."""
    if method == "DELETE":
        return Kind.STOP
    if method not in ("GET", "HEAD"):
        return Kind.START
    if path in PROBES:
        return Kind.PROBE
    return Kind.POLL if is_long_poll(query) else Kind.READ


def is_long_poll(query: bytes) -> bool:
    """Whether a request with this query asks to be held."""
    asked = unquote_to_bytes(query) if b"%" in query else query  # as the application will read it
    return b"wait_s=" in asked or b"since=" in asked


def budgets(threads: int) -> dict[Kind, int]:
    """How many of each kind are under way at once, where `threads` is what is set."""
    half, eighth = max(1, threads // 2), max(1, threads // 8)
    return {Kind.START: half, Kind.POLL: half, Kind.STOP: eighth, Kind.READ: eighth, Kind.PROBE: 2}


@dataclass(slots=True)
class _Budget(Generic[T]):
    most: int
    under_way: int = 0
    waiting: deque[tuple[float, T]] = field(default_factory=deque)  # since when, and who


class Turns(Generic[T]):
    """Requests that are under way and those that wait, by kind. Not thread-safe. Times are of one monotonic clock."""

    def __init__(
        self, most: dict[Kind, int], *, max_waiting: int = MAX_WAITING, max_wait_s: float = MAX_WAIT_S
    ) -> None:
        self._budgets: dict[Kind, _Budget[T]] = {kind: _Budget(number) for kind, number in most.items()}
        self._max_waiting, self._max_wait_s = max_waiting, max_wait_s

    def under_way(self) -> dict[Kind, int]:
        """How many of each kind are being answered."""
        return {kind: budget.under_way for kind, budget in self._budgets.items()}

    def waiting(self) -> dict[Kind, int]:
        """How many of each kind wait for a place."""
        return {kind: len(budget.waiting) for kind, budget in self._budgets.items()}

    def place_for(self, kind: Kind) -> Kind:
        """Whose budget a request takes its place from: a long poll too many is answered at once, as a read."""
        poll = self._budgets[Kind.POLL]
        return Kind.READ if kind is Kind.POLL and poll.under_way >= poll.most else kind

    def begin(self, place: Kind, who: T, now_s: float) -> Turn:
        """Take a place, or wait for one, if either is left."""
        budget = self._budgets[place]
        if budget.under_way < budget.most:
            budget.under_way += 1
            return Turn.NOW
        if len(budget.waiting) >= self._max_waiting:
            return Turn.NEVER
        budget.waiting.append((now_s, who))
        return Turn.LATER

    def end(self, place: Kind) -> T | None:
        """Leave a place; who has it now, if one waited."""
        budget = self._budgets[place]
        if budget.waiting:
            return budget.waiting.popleft()[1]
        budget.under_way -= 1
        return None

    def expired(self, now_s: float) -> list[T]:
        """Those that have waited for too long. They wait no more."""
        found: list[T] = []
        for budget in self._budgets.values():
            while budget.waiting and budget.waiting[0][0] + self._max_wait_s <= now_s:
                found.append(budget.waiting.popleft()[1])
        return found
