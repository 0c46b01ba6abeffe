"""`make bench-simulation`: the table of targets of placement, each line with the command that makes it again.

.venv/bin/python benchmarks/bench_simulation.py [--first-seed 5001] [--only TEXT] [--acn FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartgrid.workload.poisson import Recipe, generate
from smartgrid.workload.recorded import OWN_COLUMNS

Row = dict[str, Any]
BURST = "burst of 200 cars, 23 substations, rigid mix a"
TRACE = "caltech-2019-05-01_2019-08-31.csv.gz"


@dataclass(frozen=True)
class Line:
    """One target: what to simulate, and what to read off each run."""

    what: str
    arguments: str
    value: Callable[[Row], str]


def of_optimum(runs: Sequence[Row], policy: str = "least-loaded") -> str:
    shares = [100 * run["policies"][policy]["accepted_kwh"] / run["optimum"]["accepted_kwh"] for run in runs]
    return f"{statistics.fmean(shares):.2f} %{_spread(shares)} of optimum"


def mean_of(runs: Sequence[Row], name: str, factor: float = 1, unit: str = "") -> str:
    values = [factor * run["policies"]["least-loaded"][name] for run in runs]
    return f"{name} {statistics.fmean(values):.2f}{unit}{_spread(values)}"


def _spread(values: Sequence[float]) -> str:
    return f" ±{statistics.stdev(values):.2f}" if len(values) > 1 else ""


def rigid(result: Row) -> str:
    runs = result.get("runs", [result])
    return "; ".join([of_optimum(runs), mean_of(runs, "load_percentage_sd"), mean_of(runs, "refused_with_room")])


def alone(result: Row) -> str:
    """Without the optimum: its linear programme is too large."""
    runs = result.get("runs", [result])
    shown = [mean_of(runs, "admitted", 100, " %"), mean_of(runs, "load_percentage_sd")]
    return "; ".join([*shown, mean_of(runs, "refused_with_room")])


def flexible(result: Row) -> str:
    runs = result.get("runs", [result])
    parts = [mean_of(runs, "admitted", 100, " %"), mean_of(runs, "utilisation", 100, " %"), of_optimum(runs)]
    return "; ".join(parts)


LINES = [
    Line("rigid, mix a, N = 10", "--mix a --substations 10", rigid),
    Line("rigid, mix a, N = 50", "--mix a --substations 50 --duration 1800", rigid),
    Line("rigid, mix b, N = 10", "--mix b --substations 10", rigid),
    Line("rigid, mix b, N = 50", "--mix b --substations 50 --duration 1800", rigid),
    Line("flexible, mix b, demand 1.3", "--mix b --flexible --demand 1.3 --mean-session 3600 --duration 1e5", flexible),
    Line("mix a, 5 s polls, 1 balancer", "--poll 5 --balancers 1", rigid),
    Line("mix a, 5 s polls, 2 balancers", "--poll 5 --balancers 2", rigid),
    Line("mix a, 5 s polls, 5 balancers", "--poll 5 --balancers 5", rigid),
    Line("10,000 substations", "--substations 10000 --duration 180 --warm-up 120 --no-optimum", alone),
    Line("100 regions of 100", "--substations 10000 --regions 100 --duration 180 --warm-up 120 --no-optimum", alone),
    *(Line(f"mix a, N = {size}", f"--substations {size} --duration {seconds}", rigid)
      for size, seconds in ((5, 6000), (20, 3000), (100, 900))),
]  # fmt: skip


def acn_lines(folder: Path) -> list[Line]:
    return [
        Line(f"real sessions, demand {demand}", f"--trace {folder / TRACE} --substations 3 --demand {demand}", flexible)
        for demand in (0.85, 1.3, 2.0)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first-seed", type=int, default=5001)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--only", default="", help="lines that contain this")
    parser.add_argument("--acn", type=Path, help="folder with ACN-Data sessions")
    options = parser.parse_args()
    for line in [*LINES, *(acn_lines(options.acn) if options.acn else [])]:
        if options.only in line.what:
            seeds = 1 if "--trace" in line.arguments or line.value is alone else options.seeds
            show(line, f"{line.arguments} --seeds {seeds} --first-seed {options.first_seed}")
    if options.only in BURST:
        show_burst(range(options.first_seed, options.first_seed + options.seeds))


def show(line: Line, arguments: str) -> None:
    begun_s = time.monotonic()
    result = simulate(arguments)
    print(f"{line.what}: {line.value(result)}  ({time.monotonic() - begun_s:.0f} s)")
    print(f"    smartgrid simulate {arguments}", flush=True)


def show_burst(seeds: Sequence[int]) -> None:
    """The first 200 cars of each seed's workload, all at the same moment."""
    admitted = []
    for seed in seeds:
        workload = generate(Recipe(substations=23), seed)
        capacities_kw = ",".join(f"{capacity_kw:.3f}" for capacity_kw in workload.capacities_kw)
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as trace:
            print(",".join(OWN_COLUMNS), file=trace)
            for request in (car.request for car in workload.cars[:200]):
                print(f"0,{request.energy_kwh},{request.power.max_kw},{request.power.min_kw},", file=trace, flush=True)
            arguments = f"--trace {trace.name} --rigid --capacities {capacities_kw} --delay 0.01 --no-optimum"
            admitted.append(100 * simulate(arguments)["policies"]["least-loaded"]["admitted"])
    print(f"{BURST}: admitted {statistics.fmean(admitted):.2f} %{_spread(admitted)}, least {min(admitted):.2f} %")


def simulate(arguments: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "smartgrid", "simulate", *arguments.split(), "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=7200)
        result: Row = json.loads(path.read_text())
        return result


if __name__ == "__main__":
    main()
