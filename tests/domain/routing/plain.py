"""The rules as plain walks over all candidates: what the policies must choose with the index."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.policies.least_loaded import PLACES


def best_fit(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> Candidate | None:
    """The fullest with room."""
    return min(_open(candidates, power, excluded), key=lambda c: c.room_kw, default=None)


def least_loaded(
    candidates: Sequence[Candidate], power: PowerRange, excluded: Container[str], common_kw: Iterable[float]
) -> Candidate | None:
    """No scarce place or the smallest, and of these the lowest demand / capacity with the car on it."""
    mean_capacity_kw = sum(c.status.capacity_kw for c in candidates) / max(1, len(candidates))

    def is_scarce(size_kw: float) -> bool:
        places = sum(c.has_room(size_kw) for c in candidates)
        return places < PLACES * min(1.0, max(common_kw) / mean_capacity_kw)

    scarce_kw = [size_kw for size_kw in common_kw if is_scarce(size_kw)]

    def rank(c: Candidate) -> tuple[float, float]:
        taken_kw = (kw for kw in scarce_kw if c.has_room(kw) and not c.has_room(kw + power.min_kw))
        return max(taken_kw, default=0.0), c.level_with(power.max_kw)

    return min(_open(candidates, power, excluded), key=rank, default=None)


def _open(candidates: Iterable[Candidate], power: PowerRange, excluded: Container[str]) -> list[Candidate]:
    return [c for c in candidates if c.has_room(power.min_kw) and c.name not in excluded]
