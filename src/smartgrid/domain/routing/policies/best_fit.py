"""`best-fit`: the fullest that still has room."""

from __future__ import annotations

from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex


class BestFit:
    """Packs tightly, so that large cars find room, at the price of a very uneven load."""

    corrects_view = True

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return next((c for c in index.with_room(power.min_kw) if c.name not in excluded), None)
