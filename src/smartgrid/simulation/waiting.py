"""A simulation in which cars that find no room wait, by one of the rules of `domain.waiting_list`.

A car first asks as always. If it is refused, it joins the list of the substation with the earliest expected start, by
what the substations say at that moment. It waits until its departure, or if it has none for `patience_s`. A substation
that has room and no list takes over the first car that fits from the longest list. A substation with a list tells the
balancers that it has no room. Drivers who stop early (`stop_early`) tell no one before: the only thing that expected
starts do not know of, besides cars that come later and go ahead, and cars that are moved.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import Session
from smartgrid.domain.status import Status
from smartgrid.domain.waiting_list import RULES, Changes, Rule, WaitingCar, WaitingList
from smartgrid.simulation.network import Clock, Reply, SubstationNode
from smartgrid.simulation.replay import Admission, Refusal
from smartgrid.simulation.world import View, World
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Workload

NO_WAITING = "none"
WAITS = (NO_WAITING, *RULES)
LAST_STEP_S = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Which rule, or `none`; how long cars without a departure wait; the share of drivers who stop early."""

    rule: str
    patience_s: float
    stop_early: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitOutcome:
    """What came of the waiting. Waits are of all cars: 0 for those who start at once, of those who never start until
    they give up. Errors are of those who waited and started, against what they were told as they joined."""

    mean_wait_s: float
    p95_wait_s: float
    longest_wait_s: float
    waited: float  # share of all cars
    never_started: float  # share of all cars
    never_started_largest: float  # share of those with the largest minimum
    delivered_kwh: float
    delivered: float  # of the energy that all cars asked for
    fairness: float  # Jain's index over what each car got of what it asked for
    start_error_s: float  # median
    p95_start_error_s: float
    moved: float  # share of those who waited
    cars: int


class WaitingNode(SubstationNode):
    """A substation with its list."""

    def __init__(self, clock: Clock, index: int, capacity_kw: float, rule: Rule, watcher: WaitingWorld) -> None:
        super().__init__(clock, index, capacity_kw, watcher._on_admitted)
        self.line = WaitingList(rule)
        self._watcher = watcher

    @property
    def is_busy(self) -> bool:
        return self._next_event_s() is not None

    def ask(self, car: int, request: ChargeRequest, reply: Reply) -> None:
        self.catch_up()
        session = self.line.ask(WaitingCar(str(car), request, self._clock.now_s), self.substation)
        if session is not None:
            self._note(Changes(started=[session]))
            self._announce()
        reply(session is not None)

    def catch_up(self) -> None:
        super().catch_up()
        self.substation.advance(self._clock.now_s)  # no event is left, but the list's present is this

    def status(self) -> Status:
        self.catch_up()
        status = self.substation.status()
        return replace(status, largest_free_kw=0.0) if len(self.line) else status

    def expected_start_s(self, car: WaitingCar) -> float | None:
        self.catch_up()
        return self.line.expected_starts_s(self.substation, car).get(car.session_id)

    def join(self, car: WaitingCar) -> None:
        self.catch_up()
        self._note(Changes(started=self.line.join(car, self.substation)))
        self._announce()

    def give_up(self, car: WaitingCar) -> None:
        """Let it wait no more: another takes it."""
        self.line.leave(car.session_id)
        self._note(Changes(started=self.line.start_due(self.substation)))
        self._announce()

    def stop(self, session_id: str) -> None:
        """The driver goes, whatever was said before."""
        self.catch_up()
        if self.substation.stop(session_id, self._clock.now_s) is not None:
            self._note(self.line.advance(self.substation, self._clock.now_s))
            self._note(Changes(started=self.line.start_due(self.substation)))
            self._announce()

    def _next_event_s(self) -> float | None:
        return self.line.next_event_s(self.substation)

    def _end_due(self, due_s: float) -> None:
        self._note(self.line.advance(self.substation, due_s))

    def _note(self, changes: Changes) -> None:
        for session in changes.ended:
            self.delivered_kwh += session.delivered_kwh
            self.shortfall_kwh += session.request.energy_kwh - session.delivered_kwh
            self._watcher.on_ended(session)
        for car in changes.left:
            self._watcher.on_left(int(car.session_id))
        for session in changes.started:
            self._watcher.on_started(session, self)
        self._note_load(self.substation.now_s)

    def _announce(self) -> None:
        status = self.status()
        for listener in self._listeners:
            listener(status)
        self._wait_for_next()
        self._watcher.on_change(self)


