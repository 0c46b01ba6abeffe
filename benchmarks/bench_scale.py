"""`make bench-scale`: 3, 10 and 30 real substations behind one balancer, at the same demand for each substation.

The cars are rigid, mix a, demand 0.85; a mean session lasts `--mean-session-s` of wall time. What should stay as it is
while the fleet grows: accepted energy, imbalance, latency.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

import real_grid

from smartgrid.simulation.optimum import optimum_kwh
from smartgrid.workload.poisson import Recipe, generate

BALANCER_PORT, FIRST_PORT = 18304, 18340


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="3,10,30")
    parser.add_argument("--seconds", type=float, default=60, help="of arrivals for each size")
    parser.add_argument("--mean-session-s", type=float, default=10, help="of wall time")
    parser.add_argument("--policy", default="least-loaded")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.policy}\n")
    print(f"{'substations':>11} {'cars':>6} {'cars/s':>7} {'of optimum':>10} {'refused':>8} {'failed':>7} "
          f"{'load sd':>8} {'over':>5} {'p50 ms':>7} {'p99 ms':>7} {'CPU us/car':>11} {'MB':>4}")  # fmt: skip
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            print(measured(size, options, Path(folder)), flush=True)


def measured(size: int, options: argparse.Namespace, folder: Path) -> str:
    speedup = 60 / options.mean_session_s
    workload = generate(Recipe("a", size, 0.85, 60.0, options.seconds * speedup), options.seed)
    with (
        real_grid.substations(workload, FIRST_PORT, speedup, folder) as members,
        real_grid.balancer(BALANCER_PORT, members, options.policy, folder) as pid,
    ):
        before_s = real_grid.cpu_s(pid)
        run = real_grid.drive(BALANCER_PORT, workload, members, speedup)
        cpu_us = 1e6 * (real_grid.cpu_s(pid) - before_s) / len(workload.cars)
        memory_mb = real_grid.memory_mb(pid)
    return (
        f"{size:11} {len(workload.cars):6} {len(workload.cars) / options.seconds:7.1f} "
        f"{100 * run.accepted_kwh / optimum_kwh(workload):9.2f}% {run.refused:8} {run.failed:7} {run.load_sd:8.2f} "
        f"{run.over_capacity:5} {run.percentile_ms(0.5):7.1f} {run.percentile_ms(0.99):7.1f} {cpu_us:11.0f} "
        f"{memory_mb:4.0f}"
    )


if __name__ == "__main__":
    main()
