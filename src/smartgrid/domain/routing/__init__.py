"""Routing policies: which substation is asked first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from smartgrid.domain.routing.plain import PlainScan, demand_ratio_after, free_kw
from smartgrid.domain.routing.policy import Policy

DEFAULT_POLICY = "least-loaded"

POLICIES: Mapping[str, Callable[[Random], Policy]] = {
    "least-loaded": lambda _rng: PlainScan(demand_ratio_after),
    "best-fit": lambda _rng: PlainScan(free_kw),
}


def make_policy(name: str, rng: Random) -> Policy:
    """A new policy of this name, for one fleet. Raises ValueError for an unknown name."""
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}; choose one of {', '.join(POLICIES)}")
    return POLICIES[name](rng)
