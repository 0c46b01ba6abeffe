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
    wait_no_voids,
)
from support.processes import Process, wait_until

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
    acknowledged: dict[str, str] = field(default_factory=dict)  # vehicle -> session id

    def run(self, stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            self._one_car(f"car-{self.number}-{count}")
            time.sleep(PAUSE_S)

    def _one_car(self, vehicle_id: str) -> None:
        body = {"key": vehicle_id, "max_power_kw": 2, "min_power_kw": self.rng.choice((0.01, 0.1))}
        reply = patient(lambda: self._ask(vehicle_id, body), lambda found: found.status == 201)
        self.acknowledged[vehicle_id] = reply.json()["session_id"]

    def _ask(self, vehicle_id: str, body: dict[str, Any]) -> Any:
        try:
            return charge(self.rng.choice(self.gateways), vehicle_id, **body)
        except OSError:
            return None


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
        wait_no_voids(balancer)

    acknowledged = {vehicle: name for client in clients for vehicle, name in client.acknowledged.items()}
    shown = {each["session_id"]: each for each in sessions(grid.gateway, limit=50)}
    assert acknowledged, "the load must have got through"
    assert [vehicle for vehicle, name in acknowledged.items() if name not in shown] == []
    assert [vehicle for vehicle, name in acknowledged.items() if shown[name]["end_reason"] == "Stopped"] == []
    assert {vehicle: count for vehicle, count in held_by_vehicle(grid.substations).items() if count > 1} == {}
    assert watcher.looks
    assert watcher.over == []


def test_the_books_balance_after_a_kill(grid: Grid) -> None:
    for substation in grid.substations:
        for i in range(3):
            assert charge(substation, f"before-{i}").status == 201
        substation.kill()
    for substation in grid.substations:
        substation.restart()
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
