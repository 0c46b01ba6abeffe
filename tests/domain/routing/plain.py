"""The rules as plain scans over all candidates: what the indexed policies must agree with."""

from __future__ import annotations

from collections.abc import Container, Iterable

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import LEVELS, Candidate
from smartgrid.domain.routing.scarcity import MOST_PLACES_WANTED, PLACES_WANTED, WEIGHT
from smartgrid.domain.sharing import TOLERANCE_KW


def best_fit(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> Candidate | None:
    """The fullest with room."""
    return min(_open(candidates, power, excluded), key=lambda c: c.free_kw, default=None)


def least_loaded(
    candidates: list[Candidate], power: PowerRange, excluded: Container[str], largest_first_kw: Iterable[float]
) -> Candidate | None:
    """The lowest demand / capacity with the car on it and the cost of the scarce places that it takes."""
    sizes_kw = tuple(largest_first_kw)
    typical_kw = sum(int(c.capacity_kw * 1000) for c in candidates) / 1000 / max(1, len(candidates))
    costs = {size_kw: _cost(size_kw, sizes_kw[0], candidates, typical_kw) for size_kw in sizes_kw}

    def score(candidate: Candidate) -> float:
        taken = sum(
            cost * (_places(candidate.free_kw, size_kw) - _places(candidate.free_kw - power.min_kw, size_kw))
            for size_kw, cost in costs.items()
        )
        return candidate.level_with(power.max_kw) + taken

    return min(_open(candidates, power, excluded), key=score, default=None)


def _cost(size_kw: float, largest_kw: float, candidates: Iterable[Candidate], typical_kw: float) -> int:
    """Of one place of this size, in levels: zero if there are enough."""
    share = min(1.0, largest_kw / typical_kw)
    wanted = min(PLACES_WANTED * share, MOST_PLACES_WANTED)
    left = sum(_places(candidate.free_kw, size_kw) for candidate in candidates)
    shortage = max(0.0, 1 - left / wanted)
    return round(LEVELS * WEIGHT * share * size_kw / typical_kw * shortage**2)


def _places(free_kw: float, size_kw: float) -> int:
    return max(0, int((free_kw + TOLERANCE_KW) / size_kw))


def _open(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> list[Candidate]:
    return [c for c in candidates if c.fits(power.min_kw) and c.name not in excluded]
