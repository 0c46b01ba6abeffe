"""`smartgrid loadtest`: the command line. Locust is imported only once a run starts: other commands stay light."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from smartgrid.auth.credentials import Headers
from smartgrid.cli.options import FiniteRange, OneSentenceCommand, RefusalError
from smartgrid.loadtest.chargers.plan import CHARGERS, DEFAULT_RAMP_UP_S, ChargerSettings
from smartgrid.loadtest.credential import NoTokenError, credential_of
from smartgrid.loadtest.files import UnwritableError, check_writable, write_whole
from smartgrid.loadtest.report import Report, Run, report_of
from smartgrid.loadtest.scenarios import SCENARIOS, Settings, overridden
from smartgrid.loadtest.table import result_text
from smartgrid.loadtest.thresholds import missed_thresholds
from smartgrid.workload.car import Car
from smartgrid.workload.ramp import ramp
from smartgrid.workload.recorded import Recorded, describe_skipped, read_sessions, sped_up
from smartgrid.workload.trace_file import TraceError

EXIT_THRESHOLD_MISSED = 1
EXIT_STOPPED = 128
"""Plus the number of the signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""

DEFAULT_SPEEDUP = 60.0
CHECK_TIMEOUT_S = 5.0


class HttpUrl(click.ParamType[str]):
    """An http(s) base URL without credentials."""

    name = "url"
    schemes, example = ("http", "https"), "http://127.0.0.1:8080"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            valid = parts.scheme in self.schemes and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid or parts.username is not None or parts.query or parts.fragment:
            self.fail(f"{value!r} is not a URL like {self.example}.", param, ctx)
        return str(value).rstrip("/")


class WebSocketUrl(HttpUrl):
    """A ws(s) base URL without credentials."""

    schemes, example = ("ws", "wss"), "ws://127.0.0.1:9000"


CHARGER_OPTIONS = ("edge", "chargers", "duration", "stay", "faulty", "max_over_kw")
FILE = click.Path(path_type=Path)
POSITIVE = FiniteRange(min=0, min_open=True)


