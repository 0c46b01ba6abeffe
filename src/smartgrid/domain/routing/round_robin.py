"""`round-robin`: each in its turn, passing over those without room."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container
from itertools import chain

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.policy import FreeOrdered


class RoundRobin(FreeOrdered):
    """Goes round in the order in which the substations joined."""

    def __init__(self) -> None:
        super().__init__()
        self._ring: list[Candidate] = []
        self._last = 0  # the order of the one chosen last

    def add(self, candidate: Candidate) -> None:
        super().add(candidate)
        insort(self._ring, candidate)

    def discard(self, candidate: Candidate) -> None:
        super().discard(candidate)
        del self._ring[bisect_left(self._ring, candidate)]

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        start = bisect_right(self._ring, self._last, key=lambda candidate: candidate.order)
        turns = chain(range(start, len(self._ring)), range(start))
        for candidate in map(self._ring.__getitem__, turns):
            if candidate.fits(power.min_kw) and candidate.name not in excluded:
                self._last = candidate.order
                return candidate
        return None
