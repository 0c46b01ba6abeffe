"""`least-loaded`, the default policy, in five lines:

1. Only members with room for the car's minimum are looked at.
2. A *place* is a member with room for one more car of a size; places are counted for the three largest common sizes.
   Places of a size are *scarce* while there are fewer than `PLACES` of them.
3. The car goes where it takes no scarce place, or, if it must take one, where that is the smallest.
4. Among these it goes where the *level*, demand / capacity with this car on it, is lowest. Chance decides between
   equals.
5. Nothing is ever refused to keep a place: a car that has room only there gets it.

Why so: by the level alone the load is the most even, but every member ends up with a bit of room, and a large car finds
enough nowhere. By room alone (`best-fit`) the most cars find room, but some members are full and others idle. So the
level decides while there are places to spare, and only as much is packed as the sizes that are scarce need it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from functools import lru_cache

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.common_sizes import CommonSizes
from smartgrid.domain.routing.index import FleetIndex
from smartgrid.domain.sharing import TOLERANCE_KW

PLACES = 14
"""How many places of each size there should be, where the largest common size fills a whole member. Where it takes a
share of one, this share of them is enough, since room for it is then found by chance more often."""


class LeastLoaded:
    """The lowest level, but no scarce place is taken that can be left."""

    corrects_view = True

    def __init__(self) -> None:
        self._sizes = CommonSizes()

    @property
    def common_sizes_kw(self) -> tuple[float, ...]:
        """The sizes of car that places are kept for, the largest first."""
        return self._sizes.largest_first_kw

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        """The member where the car takes the smallest scarce place, best none; of these the lowest with the car on it.

        Only members with room for a scarce size can lose a place, and they are few, or it would not be scarce: these
        are compared one by one. All others lose nothing, so of them the lowest is looked up.
        """
        if not excluded:
            self._sizes.note(power.min_kw)
        roomiest_kw, scarce_kw = self._scarcity(index)
        if not scarce_kw:
            return index.lowest(power, excluded)
        best = index.lowest(power, excluded, below_kw=scarce_kw[-1])
        best_place_kw, best_level = (math.inf, math.inf) if best is None else (0.0, best.level_with(power.max_kw))
        least_kw = max(power.min_kw, scarce_kw[-1]) - TOLERANCE_KW
        for position, room_kw in enumerate(roomiest_kw):
            if room_kw < least_kw:
                break
            place_kw = scarce_place_kw(room_kw, power.min_kw, scarce_kw)
            if place_kw <= best_place_kw:
                candidate = index.roomiest(position)
                level = candidate.level_with(power.max_kw)
                if (place_kw < best_place_kw or level < best_level) and candidate.name not in excluded:
                    best, best_place_kw, best_level = candidate, place_kw, level
        return best

    def _scarcity(self, index: FleetIndex) -> tuple[Sequence[float], Sequence[float]]:
        """The rooms of the roomiest members, as many as there should be places, and the sizes that are scarce.

        Both in kW, the largest first. All members with room for a scarce size are among these.
        """
        sizes_kw = self._sizes.largest_first_kw
        if not sizes_kw or not len(index):
            return (), ()
        wanted = places_wanted(sizes_kw[0], index.mean_capacity_kw)
        roomiest_kw = index.most_rooms_kw(wanted)
        if len(roomiest_kw) < wanted:
            return roomiest_kw, sizes_kw
        enough_kw = roomiest_kw[-1] + TOLERANCE_KW
        return roomiest_kw, [size_kw for size_kw in sizes_kw if size_kw > enough_kw]


@lru_cache
def places_wanted(largest_kw: float, mean_capacity_kw: float) -> int:
    """How many places of each size there should be, if the largest common size is this."""
    return math.ceil(PLACES * min(1.0, largest_kw / mean_capacity_kw))


def scarce_place_kw(room_kw: float, min_kw: float, scarce_kw: Sequence[float]) -> float:
    """The largest scarce size that there is room for before a car with this minimum comes and not after it, or 0."""
    before_kw = room_kw + TOLERANCE_KW
    after_kw = before_kw - min_kw
    for size_kw in scarce_kw:
        if before_kw >= size_kw > after_kw:
            return size_kw
    return 0.0
