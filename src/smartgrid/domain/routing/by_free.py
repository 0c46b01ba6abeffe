"""Candidates in order of their free power."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator

from smartgrid.domain.routing.blocks import SortedBlocks
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW


class ByFree(SortedBlocks):
    """The fullest first."""

    def add(self, candidate: Candidate) -> None:
        self.insert(candidate.free_kw, candidate)

    def discard(self, candidate: Candidate) -> None:
        self.remove(candidate.free_kw, candidate)

    def count(self, free_kw: float) -> int:
        """How many have this much free."""
        least_kw = free_kw - TOLERANCE_KW
        number = bisect_left(self.up_to, least_kw)
        counted = -bisect_left(self.blocks[number].keys, least_kw)
        return counted + sum(len(block.keys) for block in self.blocks[number:])

    def with_room(self, min_kw: float, excluded: Container[str]) -> Iterator[Candidate]:
        """Those that can admit this minimum, the fullest first."""
        least_kw = min_kw - TOLERANCE_KW
        for block in self.blocks[bisect_left(self.up_to, least_kw) :]:
            for candidate in block.candidates[bisect_left(block.keys, least_kw) :]:
                if candidate.name not in excluded:
                    yield candidate

    def roomiest_first(self) -> Iterator[Candidate]:
        return (candidate for block in reversed(self.blocks) for candidate in reversed(block.candidates))

    def from_roomiest(self, position: int) -> Candidate:
        """The roomiest is at 0."""
        for block in reversed(self.blocks):
            if position < len(block.candidates):
                return block.candidates[-1 - position]
            position -= len(block.candidates)
        raise IndexError(position)

    def largest_free_kw(self) -> float:
        return max(0.0, self.highest_key())
