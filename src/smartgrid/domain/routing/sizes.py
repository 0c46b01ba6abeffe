"""Which sizes of car have come lately."""

from __future__ import annotations

import math

REMEMBERED = 1024  # cars: enough to have seen a size of 1 % about ten times
RARE_SHARE = 0.005  # of those remembered: nothing is kept free for rarer ones
KEPT = 3  # the largest: room for smaller ones is found anyway
LEAST_KW = 0.1  # smaller ones count as this
LIKE = math.log(1.25)  # sizes within a quarter of each other count as one, the larger


class SizesSeen:
    """The sizes (guaranteed powers) of recent cars, alike ones taken together."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._largest_kw: dict[int, float] = {}
        self._alike: dict[float, int] = {}  # by size: what it is taken together with
        self._until_fading = REMEMBERED
        self.largest_first_kw: tuple[float, ...] = ()

    def note(self, size_kw: float) -> None:
        """A car of this size came."""
        key = self._alike.get(size_kw)
        if key is None:
            key = self._meet(size_kw)
        self._counts[key] += 1
        self._until_fading -= 1
        if not self._until_fading:
            self._fade()

    def _meet(self, size_kw: float) -> int:
        """A size that was not among the latest."""
        counted_kw = max(size_kw, LEAST_KW)
        key = self._alike[size_kw] = round(math.log(counted_kw) / LIKE)
        self._counts.setdefault(key, 0)
        if counted_kw > self._largest_kw.get(key, 0.0):
            self._largest_kw[key] = counted_kw
            self._sort()
        return key

    def _fade(self) -> None:
        """Let older cars count half, and forget the sizes that have become rare."""
        least = RARE_SHARE * sum(self._counts.values())
        self._counts = {key: count // 2 for key, count in self._counts.items() if count >= least}
        self._largest_kw = {key: self._largest_kw[key] for key in self._counts}
        self._alike.clear()
        self._until_fading = REMEMBERED - sum(self._counts.values())
        self._sort()

    def _sort(self) -> None:
        self.largest_first_kw = tuple(sorted(self._largest_kw.values(), reverse=True)[:KEPT])
