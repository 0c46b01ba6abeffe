"""Candidates in order of their free power."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container, Iterator

from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW


class ByFree:
    """A sorted list, the fullest candidate first.

    A plain one: to move half of 10,000 entries for an insertion takes a microsecond, less than any tree in Python. The
    keys lie together in memory, since what a search costs is waiting for memory.
    """

    def __init__(self) -> None:
        self._frees_kw = array("d")
        self._candidates: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._candidates)

    def add(self, candidate: Candidate) -> None:
        position = bisect_left(self._frees_kw, candidate.free_kw)
        self._frees_kw.insert(position, candidate.free_kw)
        self._candidates.insert(position, candidate)

    def discard(self, candidate: Candidate) -> None:
        position = bisect_left(self._frees_kw, candidate.free_kw)
        while self._candidates[position] is not candidate:  # as good as never: no two are equally full
            position += 1
        del self._frees_kw[position]
        del self._candidates[position]

    def first_with(self, free_kw: float) -> int:
        """The position of the fullest candidate that still has this much free; `len(self)` if none has."""
        return bisect_left(self._frees_kw, free_kw - TOLERANCE_KW)

    def places(self, size_kw: float, enough: float) -> int:
        """How many cars of this size would find room, one after the other; counted no further than `enough`."""
        frees_kw, counted, needed_kw = self._frees_kw, 0, size_kw - TOLERANCE_KW
        while counted < enough and frees_kw and frees_kw[-1] >= needed_kw:
            counted += len(frees_kw) - bisect_left(frees_kw, needed_kw)
            needed_kw += size_kw
        return counted

    def at(self, position: int) -> Candidate:
        return self._candidates[position]

    def roomiest(self, free_kw: float) -> list[Candidate]:
        """Those that have this much free, the fullest first."""
        return self._candidates[self.first_with(free_kw) :]

    def with_room(self, min_kw: float, excluded: Container[str]) -> Iterator[Candidate]:
        """Those that can admit this minimum, the fullest first."""
        for position in range(self.first_with(min_kw), len(self._candidates)):
            candidate = self._candidates[position]
            if candidate.name not in excluded:
                yield candidate

    def roomiest_first(self) -> Iterator[Candidate]:
        return reversed(self._candidates)

    def largest_free_kw(self) -> float:
        return max(0.0, self._frees_kw[-1]) if self._frees_kw else 0.0
