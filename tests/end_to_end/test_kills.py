"""`kill -9` of every service at random moments under load: nothing acknowledged is lost, and nothing doubled."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.grid import (
    TOLERANCE_KW,
    Grid,
    charge,
    held_by_vehicle,
    metric,
    patient,
    sessions,
    stop_all,
    wait_settled,
)
from support.http import Reply
from support.processes import Process, start_all, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

CLIENTS = 4
PAUSE_S = 0.05
SEEDS = (1,)  # more find no more, and take ten seconds each


@dataclass
class Client:
    """Asks for one car after the other, each with a key of its own, through either gateway until it has an answer."""

    number: int
    gateways: list[Process]
    rng: random.Random
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)  # by vehicle, which is also the key
    acknowledged: dict[str, str] = field(default_factory=dict)  # vehicle -> session id
    moved: set[str] = field(default_factory=set)  # asked for through one balancer while another may have been at work
    _open_at: set[str] = field(default_factory=set)  # who may still be at work on the car

    def run(self, stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            self._one_car(f"car-{self.number}-{count}")
            time.sleep(PAUSE_S)

    def _one_car(self, vehicle_id: str) -> None:
        self.bodies[vehicle_id] = {"max_power_kw": 2, "min_power_kw": self.rng.choice((0.01, 0.1))}
        self._open_at.clear()
        reply = patient(lambda: self._ask(vehicle_id), lambda found: found.status == 201)
        self.acknowledged[vehicle_id] = reply.json()["session_id"]

    def _ask(self, vehicle_id: str) -> Reply | None:
        gateway = self.rng.choice(self.gateways)
        try:
            reply = charge(gateway, vehicle_id, key=vehicle_id, **self.bodies[vehicle_id])
        except ConnectionRefusedError:
            return None
        except OSError:
            self._open_at.add(gateway.url)
            return None
        if reply.status == 201 and self._open_at - {gateway.url}:
            self.moved.add(vehicle_id)
        if reply.json().get("code") == "outcome-unknown":
            self._open_at.add(f"the balancer that died behind {gateway.url}")
        return reply


@dataclass
class Watcher:
    """Looks at every substation all the time, and notes when one gives more than it has."""

    substations: list[Process]
    looks: int = 0
    over: list[dict[str, Any]] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for substation in self.substations:
                reply = substation.try_call("GET", "/status", timeout_s=5)
                if reply is not None and reply.status == 200:
                    self._look(reply.json())
            time.sleep(0.02)

    def _look(self, status: dict[str, Any]) -> None:
        self.looks += 1
        most_kw = status["capacity_kw"] + TOLERANCE_KW
        if status["load_kw"] > most_kw or status["committed_kw"] > most_kw:
            self.over.append(status)


def kill_each_once(grid: Grid, rng: random.Random) -> None:
    """Every service in random order, after a random while, for a random while."""
    for process in rng.sample(grid.processes, len(grid.processes)):
        time.sleep(rng.uniform(0.05, 0.5))
        process.kill()
        time.sleep(rng.uniform(0, 0.3))
        process.restart()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_acknowledged_is_lost_and_nothing_doubled(grid: Grid, seed: int) -> None:
    rng, stop = random.Random(seed), threading.Event()
    clients = [Client(i, grid.gateways, random.Random(f"{seed}-{i}")) for i in range(CLIENTS)]
    for client in clients:
        client.number += 100 * seed
    watcher = Watcher(grid.substations)
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        running = [pool.submit(each.run, stop) for each in (*clients, watcher)]
        try:
            kill_each_once(grid, rng)
        finally:
            stop.set()
        for future in running:
            future.result(120)
    for balancer in grid.balancers:
        wait_until(lambda b=balancer: metric(b, "substation_in_rotation") == 3, 60, "all are in rotation")
        wait_settled(balancer)

    acknowledged = {vehicle: name for client in clients for vehicle, name in client.acknowledged.items()}
    shown = {each["session_id"]: each for each in sessions(grid.gateway, limit=50)}
    assert acknowledged, "the load must have got through"
    assert [vehicle for vehicle, name in acknowledged.items() if name not in shown] == []
    assert [vehicle for vehicle, name in acknowledged.items() if shown[name]["end_reason"] == "Stopped"] == []
    assert watcher.looks
    assert watcher.over == []
    moved = {vehicle: client.bodies[vehicle] for client in clients for vehicle in client.moved}
    twice = doubled(grid)
    assert twice - moved.keys() == set()
    # What docs/failure-modes.md says remains possible: it hardly ever happens, and ends with the next use of the key.
    use_again({vehicle: moved[vehicle] for vehicle in twice}, grid)
    wait_until(lambda: not doubled(grid), 60, "no one has two sessions")


def doubled(grid: Grid) -> set[str]:
    """The vehicles with more than one session."""
    return {vehicle for vehicle, count in held_by_vehicle(grid.substations).items() if count > 1}


def use_again(bodies: dict[str, dict[str, Any]], grid: Grid) -> None:
    """Ask once more for these cars, through a balancer that has forgotten them."""
    if bodies:
        grid.balancer.kill()
        grid.balancer.restart()
    for vehicle, body in bodies.items():
        patient(lambda v=vehicle, b=body: charge(grid.balancer, v, key=v, **b), lambda found: found.status == 201)


def test_the_books_balance_after_a_kill(grid: Grid) -> None:
    for substation in grid.substations:
        for i in range(3):
            assert charge(substation, f"before-{i}").status == 201
        substation.kill()
    start_all(grid.substations)
    for substation in grid.substations:
        stop_all(substation)
    before = [books(substation) for substation in grid.substations]
    for substation in grid.substations:
        for i in range(6):
            assert charge(substation, f"after-{i}", min_power_kw=1).status == 201
    for substation in grid.substations:
        stop_all(substation)

    for substation, (delivered_before_kwh, metered_before_kwh) in zip(grid.substations, before, strict=True):
        delivered_kwh, metered_kwh = books(substation)
        assert metered_kwh > metered_before_kwh
        assert delivered_kwh - delivered_before_kwh == pytest.approx(metered_kwh - metered_before_kwh, abs=1e-6)


def books(substation: Process) -> tuple[float, float]:
    """Energy of all sessions, and the integral of the load since the process started, while no one charges."""
    assert substation.call("GET", "/status").json()["load_kw"] == 0
    delivered_kwh = sum(session["delivered_kwh"] for session in sessions(substation))
    return delivered_kwh, metric(substation, "delivered_energy_kwh_total")
