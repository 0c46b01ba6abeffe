"""Routing policies: which member is asked first.

`POLICIES` is the one list of them: the balancer's setting, the chart's schema, the simulator and the benchmarks have it
from here. To add a policy, write it in a file of `policies/` and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from smartgrid.domain.routing.policies.best_fit import BestFit
from smartgrid.domain.routing.policies.least_loaded import LeastLoaded
from smartgrid.domain.routing.policies.polled import Polled
from smartgrid.domain.routing.policies.random_choice import PowerOfTwo, RandomChoice
from smartgrid.domain.routing.policies.round_robin import RoundRobin
from smartgrid.domain.routing.policy import Policy

DEFAULT_POLICY = "least-loaded"

POLICIES: Mapping[str, Callable[[Random], Policy]] = {
    "least-loaded": lambda _rng: LeastLoaded(),
    "best-fit": lambda _rng: BestFit(),
    "power-of-two": PowerOfTwo,
    "round-robin": lambda _rng: RoundRobin(),
    "random": RandomChoice,
    "polled": lambda _rng: Polled(),
}


def make_policy(name: str, rng: Random) -> Policy:
    """A new policy of this name, for one fleet. Raises ValueError for an unknown name."""
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}; choose one of {', '.join(POLICIES)}")
    return POLICIES[name](rng)
