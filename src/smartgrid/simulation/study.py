"""Many simulations: each policy on each seed, on all cores, and their means."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any, TypeVar

from smartgrid.simulation.optimum import optimum_kwh
from smartgrid.simulation.replay import Decision
from smartgrid.simulation.world import Outcome, View, World
from smartgrid.workload.poisson import Recipe, Workload, generate

SHOWN = (
    "accepted_kwh",
    "admitted",
    "utilisation",
    "load_percentage_sd",
    "load_percentage_max_deviation",
    "over_capacity_seconds",
    "shortfall_kwh",
    "decisions_per_second",
    "refused_with_room",
)

Json = dict[str, Any]
Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Study:
    """What to simulate. The workload is `recorded`, or made from `recipe` for each seed."""

    policies: Sequence[str]
    seeds: Sequence[int]
    view: View
    warm_up_s: float
    recipe: Recipe | None = None
    recorded: Workload | None = None
    with_optimum: bool = True

    def workload(self, seed: int) -> Workload:
        if self.recorded is not None:
            return self.recorded
        return generate(self.recipe or Recipe(), seed)


@dataclass(frozen=True)
class Finding:
    """One thing found out for one seed: of a policy its outcome, of the optimum (policy None) its energy."""

    seed: int
    policy: str | None
    optimum_kwh: float | None = None
    outcome: Outcome | None = None
    log: Sequence[Decision] = ()


def find_all(study: Study, workers: int, progress: Callable[[], None], keep_logs: bool = False) -> list[Finding]:
    """Everything that the study asks for. `progress` is called after each of `size(study)` steps."""
    tasks = [(study, seed, policy, keep_logs) for seed in study.seeds for policy in _columns(study)]
    found = []
    for finding in mapped(_find, tasks, workers):
        found.append(finding)
        progress()
    return found


def size(study: Study) -> int:
    """How many runs the study has, for the progress bar."""
    return len(study.seeds) * len(_columns(study))


def as_json(settings: Json, findings: Sequence[Finding]) -> Json:
    """The result as the documentation describes it: one run, or a list of runs with their mean and spread."""
    seeds = sorted({finding.seed for finding in findings})
    runs = [_run(settings, seed, [finding for finding in findings if finding.seed == seed]) for seed in seeds]
    if len(runs) == 1:
        return runs[0]
    return {
        "settings": settings,
        "runs": runs,
        "mean": _combined(runs, statistics.fmean),
        "spread": _combined(runs, statistics.stdev),
    }


def _columns(study: Study) -> list[str | None]:
    return [None, *study.policies] if study.with_optimum else list(study.policies)


def mapped(find: Callable[[Task], Found], tasks: Sequence[Task], workers: int) -> Iterator[Found]:
    """What is found for each task, in order, by so many processes."""
    if workers <= 1 or len(tasks) <= 1:
        yield from map(find, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(find, tasks)


def _find(task: tuple[Study, int, str | None, bool]) -> Finding:
    study, seed, policy, keep_log = task
    workload = study.workload(seed)
    if policy is None:
        return Finding(seed, None, optimum_kwh=optimum_kwh(workload))
    world = World(workload, policy, study.view, seed)
    outcome = world.run(study.warm_up_s)
    return Finding(seed, policy, outcome=outcome, log=world.log if keep_log else ())


def _run(settings: Json, seed: int, findings: Sequence[Finding]) -> Json:
    optimum = next((finding.optimum_kwh for finding in findings if finding.policy is None), None)
    policies = {f.policy: _row(f.outcome) for f in findings if f.policy is not None and f.outcome is not None}
    return {"settings": {**settings, "seed": seed}, "optimum": {"accepted_kwh": optimum}, "policies": policies}


def _row(outcome: Outcome) -> Json:
    row = asdict(outcome)
    return {name: row[name] for name in (*SHOWN, "cars", "attempts_per_car")}


def _combined(runs: Sequence[Json], combine: Callable[[list[float]], float]) -> Json:
    optima = [run["optimum"]["accepted_kwh"] for run in runs]
    policies: Mapping[str, Json] = runs[0]["policies"]
    return {
        "optimum": {"accepted_kwh": None if None in optima else combine(optima)},
        "policies": {
            policy: {name: combine([run["policies"][policy][name] for run in runs]) for name in row}
            for policy, row in policies.items()
        },
    }
