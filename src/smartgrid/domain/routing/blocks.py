"""A sorted list that stays quick at 10,000 entries."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from smartgrid.domain.routing.candidate import Candidate

BLOCK_SIZE = 64


class Block:
    """A short run of candidates in order of their keys. `most_free_kw` is at least the most free power in it."""

    __slots__ = ("candidates", "keys", "most_free_kw")

    def __init__(self, keys: array[float], candidates: list[Candidate]) -> None:
        self.keys = keys  # together in memory, since what a search costs is waiting for memory
        self.candidates = candidates
        self.measure()

    def measure(self) -> None:
        self.most_free_kw = max(candidate.free_kw for candidate in self.candidates)


class SortedBlocks:
    """Candidates in order of a key, cut into blocks, so that an insertion moves few of them.

    Keys have so many random bits that equal ones are as good as never; they are still told apart.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.highest = array("d")  # the highest key in each block
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def insert(self, key: float, candidate: Candidate) -> None:
        self.size += 1
        if not self.blocks:
            self.blocks.append(Block(array("d", [key]), [candidate]))
            self.highest.append(key)
            return
        number = bisect_left(self.highest, key)
        if number == len(self.blocks):
            number -= 1
            self.highest[number] = key
        block = self.blocks[number]
        position = bisect_left(block.keys, key)
        block.keys.insert(position, key)
        block.candidates.insert(position, candidate)
        block.most_free_kw = max(block.most_free_kw, candidate.free_kw)
        if len(block.candidates) > 2 * BLOCK_SIZE:
            self._split(number)

    def remove(self, key: float, candidate: Candidate) -> None:
        number, position = self._find(key, candidate)
        block = self.blocks[number]
        del block.keys[position]
        del block.candidates[position]
        self.size -= 1
        if block.candidates:
            self.highest[number] = block.keys[-1]
        else:
            del self.blocks[number], self.highest[number]

    def _find(self, key: float, candidate: Candidate) -> tuple[int, int]:
        """Block and position."""
        number = bisect_left(self.highest, key)
        position = bisect_left(self.blocks[number].keys, key)
        while self.blocks[number].candidates[position] is not candidate:
            position += 1
            if position == len(self.blocks[number].candidates):
                number, position = number + 1, 0
        return number, position

    def _split(self, number: int) -> None:
        block = self.blocks[number]
        self.blocks[number : number + 1] = [
            Block(block.keys[:BLOCK_SIZE], block.candidates[:BLOCK_SIZE]),
            Block(block.keys[BLOCK_SIZE:], block.candidates[BLOCK_SIZE:]),
        ]
        self.highest.insert(number, block.keys[BLOCK_SIZE - 1])
