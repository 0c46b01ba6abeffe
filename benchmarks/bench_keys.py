"""`make bench-keys`: what a charge costs the balancer, with the client's key and without, at 3 and 200 substations.

The substations are scripted ones in one process, which answer at once: it is the balancer that is measured. The cases
are measured in turns, as the machine's speed changes from minute to minute; CPU is the balancer's own.

    python benchmarks/bench_keys.py --src OTHER/src     measures another version of the balancer beside this one
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import load
import real_grid

HERE = Path(__file__).resolve().parent
PORT = 18921
CAPACITY_KW = 1e6
SETTLE_S = 3.0


@dataclass(frozen=True)
class Case:
    substations: int
    connections: int
    keyed: bool


CASES = [Case(count, connections, keyed) for count in (3, 200) for connections in (1, 8, 32) for keyed in (False, True)]


def requests(keyed: bool) -> Callable[[], bytes]:
    """A different car each time, with a fresh key or none."""
    numbers, run = itertools.count(), time.time_ns()

    def make() -> bytes:
        number = next(numbers)
        body = b'{"vehicle_id": "EV-%08d", "energy_kwh": 10, "max_power_kw": 11, "min_power_kw": 1}' % number
        key = b"Idempotency-Key: key-%d-%d\r\n" % (run, number) if keyed else b""
        head = b"POST /charge HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/json\r\n" % key
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    return make


@contextmanager
def stubs(count: int, capacity_kw: float = CAPACITY_KW) -> Iterator[str]:
    """The scripted substations, in a process of their own; yields them as SMARTGRID_SUBSTATIONS takes them."""
    command = [sys.executable, str(Path(__file__)), "--stubs", str(count), "--capacity-kw", str(capacity_kw)]
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE.parent / "tests")])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as started:
        try:
            assert started.stdout is not None
            yield started.stdout.readline().strip()
        finally:
            started.terminate()


def serve_stubs(count: int, capacity_kw: float) -> None:
    from support.scripted_substation import Response, ScriptedSubstations, answers

    with ScriptedSubstations([f"stub-{number}" for number in range(count)], capacity_kw) as served:
        for each in served:  # a balancer of before would ask for keys
            each.scripts["GET /charge"] = answers(Response(200, {"sessions": [], "next_cursor": None}))
        print(served.listed(), flush=True)
        signal.sigwait([signal.SIGTERM, signal.SIGINT])
        os._exit(0)


@contextmanager
def balancer(substations: str, source: Path, folder: Path, port: int) -> Iterator[int]:
    settings = {"SMARTGRID_SUBSTATIONS": substations, "PYTHONPATH": str(source), "SMARTGRID_LOG_LEVEL": "info"}
    with real_grid.service("balancer", port, settings, folder) as pid:
        yield pid


def measure(case: Case, port: int, pid: int, duration_s: float) -> dict[str, float]:
    make = requests(case.keyed)
    load.run(port, make, case.connections, min(0.5, duration_s / 2))  # warm up
    before_s = load.cpu_s(pid)
    measured = load.run(port, make, case.connections, duration_s)
    return {
        "rate": measured.rate,
        "p50_ms": measured.percentile_ms(0.5),
        "p99_ms": measured.percentile_ms(0.99),
        "cpu_us": 1e6 * (load.cpu_s(pid) - before_s) / len(measured.latencies_s),
        "not_201": sum(count for status, count in measured.statuses.items() if status != 201),
        "memory_mb": load.memory_mb(pid),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stubs", type=int, help="serve so many scripted substations")
    parser.add_argument("--capacity-kw", type=float, default=CAPACITY_KW, help="of each of these")
    parser.add_argument("--src", type=Path, action="append", default=[], help="another version's src to measure too")
    parser.add_argument("--duration", type=float, default=4.0, help="of each measurement, in seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--substations", type=int, action="append", default=[], help="only so many")
    chosen = parser.parse_args()
    if chosen.stubs:
        serve_stubs(chosen.stubs, chosen.capacity_kw)
        return
    sources = [HERE.parent / "src", *chosen.src]
    print(f"{'':44} {'charges/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8} {'not 201':>8} {'MB':>6}", flush=True)
    for count in chosen.substations or (3, 200):
        with stubs(count) as listed, ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            pids = [
                stack.enter_context(balancer(listed, source, Path(folder) / str(number), PORT + number))
                for number, source in enumerate(sources)
            ]
            time.sleep(SETTLE_S)
            for case in (case for case in CASES if case.substations == count):
                rounds = [
                    [measure(case, PORT + number, pid, chosen.duration) for number, pid in enumerate(pids)]
                    for _ in range(chosen.rounds)
                ]
                for number, source in enumerate(sources):
                    show(case, source, [each[number] for each in rounds])


def show(case: Case, source: Path, results: list[dict[str, float]]) -> None:
    found = {name: statistics.median(each[name] for each in results) for name in results[0]}
    key = "fresh key" if case.keyed else "no key"
    what = f"{case.substations} substations, {case.connections} at once, {key}"
    other = "" if source == HERE.parent / "src" else f"  ({source})"
    print(
        f"{what:44} {found['rate']:9.0f} {found['p50_ms']:8.1f} {found['p99_ms']:8.1f} {found['cpu_us']:8.0f} "
        f"{found['not_201']:8.0f} {found['memory_mb']:6.0f}{other}",
        flush=True,
    )


if __name__ == "__main__":
    main()
