"""Which sizes of car have come lately."""

from __future__ import annotations

import math

REMEMBERED = 1024  # cars: enough to have seen a size of 1 % about ten times
RARE_SHARE = 0.005  # of those remembered: nothing is kept free for rarer ones
KEPT = 3  # the largest: room for smaller ones is found anyway
LIKE = math.log(1.25)  # sizes within a quarter of each other count as one, the larger


class SizesSeen:
    """The sizes (guaranteed powers) of recent cars, alike ones taken together."""

    def __init__(self) -> None:
        self._counts: dict[int, float] = {}
        self._largest_kw: dict[int, float] = {}
        self._total = 0.0
        self.largest_first_kw: tuple[float, ...] = ()

    def note(self, size_kw: float) -> None:
        """A car of this size came."""
        if size_kw <= 0:
            return
        key = round(math.log(size_kw) / LIKE)
        is_news = size_kw > self._largest_kw.get(key, 0.0)
        self._counts[key] = self._counts.get(key, 0.0) + 1
        self._total += 1
        if is_news:
            self._largest_kw[key] = size_kw
        if self._total >= REMEMBERED:
            self._fade()
        elif is_news:
            self._sort()

    def _fade(self) -> None:
        """Let older cars count half, and forget the sizes that have become rare."""
        least = RARE_SHARE * self._total
        self._counts = {key: count / 2 for key, count in self._counts.items() if count >= least}
        self._largest_kw = {key: self._largest_kw[key] for key in self._counts}
        self._total = sum(self._counts.values())
        self._sort()

    def _sort(self) -> None:
        self.largest_first_kw = tuple(sorted(self._largest_kw.values(), reverse=True)[:KEPT])
