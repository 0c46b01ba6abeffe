"""Candidates in order of their demand / capacity."""

from __future__ import annotations

import math
from collections.abc import Container

from smartgrid.domain.routing.blocks import SortedBlocks
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW


class ByLevel(SortedBlocks):
    """Substations of like capacity, the lowest first.

    Blocks in which no one has room are passed over as a whole, so the lowest with room is found quickly even where
    low and full go together, as where some cars are rigid and others flexible.
    """

    __slots__ = ("levels_per_kw", "lowest_level")

    def __init__(self, levels_per_kw: float) -> None:
        super().__init__()
        self.levels_per_kw = levels_per_kw
        self.lowest_level = math.inf

    def add(self, candidate: Candidate) -> None:
        level = candidate.level
        self.insert(level, candidate)
        self.lowest_level = min(self.lowest_level, level)

    def discard(self, candidate: Candidate) -> None:
        self.remove(candidate.level, candidate)
        if candidate.level == self.lowest_level:
            self.lowest_level = self.lowest_key()

    def lowest(self, min_kw: float, below_kw: float, below_level: float, excluded: Container[str]) -> Candidate | None:
        """The lowest of those with room for `min_kw` but not for `below_kw`, if it is lower than `below_level`."""
        least_kw, limit_kw = min_kw - TOLERANCE_KW, below_kw - TOLERANCE_KW
        for block in self.blocks:
            if block.most_free_kw >= least_kw:
                if block.keys[0] >= below_level:
                    break
                for position, free_kw in enumerate(block.free_kw):
                    if least_kw <= free_kw < limit_kw and block.candidates[position].name not in excluded:
                        return block.candidates[position] if block.keys[position] < below_level else None
        return None
