"""`polled`: the smallest load % as of the last poll. The original specification's rule, for comparison."""

from __future__ import annotations

from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex


class Polled:
    """Knows nothing between polls, not even its own decisions, so between two polls all cars go to one member.

    A car that is refused there is refused. Of equals it takes the one that joined first.
    """

    corrects_view = False

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return min(index.in_turn(), key=lambda candidate: candidate.status.load_percentage, default=None)
