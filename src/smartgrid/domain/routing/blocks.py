"""A sorted list that stays quick at 10,000 entries."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left

from smartgrid.domain.routing.candidate import Candidate

BLOCK_SIZE = 32


class Block:
    """A short run of candidates in order of their keys. `most_free_kw` is the most free power in it."""

    __slots__ = ("candidates", "keys", "most_free_kw")

    def __init__(self, keys: array[float], candidates: list[Candidate]) -> None:
        self.keys = keys  # together in memory, since what a search costs is waiting for memory
        self.candidates = candidates
        self.measure()

    def measure(self) -> None:
        self.most_free_kw = max([candidate.free_kw for candidate in self.candidates], default=-math.inf)


class SortedBlocks:
    """Candidates in order of a key, cut into blocks, so that an insertion moves few of them.

    Keys have so many random bits that equal ones are as good as never; they are still told apart. There is always a
    last block, maybe empty, for all keys above those of the others.
    """

    __slots__ = ("blocks", "up_to")

    def __init__(self) -> None:
        self.blocks = [Block(array("d"), [])]
        self.up_to = array("d", [math.inf])  # the highest key that belongs into each block

    def insert(self, key: float, candidate: Candidate) -> None:
        number = bisect_left(self.up_to, key)
        block = self.blocks[number]
        position = bisect_left(block.keys, key)
        block.keys.insert(position, key)
        block.candidates.insert(position, candidate)
        block.most_free_kw = max(block.most_free_kw, candidate.free_kw)
        if len(block.keys) > 2 * BLOCK_SIZE:
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
        del block.keys[position], block.candidates[position]
        if candidate.free_kw == block.most_free_kw:
            block.measure()
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
        block = self.blocks[number]
        self.blocks[number : number + 1] = [
            Block(block.keys[:BLOCK_SIZE], block.candidates[:BLOCK_SIZE]),
            Block(block.keys[BLOCK_SIZE:], block.candidates[BLOCK_SIZE:]),
        ]
        self.up_to.insert(number, block.keys[BLOCK_SIZE - 1])
