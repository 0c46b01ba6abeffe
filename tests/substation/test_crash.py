"""`kill -9` of a substation at work: what it acknowledged is there afterwards, once, and the outage cost nothing."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from smartgrid.protocol import keys
from smartgrid.substation.keeper import HEARTBEAT_S
from support.grid import sessions
from support.processes import Process, wait_until

TIME_SCALE = 60
MARGIN_S = 2.0  # by which a busy machine may be late with its sign of life


@dataclass
class Driver:
    """One of several that start and stop sessions for as long as they are answered, and note what they were told."""

    substation: Process
    seed: int
    told: dict[str, dict[str, object]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)

    def run(self) -> None:
        rng = random.Random(self.seed)
        for number in range(100_000):
            key = f"{self.seed}-{number}"
            car = {"vehicle_id": f"EV-{key}", "energy_kwh": rng.uniform(0.1, 60), "max_power_kw": 1.38}
            reply = self.substation.try_call("POST", "/charge", json=car, headers={"Idempotency-Key": key})
            if reply is None:
                self.unanswered.append(key)
                return
            assert reply.status in (201, 503)
            if reply.status == 503:
                self._stop_one()
                continue
            session = reply.json()
            self.told[session["session_id"]], self.keys[key] = session, session["session_id"]

    def _stop_one(self) -> None:
        running = [session_id for session_id in self.told if session_id not in self.stopped]
        if running and self.substation.try_call("DELETE", f"/charge/{running[0]}"):
            self.stopped.add(running[0])


def work_until_killed(substation: Process, seed: int) -> list[Driver]:
    drivers = [Driver(substation, 10 * seed + i) for i in range(8)]
    threads = [threading.Thread(target=driver.run) for driver in drivers]
    for thread in threads:
        thread.start()
    least = random.Random(seed).randint(20, 120)
    wait_until(lambda: sum(len(driver.told) for driver in drivers) >= least, what=f"{least} sessions")
    substation.kill()
    for thread in threads:
        thread.join()
    return drivers


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_survives_a_kill_under_load(tmp_path: Path, seed: int) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=120, time_scale=TIME_SCALE) as substation:
        drivers = work_until_killed(substation, seed)
        substation.restart()
        found = sessions(substation)
        by_id = {str(session["session_id"]): session for session in found}
        assert len(by_id) == len(found)
        unasked = set(by_id)
        for driver in drivers:
            for session_id, session in driver.told.items():
                assert by_id[session_id]["vehicle_id"] == session["vehicle_id"]
            assert all(by_id[session_id]["state"] == "Idle" for session_id in driver.stopped)
            unasked -= set(driver.told)
            check_keys(substation, driver)
        assert len(unasked) <= sum(len(driver.unanswered) for driver in drivers)  # done, but no one was told
        status = substation.call("GET", "/status").json()
        assert status["load_kw"] <= status["capacity_kw"]


def check_keys(substation: Process, driver: Driver) -> None:
    """A repeat finds what was told of a key. What was not answered has happened once, or not at all."""
    status = substation.call("GET", "/status?epoch=0&keys=0").json()
    ids = {entry[0]: entry[2] for entry in status["keys"]["entries"]}
    assert len(ids) == len(status["keys"]["entries"])
    assert not status["keys"]["more"]
    for key, session_id in driver.keys.items():
        assert ids[keys.digest(key)] == session_id


def test_an_outage_is_not_delivered_and_no_more_than_a_heartbeat_is_lost(tmp_path: Path) -> None:
    car = {"vehicle_id": "EV-1", "energy_kwh": 500, "max_power_kw": 60}
    with Process("substation", tmp_path, name="s0", capacity_kw=100, time_scale=TIME_SCALE) as substation:
        path = f"/charge/{substation.call('POST', '/charge', json=car).json()['session_id']}"
        wait_until(lambda: substation.call("GET", path).json()["delivered_kwh"] > 2)  # two seconds of 60 kW x 60
        before = substation.call("GET", path).json()
        substation.kill()
        wait_s = 3.0
        threading.Event().wait(wait_s)
        substation.restart()
        after = substation.call("GET", path).json()
        kwh_per_s = 60 * TIME_SCALE / 3600
        assert after["delivered_kwh"] >= before["delivered_kwh"] - (HEARTBEAT_S + MARGIN_S) * kwh_per_s
        assert after["started_at"] == before["started_at"]
        awake_s = substation_age_s(substation)
        assert after["delivered_kwh"] <= before["delivered_kwh"] + (awake_s + MARGIN_S) * kwh_per_s


def substation_age_s(substation: Process) -> float:
    """For how long its process has run."""
    stat = Path(f"/proc/{substation.pid}/stat").read_text().rsplit(")", 1)[1].split()
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    return uptime_s - int(stat[19]) / 100


def test_two_kills_in_a_row_lose_nothing_and_keep_the_drawn_capacity(tmp_path: Path) -> None:
    ids, capacities_kw = [], []
    with Process("substation", tmp_path, name="s0") as substation:
        for number in range(2):
            car = {"vehicle_id": f"EV-{number}", "energy_kwh": 50}
            ids.append(substation.call("POST", "/charge", json=car).json()["session_id"])
            capacities_kw.append(substation.call("GET", "/status").json()["capacity_kw"])
            substation.kill()
            substation.restart()
        capacities_kw.append(substation.call("GET", "/status").json()["capacity_kw"])
        found = [session["session_id"] for session in sessions(substation)]
    assert found == ids[::-1]
    assert len(set(capacities_kw)) == 1
    assert 80 <= capacities_kw[0] <= 120
