"""`kill -9` of a substation with a list: the same cars wait in the same order afterwards, none lost, none twice."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.grid import sessions
from support.processes import Process, wait_until

TIME_SCALE = 300
A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 40, "max_power_kw": 80, "min_power_kw": 80}


def waiting(substation: Process) -> list[str]:
    return [car["session_id"] for car in substation.call("GET", "/waiting?limit=200").json()["cars"]]


def test_the_list_survives_a_kill_in_its_order(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        replies = [
            substation.call("POST", "/charge", json=A_CAR | {"wait": True}, headers={"Idempotency-Key": f"k{i}"})
            for i in range(6)
        ]
        assert [reply.status for reply in replies] == [201, *[202] * 5]
        ids = [reply.json()["session_id"] for reply in replies]
        substation.call("DELETE", f"/charge/{ids[3]}")
        before = substation.call("GET", "/waiting").json()
        for _ in range(2):
            substation.kill()
            substation.restart()
            assert substation.call("GET", "/waiting").json() == before
        substation.terminate()
        substation.restart()
        assert waiting(substation) == [ids[1], ids[2], ids[4], ids[5]]
        again = substation.call("POST", "/charge", json=A_CAR | {"wait": True}, headers={"Idempotency-Key": "k4"})
        assert (again.status, again.json()["session_id"], again.json()["position"]) == (202, ids[4], 3)
        substation.call("DELETE", f"/charge/{ids[0]}")
        assert waiting(substation) == [ids[2], ids[4], ids[5]]


@dataclass
class Driver:
    """One of several that join and leave for as long as they are answered, and note what they were told."""

    substation: Process
    seed: int
    told: dict[str, dict[str, object]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    unanswered: int = 0

    def run(self) -> None:
        rng = random.Random(self.seed)
        for number in range(100_000):
            kw = rng.choice([3.7, 11, 22, 50])
            car = {"vehicle_id": f"EV-{self.seed}-{number}", "energy_kwh": kw * rng.uniform(0.02, 0.2)}
            car |= {"max_power_kw": kw, "min_power_kw": kw, "wait": rng.random() < 0.8}
            reply = self.substation.try_call(
                "POST", "/charge", json=car, headers={"Idempotency-Key": f"{self.seed}-{number}"}
            )
            if reply is None:
                self.unanswered += 1
                return
            assert reply.status in (201, 202, 503), reply.body
            if reply.status == 503:
                if not self._stop_one(rng):
                    return
            else:
                self.told[reply.json()["session_id"]] = reply.json()

    def _stop_one(self, rng: random.Random) -> bool:
        running = [session_id for session_id in self.told if session_id not in self.stopped]
        if running:
            session_id = rng.choice(running)
            if self.substation.try_call("DELETE", f"/charge/{session_id}") is None:
                self.unanswered += 1
                return False
            self.stopped.add(session_id)
        return True


@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_lost_and_nobody_doubled_by_a_kill_under_load(tmp_path: Path, seed: int) -> None:
    settings = {"capacity_kw": 100, "time_scale": TIME_SCALE, "max_waiting": 30}
    with Process("substation", tmp_path, name="s0", **settings) as substation:
        drivers = [Driver(substation, 10 * seed + i) for i in range(6)]
        threads = [threading.Thread(target=driver.run) for driver in drivers]
        for thread in threads:
            thread.start()
        least = random.Random(seed).randint(60, 150)
        wait_until(lambda: sum(len(driver.told) for driver in drivers) >= least, what=f"{least} sessions")
        substation.kill()
        for thread in threads:
            thread.join()
        substation.restart()

        found = sessions(substation)
        by_id = {str(session["session_id"]): session for session in found}
        assert len(by_id) == len(found)
        told = {session_id: session for driver in drivers for session_id, session in driver.told.items()}
        assert set(told) <= set(by_id)
        assert len(set(by_id) - set(told)) <= sum(driver.unanswered for driver in drivers)
        for session_id, before in told.items():
            after = by_id[session_id]
            assert after["vehicle_id"] == before["vehicle_id"]
            assert before["state"] != "Waiting" or after["joined_at"] == before["joined_at"]
        for driver in drivers:
            assert all(by_id[session_id]["state"] == "Idle" for session_id in driver.stopped)
        status = substation.call("GET", "/status").json()
        assert status["committed_kw"] <= status["capacity_kw"]
        joined = {
            session_id: str(session["joined_at"]) for session_id, session in by_id.items() if "joined_at" in session
        }
        line = waiting(substation)
        assert len(line) == len(set(line))
        order = [joined[session_id] for session_id in line if session_id in joined]
        assert order == sorted(order)

        # and all of them come to their end
        wait_until(lambda: all(session["state"] == "Idle" for session in sessions(substation)), 60, "all are served")
        ends = {str(session["session_id"]): session["end_reason"] for session in sessions(substation)}
        stopped = set().union(*(driver.stopped for driver in drivers))
        assert {ends[session_id] for session_id in ends if session_id not in stopped} <= {"EnergyDelivered", "Stopped"}
