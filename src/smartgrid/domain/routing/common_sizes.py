"""Which sizes of car come often enough that room is kept for them.

A size is a minimum, what a car must be guaranteed. Sizes within a quarter of each other count as one, the largest of
them, so that many slightly different cars do not pass for many sizes. A size is common while it makes up half a per
cent of the last thousand cars or so: no single request can make the balancer keep room for a giant for long. Nothing is
kept by time; a fleet at rest forgets nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache

REMEMBERED = 1024  # cars: enough to have seen a size of 1 % about ten times
LOOKED_AT = 256  # after so many cars, or a new size, it is looked at which sizes are common
RARE_SHARE = 0.005  # of those remembered
KEPT = 3  # the largest: room for smaller ones is found anyway
LEAST_KW = 0.1  # smaller ones count as this
ALIKE = math.log(1.25)


class CommonSizes:
    """The sizes of recent cars, alike ones taken together."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._largest_kw: dict[int, float] = {}
        self._cars = 0
        self._next_look = 0
        self.largest_first_kw: tuple[float, ...] = ()
        """The largest common sizes."""

    def note(self, size_kw: float) -> None:
        """A car of this size came."""
        group = _group(size_kw)
        self._counts[group] = self._counts.get(group, 0) + 1
        self._cars += 1
        if size_kw > self._largest_kw.get(group, -1.0):
            self._largest_kw[group] = max(size_kw, LEAST_KW)
            self._look()
        elif self._cars >= self._next_look:
            self._look()

    def _look(self) -> None:
        """Find the common ones. Now and then older cars come to count half, and rare sizes are forgotten."""
        least = RARE_SHARE * self._cars
        common = [group for group, count in self._counts.items() if count >= least]
        self.largest_first_kw = tuple(sorted((self._largest_kw[group] for group in common), reverse=True)[:KEPT])
        if self._cars >= REMEMBERED:
            self._counts = {group: self._counts[group] // 2 for group in common}
            self._largest_kw = {group: self._largest_kw[group] for group in common}
            self._cars = sum(self._counts.values())
        self._next_look = self._cars + LOOKED_AT


@lru_cache(maxsize=256)
def _group(size_kw: float) -> int:
    """A number that sizes have in common which are alike."""
    return round(math.log(max(size_kw, LEAST_KW)) / ALIKE)
