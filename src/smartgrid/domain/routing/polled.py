"""`polled`: the smallest load % as of the last poll. The original specification's rule, for comparison."""

from __future__ import annotations

from collections.abc import Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.policy import FreeOrdered


class Polled(FreeOrdered):
    """Knows nothing between polls, not even its own decisions, so between two polls all cars go to one substation.

    A car that is refused there is refused.
    """

    corrects_view = False

    def __init__(self) -> None:
        super().__init__()
        self._candidates: dict[str, Candidate] = {}

    def add(self, candidate: Candidate) -> None:
        super().add(candidate)
        self._candidates[candidate.name] = candidate

    def discard(self, candidate: Candidate) -> None:
        super().discard(candidate)
        del self._candidates[candidate.name]

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return min(self._candidates.values(), key=_load, default=None)


def _load(candidate: Candidate) -> tuple[float, Candidate]:
    return candidate.status.load_percentage if candidate.status else 0.0, candidate
