"""`smartgrid simulate`: the command line."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click

from smartgrid.cli.options import FiniteRange, OneSentenceCommand, RefusalError
from smartgrid.domain.routing import DEFAULT_POLICY, POLICIES
from smartgrid.simulation import waiting_study
from smartgrid.simulation.replay import Admission
from smartgrid.simulation.study import Finding, Study, as_json, find_all, mapped, size
from smartgrid.simulation.table import result_table
from smartgrid.simulation.waiting import WAITS
from smartgrid.simulation.world import View
from smartgrid.workload.car import MIXES
from smartgrid.workload.poisson import Recipe, Workload
from smartgrid.workload.recorded import compressed, describe_skipped, read_sessions
from smartgrid.workload.trace_file import TraceError

PLOT_FORMATS = (".png", ".svg")
DEFAULT_DEMAND = 0.85
DEFAULT_CAPACITY_KW = 100.0
RUN_LENGTH = 100.0  # mean sessions
WARM_UP_LENGTH = 2.0  # mean stays
MOST_CARS = 3_000_000
DEFAULT_PATIENCE_S = 3600.0


class Names(click.ParamType[tuple[str, ...]]):
    """Names of this kind, separated by commas; `all` for all."""

    name = "names"

    def __init__(self, kind: str, choices: Collection[str]) -> None:
        self.kind, self.choices = kind, choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        if value == "all":
            return tuple(self.choices)
        names = tuple(dict.fromkeys(name.strip() for name in str(value).split(",")))
        for name in names:
            if name not in self.choices:
                self.fail(f"there is no {self.kind} {name!r}; choose from {', '.join(self.choices)}.", param, ctx)
        return names


class Capacities(click.ParamType[tuple[float, ...]]):
    """Powers in kW, separated by commas."""

    name = "kw,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        number = FiniteRange(min=0, min_open=True, max=1e6)
        return tuple(number.convert(part.strip(), param, ctx) for part in str(value).split(","))


POSITIVE = FiniteRange(min=0, min_open=True, max=1e9)
NOT_NEGATIVE = FiniteRange(min=0, max=1e9)


@click.command(cls=OneSentenceCommand)
@click.option("--mix", type=click.Choice(list(MIXES)), default="a", show_default=True, help="Which cars come.")
@click.option("--demand", type=FiniteRange(min=0, min_open=True, max=100), help="Offered energy / capacity [0.85]. "
              "With --trace: of the busiest hour; the arrivals are compressed to that.")  # fmt: skip
@click.option("--mean-session", "mean_session_s", type=POSITIVE, default=60.0, show_default=True, metavar="S",
              help="Mean charging time at full power (log-normal, sigma 0.75).")  # fmt: skip
@click.option("--substations", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many.")
@click.option("--flexible/--rigid", default=None, help="Cars that accept less power, or just their power [rigid; "
              "with --trace: as in the file].")  # fmt: skip
@click.option("--parked", "parked_factor", type=FiniteRange(min=1, max=1e6), default=2.0, show_default=True,
              help="How long flexible cars stay, in charging times.")  # fmt: skip
@click.option("--flexible-share", type=FiniteRange(min=0, max=1), default=1.0, show_default=True, help="So many of the "
              "cars of --flexible are so, the others rigid.")  # fmt: skip
@click.option("--duration", "duration_s", type=POSITIVE, metavar="S", help="Arrivals come for so long [100 sessions].")
@click.option("--warm-up", "warm_up_s", type=NOT_NEGATIVE, metavar="S",
              help="Utilisation and deviations count from then on [2 stays].")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many runs.")
@click.option("--first-seed", type=int, default=1, show_default=True, help="The seeds go on from here.")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), help="Recorded sessions (.csv, .csv.gz) in "
              "place of generated ones: our columns or those of ACN-Data.")  # fmt: skip
@click.option("--capacities", type=Capacities(), help="Of the substations with --trace [100 kW each]; one value "
              "counts for all.")  # fmt: skip
@click.option("--policies", type=Names("policy", POLICIES), default=DEFAULT_POLICY, show_default=True,
              help=f"Of {', '.join(POLICIES)}; or `all`.")  # fmt: skip
@click.option("--poll", "poll_s", type=POSITIVE, metavar="S", help="Balancers learn by polling this often and from "
              "answers, in place of hearing of every change (--push). `polled` polls every 5 s by itself.")  # fmt: skip
@click.option("--push", "push_s", type=NOT_NEGATIVE, default=0.05, show_default=True, metavar="S",
              help="After how long they hear of a change.")  # fmt: skip
@click.option("--delay", "delay_s", type=FiniteRange(min=0, max=10), default=0.0, show_default=True, metavar="S",
              help="How long every message takes.")  # fmt: skip
@click.option("--balancers", type=click.IntRange(1, 1000), default=1, show_default=True, help="Side by side.")
@click.option("--regions", type=click.IntRange(0, 10_000), default=0, help="A balancer of so many balancers.")
@click.option("--wait", "waits", type=Names("rule", WAITS), help="Cars that find no room wait; these rules beside each "
              f"other: {', '.join(WAITS)}; or `all`. (docs/waiting.md)")  # fmt: skip
@click.option("--patience", "patience_s", type=POSITIVE, metavar="S", help="How long a car without a departure waits "
              "[1 mean session; with --trace 3600].")  # fmt: skip
@click.option("--stop-early", type=FiniteRange(min=0, max=1), default=0.0, show_default=True, help="With --wait: the "
              "share of the drivers who stop at some moment before their time.")  # fmt: skip
@click.option("--optimum/--no-optimum", default=True, show_default=True, help="Compute what no placement can beat.")
@click.option("--json", "as_json_file", is_flag=False, flag_value="-", metavar="[FILE]", help="The result as JSON, to "
              "a file or (without a value) to standard output in place of the table.")  # fmt: skip
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), help="A picture (.png, .svg).")
@click.option("--decisions", "log_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Every admission and refusal (.csv).")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), default=lambda: os.cpu_count() or 1, help="Processes [cores].")
def command(
    as_json_file: str | None, plot_file: Path | None, log_file: Path | None, workers: int, **options: Any
) -> None:
    """Simulate routing policies beside each other and beside the optimum.

    The same code as in the services decides, under a virtual clock. Without --trace the cars are generated: Poisson
    arrivals of the mix at a demand.
    """
    _check_writable(plot_file, log_file, None if as_json_file in {None, "-"} else Path(str(as_json_file)))
    study, settings = study_of(options)
    if options["waits"]:
        _compare_waits(study, settings, options, workers, as_json_file, plot_file, log_file)
        return
    findings = _find_with_progress(study, workers, keep_logs=log_file is not None)
    result = as_json(settings, findings)
    _show(result, result_table(result), as_json_file)
    if plot_file:
        _plot(result, plot_file)
    if log_file:
        _write_log(log_file, findings)


def _find_with_progress(study: Study, workers: int, keep_logs: bool) -> list[Finding]:
    with click.progressbar(length=size(study), label="simulating", file=sys.stderr) as bar:
        return find_all(study, workers, lambda: bar.update(1), keep_logs)


def _compare_waits(
    study: Study,
    settings: dict[str, Any],
    options: dict[str, Any],
    workers: int,
    as_json_file: str | None,
    plot_file: Path | None,
    log_file: Path | None,
) -> None:
    if len(study.policies) > 1:
        raise RefusalError("--wait compares rules of waiting under one policy; name one with --policies.")
    if log_file:
        raise RefusalError("--decisions goes without --wait.")
    patience_s = options["patience_s"] or (DEFAULT_PATIENCE_S if options["trace"] else options["mean_session_s"])
    settings = {**settings, "patience_s": patience_s, "stop_early": options["stop_early"]}
    tasks = waiting_study.tasks(study, options["waits"], patience_s, options["stop_early"])
    found = []
    with click.progressbar(length=len(tasks), label="simulating", file=sys.stderr) as bar:
        for finding in mapped(waiting_study.find, tasks, workers):
            found.append(finding)
            bar.update(1)
    result = waiting_study.as_json(settings, found)
    _show(result, waiting_study.result_table(result), as_json_file)
    if plot_file:
        from smartgrid.simulation.waiting_plot import plot

        plot([result], plot_file)


def study_of(options: dict[str, Any]) -> tuple[Study, dict[str, Any]]:
    """The study that these options ask for, and the settings as the result will show them."""
    return _trace_study(options) if options["trace"] else _generated_study(options)


def _generated_study(options: dict[str, Any]) -> tuple[Study, dict[str, Any]]:
    if options["flexible_share"] < 1 and not options["flexible"]:
        raise RefusalError("--flexible-share goes with --flexible.")
    if options["capacities"]:
        raise RefusalError("--capacities goes with --trace; generated substations have 80 to 120 kW each.")
    flexible = bool(options["flexible"])
    stay_s = options["mean_session_s"] * (options["parked_factor"] if flexible else 1)
    recipe = Recipe(
        mix=options["mix"],
        substations=options["substations"],
        demand=options["demand"] or DEFAULT_DEMAND,
        mean_session_s=options["mean_session_s"],
        duration_s=options["duration_s"] or RUN_LENGTH * options["mean_session_s"],
        flexible=flexible,
        parked_factor=options["parked_factor"],
        flexible_share=options["flexible_share"],
    )
    warm_up_s = _given(options["warm_up_s"], WARM_UP_LENGTH * stay_s)
    _check_length(recipe, warm_up_s)
    study = _study(options, warm_up_s, recipe=recipe)
    return study, {**_common(options), "demand": recipe.demand, "mix": recipe.mix, "flexible": flexible,
                   "substations": recipe.substations, "mean_session_s": recipe.mean_session_s,
                   "duration_s": recipe.duration_s, "parked_factor": recipe.parked_factor if flexible else None,
                   "flexible_share": recipe.flexible_share if flexible else None, "warm_up_s": warm_up_s}  # fmt: skip


def _trace_study(options: dict[str, Any]) -> tuple[Study, dict[str, Any]]:
    capacities_kw = options["capacities"] or (DEFAULT_CAPACITY_KW,)
    if len(capacities_kw) == 1:
        capacities_kw *= options["substations"]
    try:
        recorded = read_sessions(options["trace"], options["flexible"])
        cars = recorded.cars
        if options["demand"]:
            cars = compressed(cars, options["demand"], sum(capacities_kw))
    except TraceError as problem:
        raise RefusalError(str(problem)) from None
    if recorded.skipped:
        click.echo(f"{options['trace']}: {describe_skipped(recorded)}.", err=True)
    warm_up_s = _given(options["warm_up_s"], 0.0)
    study = _study(options, warm_up_s, recorded=Workload(cars, capacities_kw))
    return study, {**_common(options), "trace": str(options["trace"]), "demand": options["demand"],
                   "flexible": options["flexible"], "substations": len(capacities_kw),
                   "capacities_kw": list(capacities_kw), "warm_up_s": warm_up_s}  # fmt: skip


def _study(
    options: dict[str, Any], warm_up_s: float, recipe: Recipe | None = None, recorded: Workload | None = None
) -> Study:
    view = View(options["poll_s"], options["push_s"], options["delay_s"], options["balancers"], options["regions"])
    seeds = range(options["first_seed"], options["first_seed"] + options["seeds"])
    return Study(options["policies"], seeds, view, warm_up_s, recipe, recorded, options["optimum"])


def _common(options: dict[str, Any]) -> dict[str, Any]:
    names = ("policies", "seeds", "first_seed", "poll_s", "push_s", "delay_s", "balancers", "regions")
    common = {name: options[name] for name in names}
    return {**common, "policies": list(options["policies"]), "push_s": None if options["poll_s"] else options["push_s"]}


def _check_length(recipe: Recipe, warm_up_s: float) -> None:
    if recipe.duration_s <= warm_up_s:
        raise RefusalError(f"The warm-up ({warm_up_s:g} s) must be shorter than the run ({recipe.duration_s:g} s).")
    mean_power_kw = sum(power_kw * share for power_kw, share in MIXES[recipe.mix].items())
    cars = recipe.demand * 100 * recipe.substations / mean_power_kw * recipe.duration_s / recipe.mean_session_s
    if cars > MOST_CARS:
        raise RefusalError(f"That would be about {cars:,.0f} cars a run, more than {MOST_CARS:,}; shorten --duration.")


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _check_writable(plot_file: Path | None, *others: Path | None) -> None:
    if plot_file and plot_file.suffix not in PLOT_FORMATS:
        raise RefusalError(f"--plot writes {' or '.join(PLOT_FORMATS)}, not {plot_file.suffix or plot_file.name!r}.")
    for path in filter(None, (plot_file, *others)):
        if not path.parent.is_dir():
            raise RefusalError(f"{path} cannot be written: there is no folder {path.parent}.")
        if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
            raise RefusalError(f"{path} cannot be written.")


def _show(result: dict[str, Any], table: str, as_json_file: str | None) -> None:
    text = json.dumps(result, indent=2)
    if as_json_file == "-":
        click.echo(text)
        return
    if as_json_file:
        Path(as_json_file).write_text(text + "\n")
    click.echo(table)


def _plot(result: dict[str, Any], path: Path) -> None:
    from smartgrid.simulation.plot import plot

    plot(result, path)


def _write_log(path: Path, findings: Sequence[Finding]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seed", "policy", "time_s", "car", "substation"))
        for finding in findings:
            for decision in finding.log:
                substation = decision.substation if isinstance(decision, Admission) else ""
                writer.writerow((finding.seed, finding.policy, decision.time_s, decision.car, substation))
