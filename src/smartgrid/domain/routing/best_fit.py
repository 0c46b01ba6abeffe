"""`best-fit`: the fullest that still has room."""

from __future__ import annotations

from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.policy import FreeOrdered


class BestFit(FreeOrdered):
    """Packs tightly, so that large cars find room, at the price of a very uneven load."""

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return next(self.by_free.with_room(power.min_kw, excluded), None)
