"""The members that may get cars, in every order in which a policy looks for one.

A policy asks questions such as "which has the lowest level of those with room for 11 kW?". A plain walk over all
members would answer them, and defines what the answers are (`tests/domain/routing/plain.py`); but in a fleet of 10,000
it would take milliseconds for each car. So the members stand here in several sorted lists at once:

- by room, for all questions about the fullest, the roomiest, and how many have room for something;
- by level, one list for each class of like capacity: within one a car raises all levels alike, so the lowest without
  the car is the lowest with it, and only the best of each class have to be compared;
- those whose status may be out of date, by room again, for the last questions before a car is refused;
- in the order in which they joined, which seldom changes.

A sorted list is spoilt by an entry that changes while it is in it. Therefore nothing that is in here can change:
candidates are tuples, and `put` is the only way to give a member another place. It takes the former candidate out of
every list by the very keys that it was put in with, and then puts in the new one. What might fail, the making of a
candidate from a status, happens before.

A change costs a few microseconds and grows with the logarithm of the fleet. So does each question, but for one: whom a
car that has been refused by many has not asked yet.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Container, Iterator, Sequence

from smartgrid.domain import microwatts
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index.by_level import ByLevel
from smartgrid.domain.routing.index.sorted_blocks import Block, SortedBlocks
from smartgrid.domain.sharing import TOLERANCE_KW


class FleetIndex:
    """The members of one fleet that may get cars, each by its latest `Candidate`."""

    def __init__(self) -> None:
        self._by_order: dict[int, Candidate] = {}
        self._orders: list[int] = []  # ascending
        self._by_room = SortedBlocks(Block())
        self._classes: dict[float, ByLevel] = {}
        self._doubtful = SortedBlocks(Block())  # by room
        self._holding: dict[int, Candidate] = {}
        self._capacity_uw = 0
        self.mean_capacity_kw = 0.0
        """Of the members that are in here."""

    def __len__(self) -> int:
        return len(self._orders)

    # --- changing it ---

    def put(self, candidate: Candidate) -> None:
        """Take in a member, or give it the place that is due to it now."""
        former = self._by_order.get(candidate.order)
        if former is None:
            insort(self._orders, candidate.order)
            self._count_capacity(candidate, 1)
        else:
            self._take_out(former)
            if former.status.capacity_kw != candidate.status.capacity_kw:
                self._count_capacity(former, -1)
                self._count_capacity(candidate, 1)
        self._by_order[candidate.order] = candidate
        self._by_room.insert(candidate.room_kw, candidate)
        by_level = self._classes.get(candidate.levels_per_kw)
        if by_level is None:
            by_level = self._classes[candidate.levels_per_kw] = ByLevel(candidate.levels_per_kw)
        by_level.add(candidate)
        if candidate.is_doubtful:
            self._doubtful.insert(candidate.room_kw, candidate)
        if candidate.reserved_min_kw:
            self._holding[candidate.order] = candidate

    def drop(self, order: int) -> None:
        """The member with this order gets no cars any more. Unknown ones are ignored."""
        former = self._by_order.pop(order, None)
        if former is not None:
            del self._orders[bisect_left(self._orders, order)]
            self._take_out(former)
            self._count_capacity(former, -1)

    def _take_out(self, candidate: Candidate) -> None:
        self._by_room.remove(candidate.room_kw, candidate)
        self._classes[candidate.levels_per_kw].discard(candidate)
        if candidate.is_doubtful:
            self._doubtful.remove(candidate.room_kw, candidate)
        if candidate.reserved_min_kw:
            del self._holding[candidate.order]

    def _count_capacity(self, candidate: Candidate, times: int) -> None:
        self._capacity_uw += times * microwatts.from_kw(candidate.status.capacity_kw)
        self.mean_capacity_kw = microwatts.to_kw(self._capacity_uw) / max(1, len(self._orders))

    # --- by room ---

    def with_room(self, min_kw: float) -> Iterator[Candidate]:
        """Those that could admit this minimum, the fullest first."""
        return self._by_room.ascending_from(min_kw - TOLERANCE_KW)

    def count_with_room(self, min_kw: float) -> int:
        """How many could admit this minimum."""
        return self._by_room.count_from(min_kw - TOLERANCE_KW)

    def roomiest(self, position: int = 0) -> Candidate:
        """The one with the most room, or so many positions after it. Raises IndexError if there are not so many."""
        return self._by_room.from_highest(position)

    def most_rooms_kw(self, number: int) -> Sequence[float]:
        """The room of the roomiest members, the largest first: so many, or all if there are fewer."""
        return self._by_room.highest_keys(number)

    def largest_room_kw(self) -> float:
        """The greatest minimum that any of them could admit; 0 if there is none."""
        return max(0.0, *self.most_rooms_kw(1)) if self._orders else 0.0

    # --- by level ---

    def lowest(self, power: PowerRange, excluded: Container[str], below_kw: float = math.inf) -> Candidate | None:
        """The one whose level is lowest with the car on it, of those with room for it but not for `below_kw`."""
        best_level, best = math.inf, None
        min_kw, max_kw = power.min_kw, power.max_kw
        if min_kw >= below_kw:
            return None
        for by_level in self._classes.values():
            rise = max_kw * by_level.levels_per_kw // 1
            if by_level.lowest_level + rise < best_level:
                candidate = by_level.lowest(min_kw, below_kw, best_level - rise, excluded)
                if candidate is not None:
                    best_level, best = candidate.level + rise, candidate
        return best

    # --- in the order in which they joined ---

    def in_turn(self, after: int = 0) -> Iterator[Candidate]:
        """All of them once, as they joined, from the one that joined next after the one with this order."""
        start = bisect_right(self._orders, after)
        for position in range(start - len(self._orders), start):
            yield self._by_order[self._orders[position]]

    # --- in doubt ---

    def doubtful(self) -> Iterator[Candidate]:
        """Those that may have more room than their status says, the roomiest first."""
        return self._doubtful.descending()

    def holding(self) -> Iterator[Candidate]:
        """Those with room that is held for cars which have not been admitted yet."""
        return iter(self._holding.values())
