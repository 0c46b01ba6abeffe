"""`random` and `power-of-two`: chance decides among those with room."""

from __future__ import annotations

from collections.abc import Container
from random import Random

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex


class RandomChoice:
    """Any that has room, each with the same probability."""

    corrects_view = True

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        with_room = index.count_with_room(power.min_kw)
        if not with_room:
            return None
        candidate = index.roomiest(self._rng.randrange(with_room))
        if candidate.name not in excluded:
            return candidate
        others = [other for other in index.with_room(power.min_kw) if other.name not in excluded]
        return self._rng.choice(others) if others else None


class PowerOfTwo(RandomChoice):
    """Two at random of those with room, and of these the one whose demand / capacity stays lower with the car on it.

    M. Mitzenmacher, The power of two choices in randomized load balancing, IEEE TPDS 12(10), 2001.
    """

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        one, other = super().choose(index, power, excluded), super().choose(index, power, excluded)
        if one is None or other is None:
            return one
        return min(one, other, key=lambda candidate: candidate.level_with(power.max_kw))
