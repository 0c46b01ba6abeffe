"""One round: a grid with an edge, charging cars, a storm of kills; then peace, all cars leave, books are read."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from chargers_torture.plan import PlannedCharger, Step, Visit, draw_chargers, draw_storm
from chargers_torture.rules import CarSeen, Evidence
from smartgrid.chargersim.behaviour import behaving
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle, Street
from support.grid import Grid, metric, sessions
from support.processes import Process, wait_until

SUBSTATIONS = 3
CAPACITY_KW = (40.0, 160.0)
LEASE_S = 30.0
"""And the firm capacity is 0, so that nobody draws a thing without having been told that it may: a car that comes while
the edge is dead would else draw its safe current beside all the others."""
CONNECT_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 180.0
DIALECTS = {"1.6": Dialect16, "2.0.1": Dialect201}
EDGE = {"registration": "open", "meter_interval_s": 5}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Intensity:
    """How many chargers, how long the storm lasts, and how often it strikes on average."""

    chargers: int = 50
    storm_s: float = 90.0
    pause_s: float = 4.0


@dataclass
class Outcome:
    evidence: Evidence
    counts: Counter[str] = field(default_factory=Counter)


def run_round(seed: int, folder: Path, intensity: Intensity, progress: Progress) -> Outcome:
    """Play a round in an empty folder. What cannot be started or settled in bounded time raises AssertionError."""
    rng = Random(f"{seed} grid")
    capacities_kw = [round(rng.uniform(*CAPACITY_KW), 1) for _ in range(SUBSTATIONS)]
    settings = {"lease_s": LEASE_S, "firm_capacity_kw": 0}
    with Grid(folder, capacities_kw, gateways=0, edge=EDGE, substation_settings=settings) as grid:
        url = f"ws://127.0.0.1:{grid.edge.settings['ocpp_port']}/ocpp"
        with Street(url, pause_s=0.5, longest_pause_s=3.0, seed=seed) as street:
            return _Round(seed, grid, street, capacities_kw, intensity, progress).run()


class _Round:
    def __init__(
        self,
        seed: int,
        grid: Grid,
        street: Street,
        capacities_kw: list[float],
        intensity: Intensity,
        progress: Progress,
    ) -> None:
        self.grid, self.street, self.progress = grid, street, progress
        self.capacities_kw = dict(zip(grid.names, capacities_kw, strict=True))
        self.storm_s = intensity.storm_s
        self.chargers = draw_chargers(seed, intensity.chargers, grid.names, intensity.storm_s)
        services = [*grid.names, "edge-0"]
        names = [each.name for each in self.chargers]
        self.steps = draw_storm(seed, services, names, intensity.storm_s, intensity.pause_s)
        self.events: list[tuple[float, str]] = []
        self.counts: Counter[str] = Counter()
        self._returns: list[threading.Thread] = []
        self._busy = {name: threading.Lock() for name in services}

    def run(self) -> Outcome:
        handles = {each.name: self._add(each) for each in self.chargers}
        wait_until(
            lambda: all(each.is_connected for each in handles.values()), CONNECT_TIMEOUT_S, "all chargers are connected"
        )
        begun_s = self.street.clock.now_s()
        self.street.call(lambda: self._schedule(handles, begun_s))
        self._storm(handles, begun_s)
        self._settle(handles)
        return Outcome(self._evidence(handles), self.counts)

    def _add(self, charger: PlannedCharger) -> Handle:
        dialect = DIALECTS[charger.version]()
        return self.street.add(
            charger.substation, charger.name, dialect, behaving(charger.faults), keeps_commands=False
        )

    def _schedule(self, handles: dict[str, Handle], begun_s: float) -> None:
        for charger in self.chargers:
            for visit in charger.visits:
                self.street.later(begun_s + visit.plug_s, partial(_plug, handles[charger.name], visit))
                if visit.unplug_s < self.storm_s:
                    self.street.later(begun_s + visit.unplug_s, handles[charger.name].unplug)

    # ------------------------------------------------------------------ the storm

    def _storm(self, handles: dict[str, Handle], begun_s: float) -> None:
        for step in self.steps:
            time.sleep(max(0.0, begun_s + step.at_s - self.street.clock.now_s()))
            self._note(f"{step.action} {step.target} for {step.for_s:.1f} s")
            if step.action == "cut":
                self._cut(handles[step.target], step)
            else:
                self._kill(step)
        time.sleep(max(0.0, begun_s + self.storm_s - self.street.clock.now_s()))
        for thread in self._returns:
            thread.join(CONNECT_TIMEOUT_S)

    def _cut(self, handle: Handle, step: Step) -> None:
        self.counts["cuts"] += 1
        handle.cut()
        self.street.call(lambda: self.street.later(self.street.clock.now_s() + step.for_s, handle.connect))

    def _kill(self, step: Step) -> None:
        """Kill it now, and bring it back in a thread; one that is away already is left alone."""
        if not self._busy[step.target].acquire(blocking=False):
            return
        process = self._process(step.target)
        process.kill()
        self.counts[f"kills of {process.service}"] += 1
        thread = threading.Thread(target=self._bring_back, args=(step, process))
        self._returns.append(thread)
        thread.start()

    def _bring_back(self, step: Step, process: Process) -> None:
        try:
            time.sleep(step.for_s)
            process.launch()  # it may be killed again before it is ready
            self._note(f"launch {step.target}")
        finally:
            self._busy[step.target].release()

    def _process(self, name: str) -> Process:
        return self.grid.edge if name == "edge-0" else self.grid.substations[self.grid.names.index(name)]

    def _note(self, what: str) -> None:
        self.events.append((self.street.clock.now_s(), what))

    # ------------------------------------------------------------------ peace

    def _settle(self, handles: dict[str, Handle]) -> None:
        """All are there, all cars leave, and every message of a transaction is taken and told on."""
        self._note("mended")
        for process in (*self.grid.substations, self.grid.edge):
            process.wait_ready()
        for handle in handles.values():
            handle.connect()
            handle.unplug()
        wait_until(
            lambda: all(each.is_connected for each in handles.values()), CONNECT_TIMEOUT_S, "all chargers are back"
        )
        self.progress("all chargers are back")
        self._wait_patiently(lambda: not any(each.charger.kept_messages for each in handles.values()))
        self._wait_patiently(lambda: metric(self.grid.edge, "edge_inbox_messages") == 0)
        self._wait_patiently(self._has_no_open_session)

    def _has_no_open_session(self) -> bool:
        return all(
            each["ended_at"] is not None for substation in self.grid.substations for each in sessions(substation)
        )

    def _wait_patiently(self, is_done: Callable[[], bool]) -> None:
        """What is not done by then is read as it is: the rules will say so."""
        end_s = time.monotonic() + SETTLE_TIMEOUT_S
        while not is_done() and time.monotonic() < end_s:
            time.sleep(0.5)

    def _evidence(self, handles: dict[str, Handle]) -> Evidence:
        cars = [car for charger in self.chargers for car in _cars(charger, handles[charger.name])]
        self.counts["cars"] = len(cars)
        self.counts["Wh"] = round(1000 * sum(car.energy_kwh for car in cars))
        self.counts["connections"] = sum(each.line.connections for each in handles.values())
        self.counts["profiles"] = sum(each.charger.counts.profiles for each in handles.values())
        return Evidence(
            cars=cars,
            sessions={name: sessions(each) for name, each in zip(self.grid.names, self.grid.substations, strict=True)},
            drawn={name: self.street.moments(name) for name in self.grid.names},
            capacities_kw=self.capacities_kw,
            dropped={name: handle.charger.dropped_messages for name, handle in handles.items()},
            events=self.events,
        )


def _plug(handle: Handle, visit: Visit) -> None:
    car = Car(
        battery_kwh=visit.needs_kwh + 40,
        energy_kwh=40,
        taper_from=40 / (visit.needs_kwh + 40),
        max_current_a=visit.max_current_a,
        phases=visit.phases,
        reaction_s=visit.reaction_s,
    )
    if handle.charger.places[1].outlet.car is None:
        handle.plug(car, tag=visit.tag)


def _cars(charger: PlannedCharger, handle: Handle) -> list[CarSeen]:
    return [
        CarSeen(
            tag=each.tag,
            substation=charger.substation,
            charger=charger.name,
            energy_kwh=(int((each.register_end_kwh or 0) * 1000) - int(each.register_start_kwh * 1000)) / 1000,
            is_settled=each.is_settled,
        )
        for each in handle.transactions
        if each.is_authorized
    ]
