"""`least-loaded`: the lowest demand / capacity, unless that takes a place that is scarce."""

from __future__ import annotations

import math
from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.by_level import ByLevel
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.roomiest import Roomiest
from smartgrid.domain.routing.scarcity import PLACES_WANTED, Scarcity, find_scarcity, wanted_places
from smartgrid.domain.routing.sizes import SizesSeen
from smartgrid.domain.sharing import TOLERANCE_KW


class LeastLoaded:
    """Of those with room, the one whose level is lowest with the car on it, where taking scarce places raises it.

    Only substations with room for a scarce size can lose a place of one, and they are few, or it would not be scarce:
    these are compared one by one. Of all others the lowest is looked up.
    """

    corrects_view = True

    def __init__(self) -> None:
        self._roomiest = Roomiest()
        self._classes: dict[float, ByLevel] = {}
        self._sizes = SizesSeen()
        self._capacity_w = 0  # whole watts, so that the sum stays exact
        self._number = 0
        self._scarcity = Scarcity()
        self._wanted_for: tuple[int, int, tuple[float, ...]] = (0, 0, ())
        self._wanted = wanted_places((), 0)

    def add(self, candidate: Candidate) -> None:
        self._roomiest.add(candidate)
        self._capacity_w += candidate.capacity_w
        self._number += 1
        by_level = self._classes.get(candidate.levels_per_kw)
        if by_level is None:
            by_level = self._classes[candidate.levels_per_kw] = ByLevel(candidate.levels_per_kw)
        by_level.add(candidate)

    def discard(self, candidate: Candidate) -> None:
        self._roomiest.discard(candidate)
        self._capacity_w -= candidate.capacity_w
        self._number -= 1
        self._classes[candidate.levels_per_kw].discard(candidate)

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        if not excluded:
            self._sizes.note(power.min_kw)
        scarcity = self.scarcity()
        best_level, best = self._lowest(power, scarcity.below_kw, excluded)
        return _best_of_few(power, scarcity, excluded, best_level, best) if scarcity.few else best

    def largest_free_kw(self) -> float:
        self._know_roomiest(1)
        return self._roomiest.largest_free_kw()

    @property
    def sizes_kw(self) -> tuple[float, ...]:
        """The largest sizes of car that have come lately, the largest first."""
        return self._sizes.largest_first_kw

    def scarcity(self) -> Scarcity:
        """Which sizes are scarce, and who has room for them. Found anew only when something of it has changed."""
        scarcity, roomiest = self._scarcity, self._roomiest
        wanted_for = (self._capacity_w, self._number, self._sizes.largest_first_kw)
        if wanted_for != self._wanted_for:
            self._wanted_for = wanted_for
            self._wanted = wanted_places(self.sizes_kw, self._typical_kw())
            roomiest.has_changed = True
        if roomiest.has_changed or not roomiest.has(scarcity.enough, scarcity.plenty_kw):
            self._know_roomiest(PLACES_WANTED)
            self._scarcity = scarcity = find_scarcity(self._wanted, roomiest)
            roomiest.watch(scarcity.below_kw)
        return scarcity

    def _typical_kw(self) -> float:
        return self._capacity_w / 1000 / self._number if self._number else 0.0

    def _know_roomiest(self, wanted: int) -> None:
        if self._roomiest.lacks(wanted):
            self._roomiest.refill(block for by_level in self._classes.values() for block in by_level.blocks)

    def _lowest(self, power: PowerRange, below_kw: float, excluded: Container[str]) -> tuple[float, Candidate | None]:
        """The lowest of those with room for the car but not for `below_kw`, and its level with the car on it."""
        best_level, best = math.inf, None
        min_kw, max_kw = power.min_kw, power.max_kw
        if min_kw >= below_kw:
            return best_level, best
        for by_level in self._classes.values():
            rise = max_kw * by_level.levels_per_kw // 1
            if by_level.lowest_level + rise < best_level:
                candidate = by_level.lowest(min_kw, below_kw, best_level - rise, excluded)
                if candidate is not None:
                    best_level, best = candidate.level + rise, candidate
        return best_level, best


def _best_of_few(
    power: PowerRange, scarcity: Scarcity, excluded: Container[str], best_level: float, best: Candidate | None
) -> Candidate | None:
    """The best of those with room for a scarce size, or `best` if that is better. Taking a place costs."""
    min_kw, max_kw = power.min_kw, power.max_kw
    for candidate in scarcity.few:
        level = candidate.level + max_kw * candidate.levels_per_kw // 1
        if level < best_level:
            before_kw = candidate.free_kw + TOLERANCE_KW
            after_kw = before_kw - min_kw
            if after_kw < 0:
                break
            for size_kw, cost in scarcity.costs:
                level += cost * (before_kw >= size_kw > after_kw)
            if level < best_level and candidate.name not in excluded:
                best_level, best = level, candidate
    return best
