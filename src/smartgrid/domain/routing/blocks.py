"""A sorted list that stays quick at 10,000 entries."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left

from smartgrid.domain.routing.candidate import Candidate

BLOCK_SIZE = 64  # at most


class Block:
    """A short run of candidates in order of their keys, and the free power of each. `most_free_kw` is the most of that.

    The numbers stand together in arrays, since what a search costs is waiting for memory.
    """

    __slots__ = ("candidates", "free_kw", "keys", "most_free_kw")

    def __init__(self, keys: array[float], free_kw: array[float], candidates: list[Candidate]) -> None:
        self.keys = keys
        self.free_kw = free_kw
        self.candidates = candidates
        self.most_free_kw = max(free_kw, default=-math.inf)

    def insert(self, key: float, candidate: Candidate) -> None:
        position = bisect_left(self.keys, key)
        free_kw = candidate.free_kw
        self.keys.insert(position, key)
        self.free_kw.insert(position, free_kw)
        self.candidates.insert(position, candidate)
        self.most_free_kw = max(self.most_free_kw, free_kw)

    def remove(self, position: int) -> None:
        free_kw = self.free_kw[position]
        del self.keys[position], self.free_kw[position], self.candidates[position]
        if free_kw == self.most_free_kw:
            self.most_free_kw = max(self.free_kw, default=-math.inf)

    def cut(self) -> tuple[Block, Block]:
        """Two blocks of half the size."""
        half = len(self.keys) // 2
        return (
            Block(self.keys[:half], self.free_kw[:half], self.candidates[:half]),
            Block(self.keys[half:], self.free_kw[half:], self.candidates[half:]),
        )


class SortedBlocks:
    """Candidates in order of a key, cut into blocks, so that an insertion moves few of them.

    Keys have so many random bits that equal ones are as good as never; they are still told apart. There is always a
    last block, maybe empty, for all keys above those of the others.
    """

    __slots__ = ("blocks", "up_to")

    def __init__(self) -> None:
        self.blocks = [Block(array("d"), array("d"), [])]
        self.up_to = array("d", [math.inf])  # the highest key that belongs into each block

    def insert(self, key: float, candidate: Candidate) -> None:
        number = bisect_left(self.up_to, key)
        block = self.blocks[number]
        block.insert(key, candidate)
        if len(block.keys) > BLOCK_SIZE:
            self._split(number)

    def remove(self, key: float, candidate: Candidate) -> None:
        number = bisect_left(self.up_to, key)
        block = self.blocks[number]
        position = bisect_left(block.keys, key)
        while block.candidates[position] is not candidate:  # equal keys, which may go on in the next block
            position += 1
            if position == len(block.keys):
                number, position = number + 1, 0
                block = self.blocks[number]
        block.remove(position)
        if not block.keys and number < len(self.blocks) - 1:
            del self.blocks[number], self.up_to[number]

    def lowest_key(self) -> float:
        """Of all; infinite if there is none."""
        keys = self.blocks[0].keys
        return keys[0] if keys else math.inf

    def highest_key(self) -> float:
        """Of all; minus infinity if there is none."""
        return next((block.keys[-1] for block in reversed(self.blocks) if block.keys), -math.inf)

    def _split(self, number: int) -> None:
        lower, higher = self.blocks[number].cut()
        self.blocks[number : number + 1] = [lower, higher]
        self.up_to.insert(number, lower.keys[-1])
