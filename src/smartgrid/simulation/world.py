"""One simulation: a workload, a policy, and how well the balancers see."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from smartgrid.domain.status import Status
from smartgrid.simulation.network import BalancerNode, Clock, Node, SubstationNode, Wire
from smartgrid.simulation.replay import Admission, Decision, Refusal, refused_with_room
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Workload

SAMPLED_SUBSTATIONS = 100  # a second of sampling is enough: larger fleets are looked at on fewer arrivals


@dataclass(frozen=True, slots=True)
class View:
    """How the balancers know their substations.

    Without `poll_s` they hear of every change `push_s` later, as over the long poll; with it they only ask each
    substation that often, and learn from answers in between. Every message takes `delay_s`. With `regions` each
    balancer stands before that many balancers, which it polls.
    """

    poll_s: float | None = None
    push_s: float = 0.05
    delay_s: float = 0.0
    balancers: int = 1
    regions: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation measured. Powers are means over the time after the warm-up."""

    accepted_kwh: float  # delivered to admitted cars by their departure
    admitted: float  # share of all cars
    utilisation: float
    load_percentage_sd: float  # over the substations, mean over the arrivals
    load_percentage_max_deviation: float  # of the one farthest from the mean, mean over the arrivals
    over_capacity_seconds: float
    shortfall_kwh: float  # asked for by admitted cars and not delivered by their departure
    decisions_per_second: float
    refused_with_room: int
    cars: int
    attempts_per_car: float


@dataclass(slots=True)
class Samples:
    """Of the load % at arrivals."""

    count: int = 0
    deviation: float = 0.0
    farthest: float = 0.0

    def take(self, nodes: Sequence[SubstationNode]) -> None:
        for node in nodes:
            node.catch_up()
        percentages = [100 * node.load_kw / node.substation.capacity_kw for node in nodes]
        mean = sum(percentages) / len(percentages)
        self.count += 1
        self.deviation += math.sqrt(sum((percentage - mean) ** 2 for percentage in percentages) / len(percentages))
        self.farthest += max(max(percentages) - mean, mean - min(percentages))


@dataclass
class World:
    """All that a simulation consists of. Build it, `run` it once."""

    workload: Workload
    policy: str
    view: View
    seed: int
    clock: Clock = field(default_factory=Clock)
    log: list[Decision] = field(default_factory=list)
    samples: Samples = field(default_factory=Samples)

    def __post_init__(self) -> None:
        self._rng = Random(f"smartgrid world {self.seed}")
        self._wire = Wire(self.clock, self.view.delay_s)
        self._open: set[int] = set()
        self._deciders: list[BalancerNode] = []
        self._substations = self._make_substations()
        self._entries = [self._entry(f"balancer-{number}") for number in range(self.view.balancers)]

    def _make_substations(self) -> Sequence[SubstationNode]:
        return [
            SubstationNode(self.clock, index, capacity_kw, self._on_admitted)
            for index, capacity_kw in enumerate(self.workload.capacities_kw)
        ]

    def run(self, warm_up_s: float) -> Outcome:
        """Simulate; what happens before `warm_up_s` does not count in the utilisation nor in the deviations."""
        every = max(1, len(self._substations) // SAMPLED_SUBSTATIONS)
        metered_from_kwh: float | None = None
        for number, car in enumerate(self.workload.cars):
            self.clock.run_until(car.arrival_s)
            if car.arrival_s >= warm_up_s:
                if metered_from_kwh is None:
                    metered_from_kwh, warm_up_s = self._metered_kwh(), car.arrival_s
                if number % every == 0:
                    self.samples.take(self._substations)
            self._arrive(number, car)
        metered_kwh = self._metered_kwh() - (metered_from_kwh or 0.0)
        utilisation = _utilisation(metered_kwh, self.workload, warm_up_s)
        self.clock.run_until(self.workload.end_s + LAST_ANSWERS_S)
        for substation in self._substations:
            substation.drain()
        return self._outcome(utilisation)

    def _arrive(self, number: int, car: Car) -> None:
        entry = self._rng.choice(self._entries)
        entry.ask(number, car.request, partial(self._on_reply, number, car.arrival_s))
        self.clock.run_until(car.arrival_s)

    def _outcome(self, utilisation: float) -> Outcome:
        cars = len(self.workload.cars)
        admitted = sum(1 for decision in self.log if isinstance(decision, Admission))
        decisions = sum(balancer.decisions for balancer in self._deciders)
        deciding_s = sum(balancer.deciding_s for balancer in self._deciders)
        return Outcome(
            accepted_kwh=sum(node.delivered_kwh for node in self._substations),
            admitted=admitted / cars if cars else 1.0,
            utilisation=utilisation,
            load_percentage_sd=self.samples.deviation / max(1, self.samples.count),
            load_percentage_max_deviation=self.samples.farthest / max(1, self.samples.count),
            over_capacity_seconds=sum(node.over_capacity_s for node in self._substations),
            shortfall_kwh=sum(node.shortfall_kwh for node in self._substations),
            decisions_per_second=decisions / deciding_s if deciding_s else 0.0,
            refused_with_room=refused_with_room(self.workload, self.log),
            cars=cars,
            attempts_per_car=decisions / cars if cars else 0.0,
        )

    def _metered_kwh(self) -> float:
        return sum(node.meter_kwh() for node in self._substations)

    def _entry(self, name: str) -> BalancerNode:
        """A balancer that drivers talk to, and all that is behind it."""
        if not self.view.regions:
            return self._balancer(name, self._substations)
        regions: list[Node] = [
            self._balancer(f"{name}.region-{number}", members)
            for number, members in enumerate(_split(self._substations, self.view.regions))
        ]
        top = BalancerNode(name, self.policy, regions, self.clock, self._wire, self._rng)
        top.poll_every(self.view.poll_s or DEFAULT_POLL_S)
        return top

    def _balancer(self, name: str, members: Sequence[SubstationNode]) -> BalancerNode:
        balancer = BalancerNode(name, self.policy, members, self.clock, self._wire, self._rng)
        self._deciders.append(balancer)
        if self.policy == "polled" or self.view.poll_s is not None:
            balancer.poll_every(self.view.poll_s or DEFAULT_POLL_S)
        else:
            for member in members:
                member.tell(partial(self._push, balancer, member.name))
        return balancer

    def _push(self, balancer: BalancerNode, name: str, status: Status) -> None:
        self.clock.at(self.clock.now_s + self.view.push_s, lambda: balancer.hear(name, status))

    def _on_admitted(self, car: int, substation: int) -> None:
        self.log.append(Admission(self.clock.now_s, car, substation))

    def _on_reply(self, car: int, arrived_s: float, admitted: bool) -> None:
        if not admitted:
            self.log.append(Refusal(self.clock.now_s, car, arrived_s))


DEFAULT_POLL_S = 5.0
LAST_ANSWERS_S = 60.0  # for cars that are still being decided on when the last has come


def _utilisation(metered_kwh: float, workload: Workload, warm_up_s: float) -> float:
    possible_kwh = sum(workload.capacities_kw) * (workload.end_s - warm_up_s) / 3600
    return metered_kwh / possible_kwh if possible_kwh > 0 else 0.0


def _split(nodes: Sequence[SubstationNode], parts: int) -> Iterator[Sequence[SubstationNode]]:
    size = math.ceil(len(nodes) / parts)
    return (nodes[start : start + size] for start in range(0, len(nodes), size))