@click.command(
    cls=OneSentenceCommand, context_settings={"auto_envvar_prefix": "SMARTGRID_LOADTEST", "show_default": True}
)
@click.option(
    "--scenario", type=click.Choice([*SCENARIOS, CHARGERS]), default="normal", help="How much load, in which form."
)
@click.option("--requests", type=click.IntRange(1, 1_000_000), help="How many cars ask, in all.")
@click.option("--users", type=click.IntRange(1, 10_000), help="How many users send at the same time, at the most.")
@click.option(
    "--ramp-up", type=FiniteRange(0, 86_400), help="Seconds over which users come in and requests are spread."
)
@click.option("--target", type=HttpUrl(), default="http://127.0.0.1:8080", help="The gateway.")
@click.option(
    "--wait", type=FiniteRange(1, 86_400), help="Cars that find no room wait for it, so many seconds at most."
)
@click.option("--edge", type=WebSocketUrl(), help="Where `chargers` connect.  [default: ws://127.0.0.1:9000]")
@click.option("--chargers", type=click.IntRange(1, 100_000), help="How many there are.  [default: 20]")
@click.option(
    "--duration", type=FiniteRange(1, 86_400), help="How long cars come to `chargers`, in seconds.  [default: 300]"
)
@click.option(
    "--stay", type=FiniteRange(1, 86_400), help="How long a car stays at a charger on average.  [default: 120]"
)
@click.option("--faulty", type=FiniteRange(0, 1), help="Share of `chargers` with a fault.  [default: 0.1]")
@click.option("--seed", type=int, default=1, help="The same seed makes the same cars in the same order.")
@click.option("--trace", type=FILE, help="Recorded sessions (.csv or .csv.gz, docs/load-testing.md) for `garage`.")
@click.option(
    "--speedup", type=POSITIVE, help=f"How much faster than recorded `garage` runs.  [default: {DEFAULT_SPEEDUP:g}]"
)
@click.option("--timeout", type=FiniteRange(0.1, 600), default=30.0, help="Seconds after which a request has failed.")
@click.option("--token-file", type=FILE, help="The token that each request carries. SMARTGRID_TOKEN has one itself.")
@click.option("--output", type=FILE, help="Write the report here, as JSON.")
@click.option("--html", type=FILE, help="Write a report with charts here, as one HTML file.")
@click.option("--min-success-rate", type=FiniteRange(0, 1), help="Exit with 1 if a smaller share (0 to 1) succeeds.")
@click.option("--max-p95-ms", type=POSITIVE, help="Exit with 1 if the 95th percentile of response times is larger.")
@click.option(
    "--max-over-kw", type=FiniteRange(0), help="Exit with 1 if `chargers` ever drew so much above a capacity."
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Drives a grid with realistic EV charging requests and reports how it did.

    normal: 100 requests, 10 users, 60 s ramp-up; high: 500, 50, 120 s; burst: 200, 20, at once;
    garage: the recorded sessions of --trace; chargers: simulated chargers with cars, at an edge.
    Every option can also come from the environment: SMARTGRID_LOADTEST_RAMP_UP for --ramp-up.

    Exit codes: 0 done, 1 a threshold was missed, 2 the test could not be run or reported, 130 Ctrl-C, 143 SIGTERM.
    """
    try:
        ctx.exit(_load_test(**options))
    except (TraceError, UnwritableError, NoTokenError) as problem:
        raise RefusalError(str(problem)) from None
    except KeyboardInterrupt:
        click.echo("Stopped before there was anything to report.", err=True)
        ctx.exit(EXIT_STOPPED + signal.SIGINT)


def _load_test(*, output: Path | None, html: Path | None, token_file: Path | None, **options: Any) -> int:
    credential = credential_of(token_file)
    ours = {name: options.pop(name) for name in CHARGER_OPTIONS}
    if options["scenario"] == CHARGERS:
        return _charger_test(_charger_settings(ours, options), output, html, credential)
    if given := [_flag(name) for name, value in ours.items() if value is not None]:
        raise RefusalError(f"{', '.join(given)}: only for --scenario chargers.")
    settings, cars, notes = _settings_and_cars(**options)
    for path in (output, html):
        if path is not None:
            check_writable(path)
    _require_reachable(settings.target)
    for line in (*notes, _opening(settings, cars)):
        click.echo(line)
    run, stopped_by = _drive(settings, cars, credential)
    report = report_of(settings, run)
    click.echo(f"\n{result_text(report, run)}")
    _write_reports(report, run, output, html)
    return EXIT_STOPPED + stopped_by if stopped_by is not None else _judged(report, settings)


def _settings_and_cars(
    *,
    scenario: str,
    requests: int | None,
    users: int | None,
    ramp_up: float | None,
    target: str,
    wait: float | None,
    seed: int,
    trace: Path | None,
    speedup: float | None,
    timeout: float,
    min_success_rate: float | None,
    max_p95_ms: float | None,
) -> tuple[Settings, list[Car], list[str]]:
    _require_matching_options(scenario, trace, speedup, ramp_up)
    wanted = overridden(SCENARIOS[scenario], requests, users, ramp_up)
    if trace is not None:
        speedup = speedup or DEFAULT_SPEEDUP
        recorded = read_sessions(trace)
        cars = sped_up(recorded.cars[: wanted.requests], speedup)
        notes = [_trace_note(trace, recorded)]
    else:
        assert wanted.requests is not None  # only garage leaves it open
        cars, notes = ramp(wanted.requests, wanted.ramp_up_s, seed), []
    settings = Settings(
        scenario=scenario,
        target=target,
        requests=len(cars),
        users=wanted.users,
        ramp_up_s=wanted.ramp_up_s,
        seed=seed,
        timeout_s=timeout,
        wait_s=wait,
        trace=str(trace) if trace is not None else None,
        speedup=speedup,
        min_success_rate=min_success_rate,
        max_p95_ms=max_p95_ms,
    )
    return settings, cars, notes


def _require_matching_options(scenario: str, trace: Path | None, speedup: float | None, ramp_up: float | None) -> None:
    if scenario == "garage":
        if trace is None:
            raise RefusalError("Scenario garage needs --trace FILE, the recorded sessions to replay.")
        if ramp_up is not None:
            raise RefusalError("Scenario garage follows the recorded times; --ramp-up has no meaning there.")
    elif trace is not None or speedup is not None:
        raise RefusalError(
            f"Scenario {scenario} makes its own cars; --trace and --speedup belong to --scenario garage."
        )


def _charger_settings(ours: dict[str, Any], options: dict[str, Any]) -> ChargerSettings:
    meaningless = ("requests", "users", "wait", "trace", "speedup")
    if given := [_flag(name) for name in meaningless if options[name] is not None]:
        raise RefusalError(f"{', '.join(given)}: not for --scenario chargers.")
    said = {name: value for name, value in ours.items() if value is not None}
    ramp_up_s = DEFAULT_RAMP_UP_S if options["ramp_up"] is None else options["ramp_up"]
    return ChargerSettings(
        target=options["target"],
        edge=said.get("edge", "ws://127.0.0.1:9000"),
        chargers=said.get("chargers", 20),
        duration_s=said.get("duration", 300.0),
        ramp_up_s=ramp_up_s,
        stay_s=said.get("stay", 120.0),
        faulty=said.get("faulty", 0.1),
        seed=options["seed"],
        min_success_rate=options["min_success_rate"],
        max_p95_ms=options["max_p95_ms"],
        max_over_kw=said.get("max_over_kw"),
    )


def _charger_test(settings: ChargerSettings, output: Path | None, html: Path | None, credential: Headers) -> int:
    if html is not None:
        raise RefusalError("--html: there is no page for --scenario chargers.")
    if output is not None:
        check_writable(output)
    _require_reachable(settings.target)
    try:
        from smartgrid.loadtest.chargers.drive import NotLetInError, drive_chargers
    except ModuleNotFoundError as problem:
        raise RefusalError(f"Simulated chargers need {problem.name}: pip install 'smartgrid[loadtest]'.") from None
    from smartgrid.loadtest.chargers.grid import GridView, NoAnswerError
    from smartgrid.loadtest.chargers.report import report_of as charger_report
    from smartgrid.loadtest.chargers.table import result_text as charger_text
    from smartgrid.loadtest.chargers.thresholds import missed_thresholds as missed

    grid = GridView(settings.target, credential)
    try:
        capacities_kw = grid.capacities_kw()
    except NoAnswerError as problem:
        raise RefusalError(f"The gateway does not say which substations there are: {problem}.") from None
    if not capacities_kw:
        raise RefusalError(f"There are no substations behind {settings.target}.")
    click.echo(
        f"Scenario chargers: {settings.chargers} chargers at {len(capacities_kw)} substations "
        f"for {settings.duration_s:.0f} s, {settings.edge}"
    )
    try:
        run, stopped_by = drive_chargers(settings, grid, capacities_kw, sys.stdout)
    except NotLetInError as problem:
        raise RefusalError(str(problem)) from None
    grid.close()
    report = charger_report(settings, run)
    click.echo(f"\n{charger_text(report, run)}")
    if output is not None:
        write_whole(output, json.dumps(report, indent=2) + "\n")
        click.echo(f"\nReport: {output}")
    return EXIT_STOPPED + stopped_by if stopped_by is not None else _said(missed(report, settings))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _trace_note(path: Path, recorded: Recorded) -> str:
    return f"{path}: {len(recorded.cars)} usable sessions, {describe_skipped(recorded) or 'no row skipped'}."


def _opening(settings: Settings, cars: Sequence[Car]) -> str:
    pace = f"over {cars[-1].arrival_s:.0f} s" if cars[-1].arrival_s >= 1 else "at once"
    return f"Scenario {settings.scenario}: {len(cars)} requests {pace}, up to {settings.users} users, {settings.target}"


def _require_reachable(url: str) -> None:
    from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError

    client = HttpClient(url, connect_timeout_s=CHECK_TIMEOUT_S)
    try:
        client.request("GET", "/health", timeout_s=CHECK_TIMEOUT_S)
    except (NotSentError, OutcomeUnknownError) as problem:
        raise RefusalError(f"No service answers as --target: {problem}.") from None
    finally:
        client.close()


def _drive(settings: Settings, cars: Sequence[Car], credential: Headers) -> tuple[Run, int | None]:
    try:
        from smartgrid.loadtest.driver import drive_cars
    except ModuleNotFoundError as problem:
        raise RefusalError(f"The load tester needs {problem.name}: pip install 'smartgrid[loadtest]'.") from None
    from smartgrid.loadtest.progress import Progress, Tally

    tally = Tally(len(cars))
    return drive_cars(settings, cars, Progress(sys.stdout, tally), tally, credential)


def _write_reports(report: Report, run: Run, output: Path | None, html: Path | None) -> None:
    if output is not None:
        write_whole(output, json.dumps(report, indent=2) + "\n")
        click.echo(f"\nReport: {output}")
    if html is not None:
        from smartgrid.loadtest.page import page_of

        write_whole(html, page_of(report, run))
        click.echo(f"{'' if output else chr(10)}Charts: {html}")


def _judged(report: Report, settings: Settings) -> int:
    return _said(missed_thresholds(report, settings.min_success_rate, settings.max_p95_ms))


def _said(missed: Sequence[str]) -> int:
    for sentence in missed:
        click.echo(sentence, err=True)
    return EXIT_THRESHOLD_MISSED if missed else 0
