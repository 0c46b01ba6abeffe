"""The report as one HTML file with charts: no script and nothing to load, so it works offline and in a mail.

What is shown is put together here, how it looks is in template/: report.html, its page.css, and chart.html for the SVG.
Pure, besides reading those.
"""

from collections.abc import Iterator, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from smartgrid.loadtest.charts import Chart, Point, bars, histogram, lines, scatter, stacked_columns
from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.report import Report, Run
from smartgrid.loadtest.request import Result
from smartgrid.loadtest.summary import natural_order, reasons
from smartgrid.loadtest.table import number, share
from smartgrid.loadtest.thresholds import missed_thresholds

COLUMNS_OVER_TIME = 60
RESULTS = [result.value for result in Result]


def page_of(report: Report, run: Run) -> str:
    """The report as one HTML file that loads nothing from elsewhere."""
    loader = PackageLoader("smartgrid.loadtest", "template")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    settings = report["settings"]
    return pages.get_template("report.html").render(
        report=report,
        missed=missed_thresholds(report, settings["min_success_rate"], settings["max_p95_ms"]),
        tiles=list(_tiles(report)),
        charts=list(_charts(report, run)),
        reasons=[(f"{result}: {reason}", f"{count:,}") for (result, reason), count in reasons(run.outcomes).items()],
        numbers=list(_numbers(report)),
        settings=[(name, "-" if value is None else value) for name, value in settings.items()],
    )


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    counts, times, waiting = report["requests"], report["response_time_ms"], report["waiting"]
    for result in RESULTS:
        yield f"{counts[result]:,}", f"{result}, {share(counts[result], counts['total'])}"
    yield f"{report['duration_s']:.1f} s", "duration"
    yield f"{number(times['median'], 1)} ms", "median response time"
    yield f"{number(times['p95'], 1)} ms", "95th percentile"
    yield f"{number(times['p99'], 1)} ms", "99th percentile"
    yield number(report["throughput_rps"], 2), "requests per second"
    if waiting is not None:
        yield f"{waiting['waited']:,}", f"cars waited; {waiting['started']:,} started, {waiting['left']:,} left"
        yield f"{number(waiting['wait_s']['average'], 1)} s", "mean wait of those"
        yield f"{number(waiting['wait_s']['p95'], 1)} s", "95th percentile of waits"
        yield f"{number(waiting['start_error_s']['median'], 1)} s", "starts off what was told (median)"


def _charts(report: Report, run: Run) -> Iterator[tuple[str, Chart]]:
    if run.outcomes:
        points = [Point(o.sent_s, o.response_ms, o.verdict.result.value) for o in run.outcomes]
        yield "Response time of each request", scatter(points, report["response_time_ms"]["p95"], RESULTS)
        times_ms = [outcome.response_ms for outcome in run.outcomes]
        label = "Histogram of response times"
        yield "How long requests took", histogram(times_ms, "response time in ms", "requests", label)
        yield "Requests over the run", _over_time(run.outcomes)
    if run.fleet:
        names = sorted({name for sample in run.fleet for name in sample.load_percentages}, key=natural_order)
        yield f"Load of the substations{'' if len(names) < 2 else f' ({len(names)})'}", _loads(run, names)
    waits_s = [outcome.wait.lasted_s for outcome in run.outcomes if outcome.wait is not None]
    if waits_s:
        waits = histogram(waits_s, "seconds until it charged or left", "cars", "Histogram of waits")
        yield "How long cars waited", waits
        yield "Cars that waited at the same time", _waiting_over_time(run.outcomes)
    if report["distribution"]:
        yield "Cars admitted by each substation", _by_substation(report, "requests", "cars", 0)
        yield "Energy that these cars asked for", _by_substation(report, "energy_kwh", "kWh", 1)


def _over_time(outcomes: Sequence[Outcome]) -> Chart:
    longest_s = max(outcome.sent_s for outcome in outcomes) or 1.0
    columns = [dict.fromkeys(RESULTS, 0) for _ in range(COLUMNS_OVER_TIME)]
    for outcome in outcomes:
        position = min(int(outcome.sent_s / longest_s * COLUMNS_OVER_TIME), COLUMNS_OVER_TIME - 1)
        columns[position][outcome.verdict.result.value] += 1
    return stacked_columns(columns, longest_s)


def _loads(run: Run, names: Sequence[str]) -> Chart:
    series = {
        name: [(s.at_s, s.load_percentages[name]) for s in run.fleet if name in s.load_percentages] for name in names
    }
    return lines(series, "load in %", "Load of the substations", least_top=100.0)


def _waiting_over_time(outcomes: Sequence[Outcome]) -> Chart:
    """How many cars waited at once, of those whose wait has ended."""
    waits = [(o.sent_s, o.sent_s + o.wait.lasted_s) for o in outcomes if o.wait is not None]
    last_s = max(end_s for _, end_s in waits)
    moments_s = [last_s * position / COLUMNS_OVER_TIME for position in range(COLUMNS_OVER_TIME + 1)]
    counts = [(at_s, float(sum(begin_s <= at_s < end_s for begin_s, end_s in waits))) for at_s in moments_s]
    return lines({"waiting": counts}, "cars", "Waiting cars over the run", least_top=1.0)


def _by_substation(report: Report, field: str, unit: str, digits: int) -> Chart:
    rows = {name: row[field] for name, row in report["distribution"].items()}
    return bars(rows, unit, digits, f"{unit} by substation")


def _numbers(report: Report) -> Iterator[tuple[str, str]]:
    for name, value in report["response_time_ms"].items():
        yield f"response time, {name}", f"{number(value, 3)} ms"
    yield "success rate", number(report["success_rate"], 4)
    yield "error rate", number(report["error_rate"], 4)
    balance, waiting = report["balance"], report["waiting"]
    yield "load between substations, standard deviation", f"{number(balance['load_percentage_sd'], 2)} points"
    farthest = number(balance["load_percentage_max_deviation"], 2)
    yield "load between substations, largest deviation from the mean", f"{farthest} points"
    if waiting is not None:
        for title, field in (("wait", "wait_s"), ("start off what was told", "start_error_s")):
            for name, value in waiting[field].items():
                yield f"{title}, {name}", f"{number(value, 1)} s"
