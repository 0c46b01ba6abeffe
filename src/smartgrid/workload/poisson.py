"""Cars that come at random to substations of known capacity, from a few numbers and a seed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.domain.session import SECONDS_PER_HOUR
from smartgrid.workload.car import MIXES, Car

LEAST_CAPACITY_KW, MOST_CAPACITY_KW = 80.0, 120.0
SIGMA = 0.75  # of the log-normal charging times: most are short, some very long


@dataclass(frozen=True, slots=True)
class Workload:
    """The cars in order of arrival, and the substations that are there for them."""

    cars: Sequence[Car]
    capacities_kw: Sequence[float]

    @property
    def end_s(self) -> float:
        """When the last car arrives, in seconds from the start; 0 without cars."""
        return self.cars[-1].arrival_s if self.cars else 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a generated workload is made from.

    `demand` is the offered energy as a share of what the substations can deliver. Cars arrive as a Poisson process;
    at full power they charge for `mean_session_s` on average. A flexible car may get as little as the floor of its
    kind and stays `parked_factor` times as long as it would charge at full power. Of the cars of a flexible recipe
    `flexible_share` are so, the others rigid.
    """

    mix: str = "a"
    substations: int = 10
    demand: float = 0.85
    mean_session_s: float = 60.0
    duration_s: float = 1800.0
    flexible: bool = False
    parked_factor: float = 2.0
    flexible_share: float = 1.0


def generate(recipe: Recipe, seed: int) -> Workload:
    """The workload of this recipe and seed, always the same."""
    rng = Random(f"smartgrid workload {seed}")
    capacities_kw = [rng.uniform(LEAST_CAPACITY_KW, MOST_CAPACITY_KW) for _ in range(recipe.substations)]
    return Workload(list(_cars(recipe, sum(capacities_kw), rng)), capacities_kw)


def _cars(recipe: Recipe, capacity_kw: float, rng: Random) -> list[Car]:
    powers_kw, shares = list(MIXES[recipe.mix]), list(MIXES[recipe.mix].values())
    mean_power_kw = sum(power_kw * share for power_kw, share in zip(powers_kw, shares, strict=True))
    arrivals_per_s = recipe.demand * capacity_kw / (mean_power_kw * recipe.mean_session_s)
    cars: list[Car] = []
    now_s = rng.expovariate(arrivals_per_s)
    while now_s < recipe.duration_s:
        max_kw = rng.choices(powers_kw, shares)[0]
        charging_s = rng.lognormvariate(math.log(recipe.mean_session_s) - SIGMA**2 / 2, SIGMA)
        is_flexible = recipe.flexible and (recipe.flexible_share >= 1 or rng.random() < recipe.flexible_share)
        cars.append(_car(recipe, len(cars), now_s, max_kw, charging_s, is_flexible))
        now_s += rng.expovariate(arrivals_per_s)
    return cars


def _car(recipe: Recipe, number: int, arrival_s: float, max_kw: float, charging_s: float, is_flexible: bool) -> Car:
    energy_kwh = max_kw * charging_s / SECONDS_PER_HOUR
    if not is_flexible:
        return Car(arrival_s, ChargeRequest(f"car-{number}", energy_kwh, PowerRange(max_kw, max_kw)))
    power = PowerRange(default_min_power_kw(max_kw), max_kw)
    departure_s = arrival_s + recipe.parked_factor * charging_s
    return Car(arrival_s, ChargeRequest(f"car-{number}", energy_kwh, power, departure_s))