class WaitingWorld(World):
    """All that a simulation with waiting cars consists of. Build it, `run_waiting` it once."""

    def __init__(self, workload: Workload, policy: str, view: View, seed: int, waiting: Waiting) -> None:
        self._waiting = waiting
        self._nodes: list[WaitingNode] = []
        self._is_moving = False
        self._stops = _stops(len(workload.cars), waiting.stop_early, seed)
        self._started_s: dict[int, float] = {}
        self._left_s: dict[int, float] = {}
        self._delivered_kwh: dict[int, float] = {}
        self._told_s: dict[int, float | None] = {}  # of all who had to wait
        self._moved: set[int] = set()
        super().__init__(workload, policy, view, seed)

    def run_waiting(self) -> WaitOutcome:
        """Simulate, until the last car has gone."""
        for number, car in enumerate(self.workload.cars):
            self.clock.run_until(car.arrival_s)
            self._arrive(number, car)
        while len(self._started_s) + len(self._left_s) < len(self.workload.cars) or any(
            node.is_busy for node in self._nodes
        ):
            self.clock.run_until(self.clock.now_s + LAST_STEP_S)
        return self._wait_outcome()

    def on_started(self, session: Session, node: WaitingNode) -> None:
        number = int(session.session_id)
        self._started_s[number] = session.started_s
        self.log.append(Admission(session.started_s, number, node.index))
        share = self._stops.get(number)
        if share is not None:
            stop_s = session.started_s + share * self.workload.cars[number].charging_s
            self.clock.at(stop_s, lambda: node.stop(session.session_id))

    def on_ended(self, session: Session) -> None:
        self._delivered_kwh[int(session.session_id)] = session.delivered_kwh

    def on_left(self, number: int) -> None:
        self._left_s[number] = self.clock.now_s
        self.log.append(Refusal(self.clock.now_s, number, self.clock.now_s))

    def on_change(self, node: WaitingNode) -> None:
        """It may have room and no list: then it takes over who waits longest in line elsewhere."""
        if self._is_moving:
            return
        self._is_moving = True
        while not len(node.line) and (found := self._fitting(node)) is not None:
            donor, car = found
            donor.give_up(car)
            node.join(car)
            self._moved.add(int(car.session_id))
        self._is_moving = False

    def _fitting(self, node: WaitingNode) -> tuple[WaitingNode, WaitingCar] | None:
        donor = max(self._nodes, key=lambda other: len(other.line))
        if not len(donor.line):
            return None
        donor.catch_up()
        fitting = (car for car in donor.line if node.substation.room_for(car.request.power))
        car = next(fitting, None)
        return None if car is None else (donor, car)

    def _make_substations(self) -> Sequence[SubstationNode]:
        rule = RULES["fifo" if self._waiting.rule == NO_WAITING else self._waiting.rule]
        self._nodes = [
            WaitingNode(self.clock, index, capacity_kw, rule, self)
            for index, capacity_kw in enumerate(self.workload.capacities_kw)
        ]
        return self._nodes

    def _on_reply(self, car: int, arrived_s: float, admitted: bool) -> None:
        if not admitted and (self._waiting.rule == NO_WAITING or not self._enlist(car, self.workload.cars[car])):
            self.on_left(car)

    def _enlist(self, number: int, car: Car) -> bool:
        """Wait where the start is expected earliest; False if no list takes it."""
        until_s = self.clock.now_s + self._waiting.patience_s if car.request.departure_s is None else None
        waiting = WaitingCar(str(number), car.request, self.clock.now_s, until_s)
        starts_s = {node: node.expected_start_s(waiting) for node in self._nodes}
        takers = [node for node in self._nodes if node.line.takes(waiting, node.substation)]
        if not takers:
            return False
        best = min(takers, key=lambda node: (_or_never(starts_s[node]), len(node.line), node.index))
        best.join(waiting)
        if number not in self._started_s:  # it may have gone ahead at once
            self._told_s[number] = starts_s[best]
        return True

    def _wait_outcome(self) -> WaitOutcome:
        cars = self.workload.cars
        gone_s = {**self._left_s, **self._started_s}
        waits_s = sorted(gone_s[number] - car.arrival_s for number, car in enumerate(cars))
        got = [self._delivered_kwh.get(number, 0.0) / car.request.energy_kwh for number, car in enumerate(cars)]
        largest_kw = max(car.request.power.min_kw for car in cars)
        largest = [number for number, car in enumerate(cars) if car.request.power.min_kw == largest_kw]
        errors_s = sorted(
            abs(self._started_s[number] - told_s)
            for number, told_s in self._told_s.items()
            if told_s is not None and number in self._started_s
        )
        delivered_kwh, asked_kwh = sum(self._delivered_kwh.values()), sum(car.request.energy_kwh for car in cars)
        return WaitOutcome(
            mean_wait_s=statistics.fmean(waits_s),
            p95_wait_s=quantile(waits_s, 0.95),
            longest_wait_s=waits_s[-1],
            waited=len(self._told_s) / len(cars),
            never_started=len(self._left_s) / len(cars),
            never_started_largest=sum(number in self._left_s for number in largest) / len(largest),
            delivered_kwh=delivered_kwh,
            delivered=delivered_kwh / asked_kwh,
            fairness=jain(got),
            start_error_s=quantile(errors_s, 0.5),
            p95_start_error_s=quantile(errors_s, 0.95),
            moved=len(self._moved) / len(self._told_s) if self._told_s else 0.0,
            cars=len(cars),
        )


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 if all get alike, 1/n if one gets all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that this share is not above; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _stops(cars: int, share: float, seed: int) -> dict[int, float]:
    """Who stops early, and after which part of its charging time: the same cars for every rule."""
    rng = Random(f"smartgrid early stops {seed}")
    drawn = [(rng.random(), rng.random()) for _ in range(cars)]
    return {number: after for number, (chance, after) in enumerate(drawn) if chance < share}


def _or_never(time_s: float | None) -> float:
    return math.inf if time_s is None else time_s
