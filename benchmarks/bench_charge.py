"""`make bench`: what a charge costs through all services, at one substation, and in a bare handler; then two scenarios.

All in one run, in turns, as the machine's speed changes from minute to minute. Cars want so little, and time runs so
fast, that none is ever refused: it is the services that are measured.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import load

GATEWAY, BALANCER, SUBSTATION, BARE = 18900, 18901, 18902, 18999
CONNECTIONS = 20
START_TIMEOUT_S = 120
END_TIMEOUT_S = 60


@dataclass(frozen=True)
class Case:
    """What is measured: the port that gets the load, and the processes whose CPU it costs."""

    name: str
    port: int
    processes: tuple[str, ...]


CASES = (
    Case(
        "a  gateway, balancer, substation",
        GATEWAY,
        ("gateway", "balancer", "substation-0", "substation-1", "substation-2"),
    ),
    Case("b  one substation", SUBSTATION, ("substation-0",)),
    Case("c  bare Flask handler", BARE, ("bare",)),
)


def requests() -> Callable[[], bytes]:
    """A different car each time."""
    numbers = itertools.count()

    def make() -> bytes:
        body = b'{"vehicle_id": "EV-%08d", "energy_kwh": 0.01, "max_power_kw": 11}' % next(numbers)
        head = (
            b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        return head % len(body) + body

    return make


@contextmanager
def grid(data_dir: Path, time_scale: int) -> Iterator[dict[str, int]]:
    """Three substations, a balancer and a gateway; yields the process ids by name."""
    ports = ["--gateway-port", str(GATEWAY), "--balancer-port", str(BALANCER), "--substation-port", str(SUBSTATION)]
    options = [
        "--substations",
        "3",
        "--capacity-kw",
        "100",
        "--time-scale",
        str(time_scale),
        "--data-dir",
        str(data_dir),
    ]
    with process([sys.executable, "-m", "smartgrid", "up", *ports, *options]) as started:
        for line in started.stdout or ():
            if line.strip() == "ready":
                break
        yield {name: each["pid"] for name, each in json.loads((data_dir / "processes.json").read_text()).items()}


@contextmanager
def bare() -> Iterator[int]:
    with process([sys.executable, str(Path(__file__).with_name("bare.py")), str(BARE)]) as started:
        end_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end_s:
            try:
                urlopen(f"http://127.0.0.1:{BARE}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield started.pid


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(END_TIMEOUT_S)


def measure(case: Case, pids: dict[str, int], duration_s: float) -> dict[str, float]:
    make = requests()
    load.run(case.port, make, CONNECTIONS, min(1.0, duration_s / 2))  # warm up
    before_s = sum(load.cpu_s(pids[name]) for name in case.processes)
    measured = load.run(case.port, make, CONNECTIONS, duration_s)
    cpu_s = sum(load.cpu_s(pids[name]) for name in case.processes) - before_s
    wrong = sum(count for status, count in measured.statuses.items() if status != 201)
    return {
        "requests_per_s": measured.rate,
        "p50_ms": measured.percentile_ms(0.50),
        "p99_ms": measured.percentile_ms(0.99),
        "cpu_us": 1e6 * cpu_s / len(measured.latencies_s),
        "not_201": wrong,
    }


def scenario(name: str, output: Path) -> dict[str, object]:
    command = ["loadtest", "--scenario", name, "--target", f"http://127.0.0.1:{GATEWAY}", "--output", str(output)]
    subprocess.run([sys.executable, "-m", "smartgrid", *command], check=True, stdout=subprocess.DEVNULL, timeout=600)
    return dict(json.loads(output.read_text()))


def show(rounds: dict[str, list[dict[str, float]]]) -> None:
    print(f"\n{'':34} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs/request':>15} {'not 201':>8}")
    for name, results in rounds.items():
        m = {key: statistics.median(result[key] for result in results) for key in results[0]}
        print(
            f"{name:34} {m['requests_per_s']:10.0f} {m['p50_ms']:8.1f} {m['p99_ms']:8.1f} "
            f"{m['cpu_us']:15.0f} {m['not_201']:8.0f}"
        )
    rates = [statistics.median(r["requests_per_s"] for r in results) for results in rounds.values()]
    print(f"\na is {rates[0] / rates[2]:.2f} of c; the aim is 0.25 or more. b is {rates[1] / rates[2]:.2f} of c.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration-s", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-scenarios", action="store_true")
    options = parser.parse_args()
    print(
        f"{platform.platform()}, Python {platform.python_version()}, "
        f"httptools {version('httptools')}, flask {version('flask')}"
    )
    with tempfile.TemporaryDirectory() as folder:
        rounds: dict[str, list[dict[str, float]]] = {case.name: [] for case in CASES}
        with grid(Path(folder) / "bench", 36_000) as pids, bare() as bare_pid:
            for number in range(options.rounds):
                for case in CASES:
                    print(f"round {number + 1} of {options.rounds}: {case.name}", file=sys.stderr)
                    rounds[case.name].append(measure(case, {**pids, "bare": bare_pid}, options.duration_s))
            show(rounds)
            memory = ", ".join(f"{name} {load.memory_mb(pid):.0f}" for name, pid in pids.items())
            print(f"memory after the load in MB: {memory}")
        if not options.no_scenarios:
            scenarios(Path(folder))


def scenarios(folder: Path) -> None:
    for name, aim_ms in (("normal", 50), ("burst", 300)):
        with grid(folder / name, 60):
            found = scenario(name, folder / f"{name}.json")
        print(f"{name}: p99 {found['response_time_ms']['p99']} ms (aim: under {aim_ms}), {found['requests']}")  # type: ignore[index]


if __name__ == "__main__":
    main()
