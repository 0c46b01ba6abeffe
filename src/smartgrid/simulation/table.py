"""The result as a table for people."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

Json = dict[str, Any]

HEADINGS = (
    "policy", "accepted", "of optimum", "admitted", "utilised", "load sd", "farthest", "over cap.", "shortfall",
    "decisions/s", "refused with room",
)  # fmt: skip


def result_table(result: Json) -> str:
    """Each policy's means, with the spread (standard deviation over the seeds) of what varies most."""
    runs = result.get("runs", [result])
    policies = list(runs[0]["policies"])
    rows = [HEADINGS, *(_cells(policy, runs) for policy in policies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", *_notes(runs)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _cells(policy: str, runs: Sequence[Json]) -> tuple[str, ...]:
    def spread(value: Callable[[Json], float], unit: str = "", digits: int = 2) -> str:
        values = [value(run) for run in runs]
        text = f"{statistics.fmean(values):.{digits}f}{unit}"
        return text if len(values) == 1 else f"{text} ±{statistics.stdev(values):.{digits}f}"

    def of(name: str, factor: float = 1.0) -> Callable[[Json], float]:
        return lambda run: factor * run["policies"][policy][name]

    def of_optimum(run: Json) -> float:
        return 100 * float(run["policies"][policy]["accepted_kwh"]) / float(run["optimum"]["accepted_kwh"] or 1)

    known = all(run["optimum"]["accepted_kwh"] for run in runs)
    return (
        policy,
        f"{statistics.fmean(of('accepted_kwh')(run) for run in runs):,.1f} kWh",
        spread(of_optimum, "%") if known else "-",
        spread(of("admitted", 100), "%"),
        spread(of("utilisation", 100), "%"),
        spread(of("load_percentage_sd")),
        spread(of("load_percentage_max_deviation"), digits=1),
        f"{statistics.fmean(of('over_capacity_seconds')(run) for run in runs):.0f} s",
        f"{statistics.fmean(of('shortfall_kwh')(run) for run in runs):,.1f} kWh",
        f"{statistics.fmean(of('decisions_per_second')(run) for run in runs):,.0f}",
        f"{sum(of('refused_with_room')(run) for run in runs):.0f}",
    )


def _notes(runs: Sequence[Json]) -> list[str]:
    cars = statistics.fmean(next(iter(run["policies"].values()))["cars"] for run in runs)
    seeds = f"{len(runs)} seeds, means ± standard deviation" if len(runs) > 1 else "one run"
    notes = [f"{seeds}; {cars:,.0f} cars a run."]
    optima = [run["optimum"]["accepted_kwh"] for run in runs]
    if all(optima):
        notes.append(f"Optimum: {statistics.fmean(optima):,.1f} kWh.")
    return notes
