"""The rules as plain scans over all candidates: what the indexed policies must agree with."""

from __future__ import annotations

from collections.abc import Container, Iterable

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import LEVELS, Candidate
from smartgrid.domain.routing.scarcity import PLACES_WANTED, WEIGHT
from smartgrid.domain.sharing import TOLERANCE_KW


def best_fit(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> Candidate | None:
    """The fullest with room."""
    return min(_open(candidates, power, excluded), key=lambda c: c.free_kw, default=None)


def least_loaded(
    candidates: list[Candidate], power: PowerRange, excluded: Container[str], largest_first_kw: Iterable[float]
) -> Candidate | None:
    """The lowest demand / capacity with the car on it and the cost of the scarce places that it takes."""
    sizes_kw = tuple(largest_first_kw)
    typical_kw = sum(c.capacity_w for c in candidates) / 1000 / max(1, len(candidates))
    costs = {size_kw: _cost(size_kw, sizes_kw[0], candidates, typical_kw) for size_kw in sizes_kw}

    def score(candidate: Candidate) -> float:
        before_kw, after_kw = candidate.free_kw, candidate.free_kw - power.min_kw
        taken = sum(costs[kw] for kw in sizes_kw if _fits(kw, before_kw) and not _fits(kw, after_kw))
        return candidate.level_with(power.max_kw) + taken

    return min(_open(candidates, power, excluded), key=score, default=None)


def _cost(size_kw: float, largest_kw: float, candidates: Iterable[Candidate], typical_kw: float) -> float:
    """Of one place of this size, in levels: zero if there are enough."""
    share = min(1.0, largest_kw / typical_kw)
    wanted = PLACES_WANTED * share
    left = sum(_fits(size_kw, candidate.free_kw) for candidate in candidates)
    shortage = max(0.0, 1 - left / wanted)
    return LEVELS * WEIGHT * share / typical_kw * size_kw * shortage * shortage // 1


def _fits(size_kw: float, free_kw: float) -> bool:
    return free_kw + TOLERANCE_KW >= size_kw


def _open(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> list[Candidate]:
    return [c for c in candidates if c.fits(power.min_kw) and c.name not in excluded]
