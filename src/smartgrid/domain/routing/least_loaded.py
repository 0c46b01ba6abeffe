"""`least-loaded`: the lowest demand / capacity, unless that takes a place that is scarce."""

from __future__ import annotations

import math
from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.by_level import ByLevel
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.policy import FreeOrdered
from smartgrid.domain.routing.scarcity import Scarce, scarce_sizes
from smartgrid.domain.routing.sizes import SizesSeen
from smartgrid.domain.sharing import TOLERANCE_KW


class LeastLoaded(FreeOrdered):
    """Of those with room, the one whose level is lowest with the car on it, where taking scarce places raises it.

    Only substations with room for a scarce size can lose a place of one, and they are few, or it would not be scarce:
    these are compared one by one. Of all others the lowest is looked up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._classes: dict[float, ByLevel] = {}
        self._sizes = SizesSeen()
        self._capacity_w = 0  # whole watts, so that the sum stays exact

    def add(self, candidate: Candidate) -> None:
        self.by_free.add(candidate)
        self._capacity_w += int(candidate.capacity_kw * 1000)
        by_level = self._classes.get(candidate.levels_per_kw)
        if by_level is None:
            by_level = self._classes[candidate.levels_per_kw] = ByLevel(candidate.levels_per_kw)
        by_level.add(candidate)

    def discard(self, candidate: Candidate) -> None:
        self.by_free.discard(candidate)
        self._capacity_w -= int(candidate.capacity_kw * 1000)
        self._classes[candidate.levels_per_kw].discard(candidate)

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        if not excluded:
            self._sizes.note(power.min_kw)
        scarce = self.scarce()
        if not scarce:
            return self._lowest(power, math.inf, excluded)[1]
        lowest = self._lowest(power, scarce[-1].size_kw, excluded)
        return self._best_of_few(power, scarce, excluded, lowest)

    @property
    def sizes_kw(self) -> tuple[float, ...]:
        """The largest sizes of car that have come lately, the largest first."""
        return self._sizes.largest_first_kw

    def scarce(self) -> list[Scarce]:
        """The sizes of which few places are left, the largest first."""
        if not self._capacity_w:
            return []
        return scarce_sizes(self._sizes.largest_first_kw, self.by_free, self._capacity_w / 1000 / len(self.by_free))

    def _lowest(self, power: PowerRange, below_kw: float, excluded: Container[str]) -> tuple[float, Candidate | None]:
        """The lowest of those with room for the car but not for `below_kw`, and its level with the car on it."""
        best_level, best = math.inf, None
        min_kw, max_kw = power.min_kw, power.max_kw
        if min_kw >= below_kw:
            return best_level, best
        for by_level in self._classes.values():
            rise = int(max_kw * by_level.levels_per_kw + 0.5)
            if by_level.lowest_level + rise < best_level:
                candidate = by_level.lowest(min_kw, below_kw, excluded)
                if candidate is not None and candidate.level + rise < best_level:
                    best_level, best = candidate.level + rise, candidate
        return best_level, best

    def _best_of_few(
        self,
        power: PowerRange,
        scarce: list[Scarce],
        excluded: Container[str],
        lowest: tuple[float, Candidate | None],
    ) -> Candidate | None:
        """The best of those with room for a scarce size, or `lowest` if that is better. Taking a place costs."""
        best_level, best = lowest
        min_kw, max_kw = power.min_kw, power.max_kw
        for candidate in self.by_free.roomiest(max(min_kw, scarce[-1].size_kw)):
            level = candidate.level + int(max_kw * candidate.levels_per_kw + 0.5)
            if level >= best_level or candidate.name in excluded:
                continue
            before_kw = candidate.free_kw + TOLERANCE_KW
            after_kw = before_kw - min_kw
            for size_kw, cost in scarce:
                if before_kw >= size_kw:
                    level += cost * (int(before_kw / size_kw) - int(after_kw / size_kw))
            if level < best_level:
                best_level, best = level, candidate
        return best
