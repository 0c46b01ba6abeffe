"""`make bench-letting-wait`: what it costs a grid to let a car wait, beside one that is admitted or refused.

Three real substations and a balancer, one car after the other. Each car that waits is foretold by all three, and each
of them runs a copy of itself forward for it, so the cost grows with the lists. CPU is that of the processes themselves.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import load

from support.grid import PATIENT_BALANCER, Grid, charge
from support.processes import wait_until

SUBSTATIONS = 3
FULL_KW, ROOMY_KW = 220.0, 3300.0
FILLING = 20  # cars that fill one


def main() -> None:
    print(f"{'car':34} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms, balancer':>18} {'all substations':>18}")
    with tempfile.TemporaryDirectory() as folder, grid_of(ROOMY_KW, Path(folder)) as grid:
        measure(grid, "admitted", 300, 201)
    with tempfile.TemporaryDirectory() as folder, grid_of(FULL_KW, Path(folder)) as grid:
        for substation in grid.substations:
            for i in range(FILLING):
                assert charge(substation, f"filler-{i}").status == 201
        wait_until(lambda: grid.balancer.call("GET", "/status").json()["committed_kw"] == SUBSTATIONS * FULL_KW, 60)
        measure(grid, "refused", 300, 503)
        measure(grid, "let wait, in lists of 0 to 20", 60, 202, wait=True)
        measure(grid, "let wait, in lists of 20 to 100", 240, 202, wait=True)


def grid_of(capacity_kw: float, folder: Path) -> Grid:
    return Grid(folder, [capacity_kw] * SUBSTATIONS, **PATIENT_BALANCER)


def measure(grid: Grid, what: str, cars: int, expected: int, **changes: object) -> None:
    """So many cars of one kind."""
    before_s = cpu_s(grid)
    latencies_ms = []
    for i in range(cars):
        begun_s = time.perf_counter()
        assert charge(grid.balancer, f"{what} {i}", **changes).status == expected
        latencies_ms.append(1000 * (time.perf_counter() - begun_s))
    after_s = cpu_s(grid)
    p50_ms, p95_ms = statistics.median(latencies_ms), statistics.quantiles(latencies_ms, n=20)[-1]
    balancer_ms, substations_ms = (1000 * (after - s) / cars for after, s in zip(after_s, before_s, strict=True))
    print(f"{what:34} {p50_ms:8.1f} {p95_ms:8.1f} {balancer_ms:18.2f} {substations_ms:18.2f}", flush=True)


def cpu_s(grid: Grid) -> tuple[float, float]:
    """That the balancer, and all substations, have used."""
    return load.cpu_s(grid.balancer.popen.pid), sum(load.cpu_s(each.popen.pid) for each in grid.substations)


if __name__ == "__main__":
    main()
