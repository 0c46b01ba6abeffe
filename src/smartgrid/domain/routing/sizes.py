"""Which sizes of car have come lately."""

from __future__ import annotations

import math

REMEMBERED = 1024  # cars: enough to have seen a size of 1 % about ten times
LOOKED_AT = 256  # after so many cars, or a new size, it is looked at which sizes are common
RARE_SHARE = 0.005  # of those remembered: nothing is kept free for rarer ones, so that no single request changes much
KEPT = 3  # the largest: room for smaller ones is found anyway
LEAST_KW = 0.1  # smaller ones count as this
LIKE = math.log(1.25)  # sizes within a quarter of each other count as one, the larger


class SizesSeen:
    """The sizes (guaranteed powers) of recent cars, alike ones taken together."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._largest_kw: dict[int, float] = {}
        self._alike: dict[float, int] = {}  # by size: what it is taken together with
        self._total = 0
        self._next_look = 0
        self.largest_first_kw: tuple[float, ...] = ()

    def note(self, size_kw: float) -> None:
        """A car of this size came."""
        key = self._alike.get(size_kw)
        if key is None:
            key = self._meet(size_kw)
        self._counts[key] += 1
        self._total += 1
        if self._total >= self._next_look:
            self._look()

    def _meet(self, size_kw: float) -> int:
        """A size that was not among the latest."""
        counted_kw = max(size_kw, LEAST_KW)
        key = self._alike[size_kw] = round(math.log(counted_kw) / LIKE)
        self._counts.setdefault(key, 0)
        if counted_kw > self._largest_kw.get(key, 0.0):
            self._largest_kw[key] = counted_kw
            self._next_look = 0
        return key

    def _look(self) -> None:
        """Which are the largest that are not rare. Now and then older cars come to count half."""
        least = RARE_SHARE * self._total
        common = [key for key, count in self._counts.items() if count >= least]
        self.largest_first_kw = tuple(sorted((self._largest_kw[key] for key in common), reverse=True)[:KEPT])
        if self._total >= REMEMBERED:
            self._counts = {key: self._counts[key] // 2 for key in common}
            self._largest_kw = {key: self._largest_kw[key] for key in common}
            self._alike.clear()
            self._total = sum(self._counts.values())
        self._next_look = self._total + LOOKED_AT
