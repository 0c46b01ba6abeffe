"""The report as one HTML file with charts: no script and nothing to load, so it works offline and in a mail. Pure."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.resources import files

from smartgrid.loadtest.charts import Point, bars, histogram, lines, scatter, stacked_columns
from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.report import Report, Run
from smartgrid.loadtest.request import Result
from smartgrid.loadtest.summary import natural_order, reasons
from smartgrid.loadtest.table import number, share
from smartgrid.loadtest.thresholds import missed_thresholds

COLUMNS_OVER_TIME = 60
MANY_SERIES = 8


def page_of(report: Report, run: Run) -> str:
    """The report as one HTML file that loads nothing from elsewhere."""
    style = (files("smartgrid.loadtest") / "page.css").read_text(encoding="utf-8")
    title = f"Load test: {report['scenario']}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{_opening(report)}{_missed(report)}{_numbers(report)}"
        f'<div class="charts">{"".join(_sections(report, run))}</div></main></body></html>\n'
    )


def _opening(report: Report) -> str:
    counts, settings = report["requests"], report["settings"]
    return (
        f"<p>{counts['total']:,} of {settings['requests']:,} requests by up to {settings['users']} users against "
        f"{escape(settings['target'])}, started {escape(report['started_at'])}.</p>"
    )


def _missed(report: Report) -> str:
    settings = report["settings"]
    missed = missed_thresholds(report, settings["min_success_rate"], settings["max_p95_ms"])
    return "".join(f'<p class="missed">{escape(sentence)}</p>' for sentence in missed)


def _numbers(report: Report) -> str:
    counts, times = report["requests"], report["response_time_ms"]
    tiles = {
        **{f"{result.value}, {share(counts[result], counts['total'])}": f"{counts[result]:,}" for result in Result},
        "duration": f"{report['duration_s']:.1f} s",
        "median response time": f"{number(times['median'], 1)} ms",
        "95th percentile": f"{number(times['p95'], 1)} ms",
        "99th percentile": f"{number(times['p99'], 1)} ms",
        "requests per second": number(report["throughput_rps"], 2),
    }
    drawn = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in tiles.items())
    return f'<div class="numbers">{drawn}</div>'


def _sections(report: Report, run: Run) -> Iterable[str]:
    if run.outcomes:
        yield _section("Response time of each request", _response_times(report, run.outcomes))
        yield _section("How long requests took", histogram([outcome.response_ms for outcome in run.outcomes]))
        yield _section("Requests over the run", _over_time(run.outcomes) + _result_legend())
    if run.fleet:
        yield _section("Load of the substations", _loads(run))
    if report["distribution"]:
        yield _section("Cars admitted by each substation", _bars_of(report, "requests", "cars", 0))
        yield _section("Energy that these cars asked for", _bars_of(report, "energy_kwh", "kWh", 1))
    yield _section("Why requests were rejected or failed", _reasons_table(run.outcomes), wide=True)
    yield _section("Numbers", _numbers_table(report))
    yield _section("Settings", _table(("setting", "value"), [(k, _shown(v)) for k, v in report["settings"].items()]))


def _section(title: str, content: str, *, wide: bool = False) -> str:
    return f"<section{' class=wide' if wide else ''}><h2>{escape(title)}</h2>{content}</section>"


def _response_times(report: Report, outcomes: Sequence[Outcome]) -> str:
    points = [Point(o.sent_s, o.response_ms, o.verdict.result.value) for o in outcomes]
    return scatter(points, report["response_time_ms"]["p95"]) + _result_legend()


def _over_time(outcomes: Sequence[Outcome]) -> str:
    longest_s = max(outcome.sent_s for outcome in outcomes) or 1.0
    columns = [dict.fromkeys((result.value for result in Result), 0) for _ in range(COLUMNS_OVER_TIME)]
    for outcome in outcomes:
        position = min(int(outcome.sent_s / longest_s * COLUMNS_OVER_TIME), COLUMNS_OVER_TIME - 1)
        columns[position][outcome.verdict.result.value] += 1
    return stacked_columns(columns, longest_s)


def _loads(run: Run) -> str:
    names = sorted({name for sample in run.fleet for name in sample.load_percentages}, key=natural_order)
    series = {
        name: [(s.at_s, s.load_percentages[name]) for s in run.fleet if name in s.load_percentages] for name in names
    }
    return lines(series) + (_series_legend(names) if len(names) <= MANY_SERIES else _note(f"{len(names)} substations"))


def _bars_of(report: Report, field: str, unit: str, digits: int) -> str:
    return bars(
        {name: row[field] for name, row in report["distribution"].items()}, unit, digits, f"{unit} by substation"
    )


def _result_legend() -> str:
    return _legend([result.value for result in Result], lambda _, name: f'<circle class="{name}" cx="5" cy="5" r="5"/>')


def _series_legend(names: Sequence[str]) -> str:
    return _legend(names, lambda position, _: f'<path class="series s{position}" d="M0,5L10,5"/>')


def _legend(names: Sequence[str], mark: Callable[[int, str], str]) -> str:
    items = (
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true">{mark(position, name)}</svg>{escape(name)}</li>'
        for position, name in enumerate(names)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _reasons_table(outcomes: Iterable[Outcome]) -> str:
    rows = [(f"{result}: {reason}", f"{count:,}") for (result, reason), count in reasons(outcomes).items()]
    return _table(("reason", "requests"), rows) if rows else _note("None was.")


def _numbers_table(report: Report) -> str:
    rows = [
        *((f"response time, {name}", f"{number(value, 3)} ms") for name, value in report["response_time_ms"].items()),
        ("success rate", number(report["success_rate"], 4)),
        ("error rate", number(report["error_rate"], 4)),
        (
            "load between substations, standard deviation",
            f"{number(report['balance']['load_percentage_sd'], 2)} points",
        ),
        (
            "load between substations, largest deviation from the mean",
            f"{number(report['balance']['load_percentage_max_deviation'], 2)} points",
        ),
    ]
    return _table(("measured", "value"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, row: Sequence[str]) -> str:
    first, *others = row
    return f"<{tag}>{escape(first)}</{tag}>" + "".join(f'<{tag} class="n">{escape(cell)}</{tag}>' for cell in others)


def _note(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
