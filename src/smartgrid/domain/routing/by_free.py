"""Candidates in order of their free power."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container, Iterator

from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.sharing import TOLERANCE_KW


class ByFree:
    """A sorted list, the fullest candidate first; of equally full ones the one with the lower level.

    A plain list: to move half of 10,000 entries for an insertion takes a microsecond, less than any tree in Python.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, float, Candidate]] = []  # free_kw, level, candidate
        self._frees_kw = array("d")  # of the entries: lies together in memory, so it is quicker to search

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, candidate: Candidate) -> None:
        entry = (candidate.free_kw, candidate.level, candidate)
        position = bisect_left(self._entries, entry)
        self._entries.insert(position, entry)
        self._frees_kw.insert(position, candidate.free_kw)

    def discard(self, candidate: Candidate) -> None:
        position = bisect_left(self._entries, (candidate.free_kw, candidate.level, candidate))
        del self._entries[position]
        del self._frees_kw[position]

    def first_with(self, free_kw: float) -> int:
        """The position of the fullest candidate that still has this much free; `len(self)` if none has."""
        return bisect_left(self._frees_kw, free_kw - TOLERANCE_KW)

    def places(self, size_kw: float, enough: float) -> int:
        """How many cars of this size would find room, one after the other; counted no further than `enough`."""
        counted, needed_kw = 0, size_kw - TOLERANCE_KW
        while counted < enough:
            fitting = len(self._frees_kw) - bisect_left(self._frees_kw, needed_kw)
            if not fitting:
                break
            counted += fitting
            needed_kw += size_kw
        return counted

    def at(self, position: int) -> Candidate:
        return self._entries[position][2]

    def roomiest(self, free_kw: float) -> list[tuple[float, float, Candidate]]:
        """`(free_kw, level, candidate)` of those that have this much free."""
        return self._entries[self.first_with(free_kw) :]

    def with_room(self, min_kw: float, excluded: Container[str]) -> Iterator[Candidate]:
        """Those that can admit this minimum, the fullest first."""
        for position in range(self.first_with(min_kw), len(self._entries)):
            candidate = self._entries[position][2]
            if candidate.name not in excluded:
                yield candidate

    def roomiest_first(self) -> Iterator[Candidate]:
        return (entry[2] for entry in reversed(self._entries))

    def largest_free_kw(self) -> float:
        return max(0.0, self._frees_kw[-1]) if self._frees_kw else 0.0
