"""Candidates in order of their demand / capacity."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Container

from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW

BLOCK_SIZE = 64


class Block:
    """A short run in order of the levels. `most_free_kw` is at least the most free power in it."""

    __slots__ = ("candidates", "levels", "most_free_kw")

    def __init__(self, candidates: list[Candidate]) -> None:
        self.candidates = candidates
        self.levels = array("d", [candidate.level for candidate in candidates])
        self.measure()

    def measure(self) -> None:
        self.most_free_kw = max(candidate.free_kw for candidate in self.candidates)


class ByLevel:
    """A sorted list of substations of like capacity, cut into blocks.

    Blocks in which no one has room are passed over as a whole, so the lowest with room is found quickly even where
    low and full go together, as where some cars are rigid and others flexible.
    """

    def __init__(self, levels_per_kw: float) -> None:
        self.levels_per_kw = levels_per_kw
        self.lowest_level = math.inf
        self._blocks: list[Block] = []
        self._highest = array("d")  # the highest level in each block

    def add(self, candidate: Candidate) -> None:
        level = candidate.level
        self.lowest_level = min(self.lowest_level, level)
        if not self._blocks:
            self._blocks.append(Block([candidate]))
            self._highest.append(level)
            return
        number = bisect_left(self._highest, level)
        if number == len(self._blocks):
            number -= 1
            self._highest[number] = level
        block = self._blocks[number]
        position = bisect_left(block.levels, level)
        block.levels.insert(position, level)
        block.candidates.insert(position, candidate)
        block.most_free_kw = max(block.most_free_kw, candidate.free_kw)
        if len(block.candidates) > 2 * BLOCK_SIZE:
            self._split(number)

    def discard(self, candidate: Candidate) -> None:
        number, position = self._find(candidate)
        block = self._blocks[number]
        del block.levels[position]
        del block.candidates[position]
        if block.levels:
            self._highest[number] = block.levels[-1]
        else:
            del self._blocks[number], self._highest[number]
        if candidate.level == self.lowest_level:
            self.lowest_level = self._blocks[0].levels[0] if self._blocks else math.inf

    def lowest(self, min_kw: float, below_kw: float, excluded: Container[str]) -> Candidate | None:
        """The lowest of those with room for `min_kw` but not for `below_kw`."""
        least_kw, limit_kw = min_kw - TOLERANCE_KW, below_kw - TOLERANCE_KW
        for block in self._blocks:
            if block.most_free_kw >= least_kw:
                for candidate in block.candidates:
                    if least_kw <= candidate.free_kw < limit_kw and candidate.name not in excluded:
                        return candidate
                block.measure()
        return None

    def _find(self, candidate: Candidate) -> tuple[int, int]:
        """Block and position. Levels have so many random bits that equal ones are as good as never."""
        number = bisect_left(self._highest, candidate.level)
        position = bisect_left(self._blocks[number].levels, candidate.level)
        while self._blocks[number].candidates[position] is not candidate:
            position += 1
            if position == len(self._blocks[number].candidates):
                number, position = number + 1, 0
        return number, position

    def _split(self, number: int) -> None:
        candidates = self._blocks[number].candidates
        halves = [Block(candidates[:BLOCK_SIZE]), Block(candidates[BLOCK_SIZE:])]
        self._blocks[number : number + 1] = halves
        self._highest[number : number + 1] = array("d", [half.levels[-1] for half in halves])
