"""The plain scan over all candidates, in which a policy is one sort key: what the indexed policies must agree with."""

from __future__ import annotations

from collections.abc import Callable, Container

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate

Key = Callable[[Candidate, PowerRange], float]


class PlainScan:
    """The policy that takes the candidate with room that has the least key."""

    corrects_view = True

    def __init__(self, key: Key) -> None:
        self._key = key
        self._candidates: dict[str, Candidate] = {}

    def add(self, candidate: Candidate) -> None:
        self._candidates[candidate.name] = candidate

    def discard(self, candidate: Candidate) -> None:
        del self._candidates[candidate.name]

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        open_to_it = [c for c in self._candidates.values() if c.fits(power.min_kw) and c.name not in excluded]
        return min(open_to_it, key=lambda c: (self._key(c, power), c.tie), default=None)


def demand_ratio_after(candidate: Candidate, power: PowerRange) -> float:
    """Demand / capacity with this car on it."""
    return (candidate.demand_kw + power.max_kw) / candidate.capacity_kw


def free_kw(candidate: Candidate, power: PowerRange) -> float:  # noqa: ARG001 (the signature of a key)
    return candidate.free_kw
