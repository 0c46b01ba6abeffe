"""A sorted list that stays quick at 10,000 entries.

It is cut into blocks of at most 64, so that an insertion moves few entries: one bisection finds the block, a second one
the place in it. `sortedcontainers` works in the same way, with larger blocks; here what stands beside an entry can be
kept with it (`ByLevel` keeps the room of each), and the keys are arrays of plain numbers, since what a search in a
large fleet waits for is memory, not the processor.

Keys have so many random bits that two are hardly ever equal; if they are, entries are still told apart.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Generic, Self, TypeVar

from smartgrid.domain.routing.candidate import Candidate

BLOCK_SIZE = 64  # at most


class Block:
    """A short run of candidates in order of their keys."""

    __slots__ = ("candidates", "keys")

    def __init__(self) -> None:
        self.keys = array("d")
        self.candidates: list[Candidate] = []

    def insert(self, position: int, key: float, candidate: Candidate) -> None:
        self.keys.insert(position, key)
        self.candidates.insert(position, candidate)

    def remove(self, position: int) -> None:
        del self.keys[position], self.candidates[position]

    def cut_off(self, position: int) -> Self:
        """A new block of all up to this position, which are in this one no more."""
        lower = type(self)()
        lower.keys, self.keys = self.keys[:position], self.keys[position:]
        lower.candidates, self.candidates = self.candidates[:position], self.candidates[position:]
        return lower


B = TypeVar("B", bound=Block)


class SortedBlocks(Generic[B]):
    """Candidates in order of a key.

    There is always a last block, which may be empty, for all keys above those of the others.
    """

    __slots__ = ("blocks", "up_to")

    def __init__(self, last: B) -> None:
        """`last` is an empty block; all others are cut off from it."""
        self.blocks = [last]
        self.up_to = array("d", [math.inf])  # the highest key that belongs into each block

    def insert(self, key: float, candidate: Candidate) -> None:
        number = bisect_left(self.up_to, key)
        block = self.blocks[number]
        block.insert(bisect_left(block.keys, key), key, candidate)
        if len(block.keys) > BLOCK_SIZE:
            lower = block.cut_off(BLOCK_SIZE // 2)
            self.blocks.insert(number, lower)
            self.up_to.insert(number, lower.keys[-1])

    def remove(self, key: float, candidate: Candidate) -> None:
        """Remove the candidate that was inserted with this key."""
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
        """The lowest of all keys, or infinity if there is none."""
        keys = self.blocks[0].keys
        return keys[0] if keys else math.inf

    def count_from(self, key: float) -> int:
        """How many have at least this key."""
        number = bisect_left(self.up_to, key)
        below = bisect_left(self.blocks[number].keys, key)
        return sum(len(block.keys) for block in self.blocks[number:]) - below

    def ascending_from(self, key: float) -> Iterator[Candidate]:
        """Those with at least this key, the lowest key first."""
        number = bisect_left(self.up_to, key)
        runs = [block.candidates for block in self.blocks[number:]]
        runs[0] = runs[0][bisect_left(self.blocks[number].keys, key) :]
        return chain.from_iterable(runs)

    def descending(self) -> Iterator[Candidate]:
        """All, the highest key first."""
        for block in reversed(self.blocks):
            yield from reversed(block.candidates)

    def from_highest(self, position: int) -> Candidate:
        """The one at this position from the highest key, which is at 0. Raises IndexError if there are not so many."""
        for block in reversed(self.blocks):
            if position < len(block.candidates):
                return block.candidates[-1 - position]
            position -= len(block.candidates)
        raise IndexError(position)

    def highest_keys(self, number: int) -> Sequence[float]:
        """So many of the highest keys, or all if there are fewer, the highest first."""
        keys, lower_blocks = self.blocks[-1].keys, len(self.blocks) - 1
        while len(keys) < number and lower_blocks:
            lower_blocks -= 1
            keys = self.blocks[lower_blocks].keys + keys
        return keys[: -1 - number : -1]
