"""`make bench-views`: one balancer over 1,000 endpoints that speak a substation's protocol.

Three things: what it costs while nothing changes (messages and CPU a second), how long a change takes to reach the
balancer's view, and what many changes cost.
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import real_grid
import stub_substations

BALANCER_PORT, STUB_PORT = 18304, 18310
TOLERANCE_KW = 1e-3
START_TIMEOUT_S = 120.0


class Stubs:
    """The stub process: tell it what to do, hear what it did."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.changes: list[tuple[float, float]] = []  # when, and the committed power of all from then on
        self._answers: queue.Queue[int] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def answered(self) -> int:
        self.tell("count")
        return self._answers.get(timeout=30)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            words = line.split()
            if words[0] == "changed":
                self.changes.append((float(words[1]), float(words[2])))
            elif words[0] == "answered":
                self._answers.put(int(words[1]))


@contextmanager
def stubs(count: int) -> Iterator[Stubs]:
    command = [sys.executable, stub_substations.__file__, "--port", str(STUB_PORT), "--count", str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    try:
        yield Stubs(process)
    finally:
        process.terminate()
        process.wait(30)


def balancer_status(query: str = "") -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{BALANCER_PORT}/status{query}", timeout=70) as answer:
        return dict(json.load(answer))


def wait_until_all_known(count: int) -> float:
    begun_s = time.monotonic()
    while balancer_status()["capacity_kw"] < 100 * count - 1:
        if time.monotonic() - begun_s > START_TIMEOUT_S:
            raise SystemExit("the balancer did not hear of all substations")
        time.sleep(0.1)
    return time.monotonic() - begun_s


def latencies_ms(grid: Stubs, seconds: float) -> list[float]:
    """How long each change took until the balancer's totals, asked for by long poll, contained it."""
    found, seen, end_s = [], len(grid.changes), time.time() + seconds
    revision = balancer_status()["revision"]
    while time.time() < end_s:
        status = balancer_status(f"?since={revision}&wait_s=5")
        revision, now_s = status["revision"], time.time()
        for changed_s, committed_kw in grid.changes[seen:]:
            if abs(status["committed_kw"] - committed_kw) < TOLERANCE_KW:
                found.append(1000 * (now_s - changed_s))
                seen = len(grid.changes)
    return found


def cost(grid: Stubs, pid: int, seconds: float) -> str:
    before, before_s, begun_s = grid.answered(), real_grid.cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    duration_s = time.monotonic() - begun_s
    messages = (grid.answered() - before) / duration_s
    return f"{messages:.1f} messages/s, {100 * (real_grid.cpu_s(pid) - before_s) / duration_s:.1f} % of one core"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--idle-seconds", type=float, default=90)
    parser.add_argument("--seconds", type=float, default=30, help="of changes")
    options = parser.parse_args()
    urls = ",".join(
        f"stub-{number}=http://{stub_substations.address(number)}:{STUB_PORT}" for number in range(options.count)
    )
    settings = {"SMARTGRID_SUBSTATIONS": urls, "SMARTGRID_ALLOWED_TARGETS": "127.0.0.0/8"}
    with tempfile.TemporaryDirectory() as name, stubs(options.count) as grid:
        folder = Path(name)
        with real_grid.service("balancer", BALANCER_PORT, settings, folder) as pid:
            print(f"{options.count} substations, all known {wait_until_all_known(options.count):.1f} s after ready")
            print(f"nothing changes: {cost(grid, pid, options.idle_seconds)} "
                  f"(at most {options.count / 30:.1f} messages/s wanted)", flush=True)  # fmt: skip
            grid.tell("rate 2")
            times_ms = sorted(latencies_ms(grid, options.seconds))
            print(f"a change reaches the balancer after {statistics.median(times_ms):.0f} ms (median), "
                  f"{times_ms[int(0.95 * len(times_ms))]:.0f} ms (p95), {times_ms[-1]:.0f} ms (longest), of "
                  f"{len(times_ms)}", flush=True)  # fmt: skip
            for rate in (30, 100):
                grid.tell(f"rate {rate}")
                print(f"{rate} changes/s: {cost(grid, pid, options.seconds)}", flush=True)
            grid.tell("rate 0")
            print(f"memory {real_grid.memory_mb(pid):.0f} MB")


if __name__ == "__main__":
    main()
