"""The members of like capacity, in order of their level."""

from __future__ import annotations

import math
from array import array
from collections.abc import Container
from typing import Self

from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index.sorted_blocks import Block, SortedBlocks
from smartgrid.domain.sharing import TOLERANCE_KW


class LevelBlock(Block):
    """A run of candidates with the room of each, and the most of that."""

    __slots__ = ("most_room_kw", "rooms_kw")

    def __init__(self) -> None:
        super().__init__()
        self.rooms_kw = array("d")
        self.most_room_kw = -math.inf

    def insert(self, position: int, key: float, candidate: Candidate) -> None:
        self.keys.insert(position, key)
        self.candidates.insert(position, candidate)
        self.rooms_kw.insert(position, candidate.room_kw)
        self.most_room_kw = max(self.most_room_kw, candidate.room_kw)

    def remove(self, position: int) -> None:
        room_kw = self.rooms_kw[position]
        del self.keys[position], self.candidates[position], self.rooms_kw[position]
        if room_kw == self.most_room_kw:
            self.most_room_kw = max(self.rooms_kw, default=-math.inf)

    def cut_off(self, position: int) -> Self:
        lower = super().cut_off(position)
        lower.rooms_kw, self.rooms_kw = self.rooms_kw[:position], self.rooms_kw[position:]
        lower.most_room_kw, self.most_room_kw = max(lower.rooms_kw), max(self.rooms_kw)
        return lower


class ByLevel(SortedBlocks[LevelBlock]):
    """One class of members: a car raises the level of each of them by the same `levels_per_kw`."""

    __slots__ = ("levels_per_kw", "lowest_level")

    def __init__(self, levels_per_kw: float) -> None:
        super().__init__(LevelBlock())
        self.levels_per_kw = levels_per_kw
        self.lowest_level = math.inf

    def add(self, candidate: Candidate) -> None:
        level = candidate.level
        self.insert(level, candidate)
        self.lowest_level = min(self.lowest_level, level)

    def discard(self, candidate: Candidate) -> None:
        level = candidate.level
        self.remove(level, candidate)
        if level == self.lowest_level:
            self.lowest_level = self.lowest_key()

    def lowest(self, min_kw: float, below_kw: float, below_level: float, excluded: Container[str]) -> Candidate | None:
        """The lowest of those with room for `min_kw` but not for `below_kw`, if it is lower than `below_level`.

        Blocks in which no one has room are passed over as a whole, so it is found quickly even where low and full go
        together, as where some cars are rigid and others flexible.
        """
        least_kw, limit_kw = min_kw - TOLERANCE_KW, below_kw - TOLERANCE_KW
        for block in self.blocks:
            if block.most_room_kw >= least_kw:
                if block.keys[0] >= below_level:
                    break
                for position, room_kw in enumerate(block.rooms_kw):
                    if least_kw <= room_kw < limit_kw and block.candidates[position].name not in excluded:
                        return block.candidates[position] if block.keys[position] < below_level else None
        return None
