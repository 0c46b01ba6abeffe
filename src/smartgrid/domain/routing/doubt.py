"""Which views may be out of date in a car's favour."""

from __future__ import annotations

import heapq
import math
from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.by_free import ByFree
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW


class Doubts:
    """The substations that may have more room than their views say.

    A view is doubtful from the time when a release was expected, or when it has become too old to be trusted, until
    the next status. Room that is only held for cars that have not been admitted yet is doubtful too.
    """

    def __init__(self) -> None:
        self._doubtful = ByFree()
        self._holding: dict[Candidate, None] = {}
        self._due: list[tuple[float, Candidate]] = []  # a heap, with an entry for each no later than its time

    def watch(self, candidate: Candidate) -> None:
        """A new status came in: doubt it from `candidate.due_s` on."""
        candidate.doubtful = False
        if candidate.due_s < candidate.queued_s:
            candidate.queued_s = candidate.due_s
            heapq.heappush(self._due, (candidate.due_s, candidate))

    def add(self, candidate: Candidate) -> None:
        if candidate.doubtful:
            self._doubtful.add(candidate)
        if candidate.reservations:
            self._holding[candidate] = None

    def discard(self, candidate: Candidate) -> None:
        if candidate.doubtful:
            self._doubtful.discard(candidate)
        self._holding.pop(candidate, None)

    def most_promising(self, power: PowerRange, now_s: float, excluded: Container[str]) -> Candidate | None:
        """The doubtful one with the most free power that is large enough for this car at all."""
        self._come_to_doubt(now_s)
        for candidate in self._doubtful.roomiest_first():
            if candidate.name not in excluded and power.min_kw <= candidate.capacity_kw + TOLERANCE_KW:
                return candidate
        for candidate in self._holding:
            if candidate.name not in excluded and candidate.fits(power.min_kw - candidate.reserved_min_kw):
                return candidate
        return None

    def _come_to_doubt(self, now_s: float) -> None:
        """Doubt those whose time has come. Statuses put it off, mostly: then its entry is put off too, now."""
        while self._due and self._due[0][0] <= now_s:
            queued_s, candidate = heapq.heappop(self._due)
            if queued_s != candidate.queued_s:
                continue  # an earlier entry has taken its place
            candidate.queued_s = math.inf
            if candidate.due_s > now_s:
                self.watch(candidate)
            else:
                candidate.doubtful = True
                if candidate.routable:
                    self._doubtful.add(candidate)
