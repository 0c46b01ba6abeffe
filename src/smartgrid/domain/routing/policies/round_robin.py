"""`round-robin`: each in its turn, passing over those without room."""

from __future__ import annotations

from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex


class RoundRobin:
    """Goes round in the order in which the members joined."""

    corrects_view = True

    def __init__(self) -> None:
        self._last = 0  # the order of the one chosen last

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        for candidate in index.in_turn(after=self._last):
            if candidate.has_room(power.min_kw) and candidate.name not in excluded:
                self._last = candidate.order
                return candidate
        return None
