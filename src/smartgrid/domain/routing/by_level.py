"""Candidates in order of their demand / capacity."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Container

from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW

Entry = tuple[float, Candidate]  # level, candidate

BLOCK_SIZE = 64


class Block:
    """A short sorted run. `most_free_kw` is at least the most free power in it."""

    __slots__ = ("entries", "most_free_kw")

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.measure()

    def measure(self) -> None:
        self.most_free_kw = max(candidate.free_kw for _, candidate in self.entries)


class ByLevel:
    """A sorted list of substations of like capacity, cut into blocks.

    Blocks in which no one has room are passed over as a whole, so the lowest with room is found quickly even where
    low and full go together, as where some cars are rigid and others flexible.
    """

    def __init__(self, levels_per_kw: float) -> None:
        self.levels_per_kw = levels_per_kw
        self.lowest_level = math.inf
        self._blocks: list[Block] = []
        self._lasts: list[Entry] = []  # the last entry of each block

    def add(self, candidate: Candidate) -> None:
        entry = (candidate.level, candidate)
        if not self._blocks:
            self._blocks.append(Block([entry]))
            self._lasts.append(entry)
        else:
            self._add_to_block(min(bisect_left(self._lasts, entry), len(self._lasts) - 1), entry)
        self.lowest_level = min(self.lowest_level, candidate.level)

    def discard(self, candidate: Candidate) -> None:
        entry = (candidate.level, candidate)
        position = bisect_left(self._lasts, entry)
        entries = self._blocks[position].entries
        del entries[bisect_left(entries, entry)]
        if entries:
            self._lasts[position] = entries[-1]
        else:
            del self._blocks[position], self._lasts[position]
        if candidate.level == self.lowest_level:
            self.lowest_level = self._blocks[0].entries[0][0] if self._blocks else math.inf

    def lowest(self, min_kw: float, below_kw: float, excluded: Container[str]) -> Entry | None:
        """The lowest of those with room for `min_kw` but not for `below_kw`."""
        least_kw, limit_kw = min_kw - TOLERANCE_KW, below_kw - TOLERANCE_KW
        for block in self._blocks:
            if block.most_free_kw >= least_kw:
                for entry in block.entries:
                    if least_kw <= entry[1].free_kw < limit_kw and entry[1].name not in excluded:
                        return entry
                block.measure()
        return None

    def _add_to_block(self, position: int, entry: Entry) -> None:
        block = self._blocks[position]
        insort(block.entries, entry)
        block.most_free_kw = max(block.most_free_kw, entry[1].free_kw)
        self._lasts[position] = block.entries[-1]
        if len(block.entries) > 2 * BLOCK_SIZE:
            halves = [Block(block.entries[:BLOCK_SIZE]), Block(block.entries[BLOCK_SIZE:])]
            self._blocks[position : position + 1] = halves
            self._lasts[position : position + 1] = [half.entries[-1] for half in halves]
