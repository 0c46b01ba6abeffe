"""Rules of waiting beside each other: each on each seed, their means, and a table for people."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from smartgrid.simulation.study import Study
from smartgrid.simulation.waiting import Waiting, WaitingWorld, WaitOutcome

Json = dict[str, Any]

COLUMNS: Sequence[tuple[str, str, float, str]] = (
    ("mean wait", "mean_wait_s", 1, " s"),
    ("p95", "p95_wait_s", 1, " s"),
    ("longest", "longest_wait_s", 1, " s"),
    ("waited", "waited", 100, "%"),
    ("never started", "never_started", 100, "%"),
    ("of the largest", "never_started_largest", 100, "%"),
    ("energy delivered", "delivered", 100, "%"),
    ("fairness", "fairness", 1, ""),
    ("start off by", "start_error_s", 1, " s"),
    ("p95", "p95_start_error_s", 1, " s"),
    ("moved", "moved", 100, "%"),
)
"""Heading, measure, factor and unit."""


class Task(NamedTuple):
    study: Study
    seed: int
    waiting: Waiting


class Finding(NamedTuple):
    seed: int
    rule: str
    outcome: WaitOutcome


def tasks(study: Study, rules: Sequence[str], patience_s: float, stop_early: float) -> list[Task]:
    """Everything that is to be simulated."""
    return [Task(study, seed, Waiting(rule, patience_s, stop_early)) for seed in study.seeds for rule in rules]


def find(task: Task) -> Finding:
    study, seed, waiting = task
    world = WaitingWorld(study.workload(seed), study.policies[0], study.view, seed, waiting)
    return Finding(seed, waiting.rule, world.run_waiting())


def as_json(settings: Json, findings: Sequence[Finding]) -> Json:
    """One run, or a list of runs with their mean and spread; the measures of each rule as in `WaitOutcome`."""
    seeds = sorted({finding.seed for finding in findings})
    runs = [_run(settings, seed, [finding for finding in findings if finding.seed == seed]) for seed in seeds]
    if len(runs) == 1:
        return runs[0]
    mean, spread = _combined(runs, statistics.fmean), _combined(runs, statistics.stdev)
    return {"settings": settings, "runs": runs, "mean": mean, "spread": spread}


def _run(settings: Json, seed: int, findings: Sequence[Finding]) -> Json:
    rules = {finding.rule: asdict(finding.outcome) for finding in findings}
    return {"settings": {**settings, "seed": seed}, "rules": rules}


def result_table(result: Json) -> str:
    """The means of each rule."""
    runs = result.get("runs", [result])
    rows = [("rule", *(heading for heading, *_ in COLUMNS)), *(_cells(runs, rule) for rule in runs[0]["rules"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows]
    cars = statistics.fmean(next(iter(run["rules"].values()))["cars"] for run in runs)
    seeds = f"means of {len(runs)} seeds" if len(runs) > 1 else "one run"
    return "\n".join(
        [*lines, "", f"{seeds}; {cars:,.0f} cars a run; waits are of all cars, whether they waited or not."]
    )


def _cells(runs: Sequence[Json], rule: str) -> tuple[str, ...]:
    return (rule, *(_cell(runs, rule, name, factor, unit) for _, name, factor, unit in COLUMNS))


def _cell(runs: Sequence[Json], rule: str, name: str, factor: float, unit: str) -> str:
    value = factor * statistics.fmean(run["rules"][rule][name] for run in runs)
    return f"{value:.3f}" if name == "fairness" else f"{value:,.1f}{unit}"


def _combined(runs: Sequence[Json], combine: Callable[[list[float]], float]) -> Json:
    return {
        "rules": {
            rule: {name: combine([run["rules"][rule][name] for run in runs]) for name in row}
            for rule, row in runs[0]["rules"].items()
        }
    }
