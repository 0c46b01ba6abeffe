"""The few candidates with the most free power."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import attrgetter

from smartgrid.domain.routing.blocks import Block
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW

MOST = 128  # kept in order
REFILLED = 64  # kept after a refill: half way, so that it takes many changes to the next

_free_kw = attrgetter("free_kw")


class Roomiest:
    """Sorted, the roomiest last. Of all others it knows only that they have at most `others_kw`.

    So a change of one of the others, and nearly all are, costs one comparison. When too few are left, the owner
    refills it from all.
    """

    __slots__ = ("candidates", "has_changed", "keys", "others_kw", "watched_kw")

    def __init__(self) -> None:
        self.keys = array("d")
        self.candidates: list[Candidate] = []
        self.others_kw = -math.inf
        self.watched_kw = -math.inf
        self.has_changed = False

    def add(self, candidate: Candidate) -> None:
        free_kw = candidate.free_kw
        if free_kw > self.others_kw:
            position = bisect_left(self.keys, free_kw)
            self.keys.insert(position, free_kw)
            self.candidates.insert(position, candidate)
            if free_kw >= self.watched_kw:
                self.has_changed = True
            if len(self.keys) > MOST:
                self._leave(REFILLED)

    def discard(self, candidate: Candidate) -> None:
        free_kw = candidate.free_kw
        if free_kw > self.others_kw:
            position = bisect_left(self.keys, free_kw)
            while self.candidates[position] is not candidate:
                position += 1
            del self.keys[position], self.candidates[position]
            if free_kw >= self.watched_kw:
                self.has_changed = True

    def lacks(self, wanted: int) -> bool:
        """Whether it must be refilled to know this many."""
        return len(self.keys) < wanted and self.others_kw > -math.inf

    def refill(self, blocks: Iterable[Block]) -> None:
        """Find the roomiest of all, which stand in these blocks."""
        found: list[Candidate] = []
        some_unread = False
        for block in sorted(blocks, key=attrgetter("most_free_kw"), reverse=True):
            some_unread = len(found) > REFILLED and block.most_free_kw <= found[-1 - REFILLED].free_kw
            if some_unread:
                break
            found = sorted(found + block.candidates, key=_free_kw)
        self.keys, self.candidates, self.others_kw = array("d", map(_free_kw, found)), found, -math.inf
        if some_unread or len(found) > MOST:
            self._leave(REFILLED)

    def watch(self, free_kw: float) -> None:
        """Note from now on in `has_changed` whether one with this much free changes."""
        self.watched_kw = free_kw - TOLERANCE_KW
        self.has_changed = False

    def has(self, wanted: int, free_kw: float) -> bool:
        """Whether so many have this much free."""
        return len(self.keys) >= wanted and self.keys[-wanted] >= free_kw - TOLERANCE_KW

    def largest_free_kw(self) -> float:
        return max(0.0, self.keys[-1]) if self.keys else 0.0

    def _leave(self, number: int) -> None:
        """Keep this many; the rest count among the others from now on, with any that are equal to them."""
        self.others_kw = self.keys[-1 - number]
        rest = bisect_right(self.keys, self.others_kw)
        del self.keys[:rest], self.candidates[:rest]
