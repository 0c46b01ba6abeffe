"""The sums over a fleet, kept as it changes.

A balancer's totals are asked for on every long poll and by every scrape, and a change of one member is far more common
than a question; so neither may walk over the fleet. Each change is noted, and what the changed members add is replaced
in the sums when they are asked for. The earliest release is the top of a heap, in which entries that are out of date
are left until they come up.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from smartgrid.domain import microwatts
from smartgrid.domain.belief import Belief


class Sums(NamedTuple):
    """What one member adds, or what all add up to, in whole microwatts and microwatt-hours."""

    capacity_uw: int = 0
    load_uw: int = 0
    committed_uw: int = 0
    demand_uw: int = 0
    reserved_uw: int = 0
    active_sessions: int = 0
    waiting_sessions: int = 0
    waiting_uw: int = 0
    waiting_uwh: int = 0
    with_connectors: int = 0
    """Members that know of chargers."""
    connectors: int = 0
    free_connectors: int = 0
    with_chargers: int = 0
    """Members that say what chargers may draw."""
    booked_uw: int = 0
    metered_uw: int = 0
    overbooked_uw: int = 0


class Share(NamedTuple):
    """What one member adds, and when it expects its next release."""

    sums: Sums
    next_release_s: float | None


NOTHING = Share(Sums(), None)


class Totals:
    """Sums over the members in rotation."""

    def __init__(self) -> None:
        self._changed: dict[Belief, None] = {}
        self._shares: dict[Belief, Share] = {}
        self._sums = Sums()
        self._releases: list[tuple[float, Belief]] = []  # a heap

    def note(self, belief: Belief) -> None:
        """This member has changed, or has left."""
        self._changed[belief] = None

    def as_of_now(self) -> Share:
        """The sums with all changes, and the earliest expected release of all."""
        for belief in self._changed:
            self._add_up(belief)
        self._changed.clear()
        return Share(self._sums, self._next_release_s())

    def _add_up(self, belief: Belief) -> None:
        old, new = self._shares.pop(belief, NOTHING), _share(belief)
        if new is not NOTHING:
            self._shares[belief] = new
        changes = zip(self._sums, old.sums, new.sums, strict=True)
        self._sums = Sums(*(total - before + after for total, before, after in changes))
        if new.next_release_s is not None and new.next_release_s != old.next_release_s:
            heapq.heappush(self._releases, (new.next_release_s, belief))

    def _next_release_s(self) -> float | None:
        while self._releases and self._is_outdated(*self._releases[0]):
            heapq.heappop(self._releases)
        if len(self._releases) > 2 * len(self._shares) + 64:
            self._releases = [entry for entry in self._releases if not self._is_outdated(*entry)]
            heapq.heapify(self._releases)
        return self._releases[0][0] if self._releases else None

    def _is_outdated(self, release_s: float, belief: Belief) -> bool:
        return self._shares.get(belief, NOTHING).next_release_s != release_s


def _share(belief: Belief) -> Share:
    status = belief.status
    if status is None or not belief.in_rotation:
        return NOTHING
    known = status.connectors is not None
    free = max(0, (status.free_connectors or 0) - belief.reservations) if known else 0
    sums = Sums(
        microwatts.from_kw(status.capacity_kw),
        microwatts.from_kw(status.load_kw),
        microwatts.from_kw(status.committed_kw + belief.reserved_min_kw),
        microwatts.from_kw(status.demand_kw + belief.reserved_max_kw),
        microwatts.from_kw(status.reserved_kw + belief.reserved_min_kw),
        status.active_sessions,
        status.waiting_sessions,
        microwatts.from_kw(status.waiting_kw),
        microwatts.from_kw(status.waiting_kwh),
        int(known),
        status.connectors or 0,
        free,
        int(status.booked_kw is not None),
        microwatts.from_kw(status.booked_kw or 0.0),
        microwatts.from_kw(status.metered_kw or 0.0),
        microwatts.from_kw(status.overbooked_kw),
    )
    return Share(sums, status.next_release_s)
