"""The sums over a fleet, kept as it changes."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from smartgrid.domain.routing.candidate import Candidate

MILLIWATTS = 1_000_000  # in a kW: whole ones, so that what is added and taken away again leaves nothing behind


class Sums(NamedTuple):
    """What one substation adds, or what all add up to."""

    capacity_mw: int = 0
    load_mw: int = 0
    committed_mw: int = 0
    demand_mw: int = 0
    active_sessions: int = 0


class Share(NamedTuple):
    """What one substation adds, and when it expects its next release."""

    sums: Sums
    next_release_s: float | None


NOTHING = Share(Sums(), None)


class Totals:
    """Sums over the substations in rotation. Changes are noted at once and added up when the sums are asked for."""

    def __init__(self) -> None:
        self._changed: dict[Candidate, None] = {}
        self._shares: dict[Candidate, Share] = {}
        self._sums = Sums()
        self._releases: list[tuple[float, Candidate]] = []  # a heap; entries that are not the candidate's are void

    def note(self, candidate: Candidate) -> None:
        """This substation has changed, or has left."""
        self._changed[candidate] = None

    def settle(self) -> Share:
        """The sums as of now, and the earliest expected release of all."""
        for candidate in self._changed:
            self._settle(candidate)
        self._changed.clear()
        return Share(self._sums, self._next_release_s())

    def _settle(self, candidate: Candidate) -> None:
        old, new = self._shares.pop(candidate, NOTHING), _share(candidate)
        if new is not NOTHING:
            self._shares[candidate] = new
        changes = zip(self._sums, old.sums, new.sums, strict=True)
        self._sums = Sums(*(total - before + after for total, before, after in changes))
        if new.next_release_s is not None and new.next_release_s != old.next_release_s:
            heapq.heappush(self._releases, (new.next_release_s, candidate))

    def _next_release_s(self) -> float | None:
        while self._releases and self._is_void(*self._releases[0]):
            heapq.heappop(self._releases)
        if len(self._releases) > 2 * len(self._shares) + 64:
            self._releases = [entry for entry in self._releases if not self._is_void(*entry)]
            heapq.heapify(self._releases)
        return self._releases[0][0] if self._releases else None

    def _is_void(self, release_s: float, candidate: Candidate) -> bool:
        return self._shares.get(candidate, NOTHING).next_release_s != release_s


def _share(candidate: Candidate) -> Share:
    status = candidate.status
    if status is None or not candidate.in_rotation:
        return NOTHING
    sums = Sums(
        round(status.capacity_kw * MILLIWATTS),
        round(status.load_kw * MILLIWATTS),
        round((status.committed_kw + candidate.reserved_min_kw) * MILLIWATTS),
        round((status.demand_kw + candidate.reserved_max_kw) * MILLIWATTS),
        status.active_sessions,
    )
    return Share(sums, status.next_release_s)
