"""What a charge costs one substation process with 20, 2,000 and 20,000 active sessions, and what a status does.

CPU is the process's own, by the kernel's count of all its threads; each charge is stopped again, uncounted, so that
the sessions stay as many as they are. Targets: with 2,000 at most twice the CPU of 20; with 20,000 an answer in under
50 ms, and a status in under 2 ms.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.processes import Process

COUNTS = (20, 2000, 20_000)
CALLS = 200
FILLERS = 8
A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 500, "max_power_kw": 11, "min_power_kw": 4}


class Caller:
    """One kept connection."""

    def __init__(self, substation: Process) -> None:
        self.pid = substation.pid
        self.connection = HTTPConnection("127.0.0.1", substation.port, timeout=60)

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        with self.connection.getresponse() as response:
            content = response.read()
        assert response.status < 300, content
        answer: dict[str, object] = json.loads(content)
        return answer


def cpu_us(pid: int) -> float:
    """CPU time that all threads of a process have had."""
    used_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            used_ns += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended
    return used_ns / 1000


def fill(substation: Process, count: int) -> None:
    def work(number: int) -> None:
        caller = Caller(substation)
        for _ in range(count // FILLERS + (number < count % FILLERS)):
            caller.call("POST", "/charge", A_CAR)

    with ThreadPoolExecutor(FILLERS) as threads:
        list(threads.map(work, range(FILLERS)))


@dataclass
class Calls:
    """What the calls of one kind cost: CPU of the process in microseconds, and time in milliseconds."""

    spent_us: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)

    def measure(self, caller: Caller, method: str, path: str, body: object = None) -> dict[str, object]:
        before_us, begun_s = cpu_us(caller.pid), time.perf_counter()
        answer = caller.call(method, path, body)
        self.took_ms.append((time.perf_counter() - begun_s) * 1000)
        self.spent_us.append(cpu_us(caller.pid) - before_us)
        return answer


def verdict(name: str, value: float, most: float) -> None:
    print(f"{name}: {value:.2f}, target {most:g}: {'met' if value <= most else 'the target is missed'}")


def main() -> None:
    counts = tuple(map(int, sys.argv[1:])) or COUNTS
    charges, statuses = {count: Calls() for count in counts}, {count: Calls() for count in counts}
    with ExitStack() as stack:
        callers = {}
        for count in counts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            started = Process("substation", folder, name="s0", capacity_kw=100_000, log_level="warning")
            substation = stack.enter_context(started)
            fill(substation, count)
            callers[count] = Caller(substation)
        for _ in range(CALLS):  # in turns, as the machine's speed changes from moment to moment
            for count, caller in callers.items():
                session = charges[count].measure(caller, "POST", "/charge", A_CAR)
                statuses[count].measure(caller, "GET", "/status")
                caller.call("DELETE", f"/charge/{session['session_id']}")
    report(charges, statuses)


def report(charges: dict[int, Calls], statuses: dict[int, Calls]) -> None:
    print(f"{'active':>8} {'CPU a charge':>14} {'median':>9} {'longest':>9} {'CPU a status':>14} {'median':>9}")
    for count, charge in charges.items():
        status = statuses[count]
        print(
            f"{count:8} {median(charge.spent_us):11.0f} µs {median(charge.took_ms):6.1f} ms "
            f"{max(charge.took_ms):6.1f} ms {median(status.spent_us):11.0f} µs {median(status.took_ms):6.2f} ms"
        )
    if tuple(charges) == COUNTS:
        few, many, most = (median(charges[count].spent_us) for count in charges)
        verdict("CPU of a charge with 2,000 to that with 20", many / few, 2)
        verdict("CPU of a charge with 20,000 to that with 20", most / few, 2)
        verdict("median of a charge with 20,000, ms", median(charges[20_000].took_ms), 50)
        verdict("median of a status with 20,000, ms", median(statuses[20_000].took_ms), 2)


if __name__ == "__main__":
    main()
