"""The result of a run as plain text tables. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from smartgrid.loadtest.report import Report, Run
from smartgrid.loadtest.summary import reasons

LATE_S = 0.1
"""A request that goes out later than this after it was due is counted as late."""


def result_text(report: Report, run: Run) -> str:
    """All that a person wants to know at the end of a run: overall, the times, and each substation."""
    blocks = [
        _headline(report, run),
        _requests(report, run),
        _times(report),
        _waiting(report),
        _substations(report, run),
        _balance(report, run),
    ]
    return "\n\n".join(filter(None, blocks))


def _headline(report: Report, run: Run) -> str:
    asked, done = report["settings"]["requests"], report["requests"]["total"]
    amount = f"{done} requests" if done == asked else f"stopped after {done} of {asked} requests"
    cut_off = ((run.unanswered, "had no answer yet"), (run.still_waiting, "still waited"))
    missing = "".join(f"; {count} more {what} and do not count" for count, what in cut_off if count)
    pace = f"{report['duration_s']:.1f} s, {number(report['throughput_rps'], 2)} requests/s"
    return f"Scenario {report['scenario']}: {amount} in {pace}{missing}"


def _requests(report: Report, run: Run) -> str:
    counts = report["requests"]
    rows = [("requests", "count", "share")]
    for result in ("succeeded", "rejected", "failed"):
        rows.append((result, str(counts[result]), share(counts[result], counts["total"])))
        why = ((reason, count) for (of, reason), count in reasons(run.outcomes).items() if of == result)
        rows += [(f"  {reason}", str(count), "") for reason, count in why]
    rows.append(("total", str(counts["total"]), ""))
    noted = {"sent twice": sum(outcome.retried for outcome in run.outcomes), "sent late": _late(report, run)}
    rows += [(name, str(count), share(count, counts["total"])) for name, count in noted.items() if count]
    return aligned(rows)


def _late(report: Report, run: Run) -> int:
    """How many requests went out late because no user was free. None where all are due at once, as they must wait."""
    paced = report["settings"]["trace"] is not None or report["settings"]["ramp_up_s"] > 0
    return sum(outcome.sent_s - outcome.due_s > LATE_S for outcome in run.outcomes) if paced else 0


def _times(report: Report) -> str:
    times: Mapping[str, float | None] = report["response_time_ms"]
    return aligned([("response time", *times), ("ms", *(number(value, 1) for value in times.values()))])


def _substations(report: Report, run: Run) -> str:
    admitted = report["requests"]["succeeded"]
    rows = [("substation", "cars", "share", "energy asked for", "load mean", "load max")]
    for name, row in report["distribution"].items():
        loads = [sample.load_percentages[name] for sample in run.fleet if name in sample.load_percentages]
        rows.append(
            (
                name,
                str(row["requests"]),
                share(row["requests"], admitted),
                f"{row['energy_kwh']:.1f} kWh",
                f"{sum(loads) / len(loads):.1f} %" if loads else "-",
                f"{max(loads):.1f} %" if loads else "-",
            )
        )
    return aligned(rows) if len(rows) > 1 else ""


def _waiting(report: Report) -> str:
    waiting = report["waiting"]
    if waiting is None:
        return ""
    counts = f"{waiting['waited']} cars waited: {waiting['started']} started, {waiting['left']} left"
    if not waiting["waited"]:
        return counts
    rows = [("s", *waiting["wait_s"])]
    rows.append(("wait", *(number(value, 1) for value in waiting["wait_s"].values())))
    rows.append(("start off by", *(number(value, 1) for value in waiting["start_error_s"].values())))
    return f"{counts}\n{aligned(rows)}"


def _balance(report: Report, run: Run) -> str:
    balance = report["balance"]
    if balance["load_percentage_sd"] is None:
        return "balance: not measured" + (f": {run.fleet_problem}" if run.fleet_problem else "")
    sd, farthest = balance["load_percentage_sd"], balance["load_percentage_max_deviation"]
    return (
        f"balance: load differs by a standard deviation of {sd:.1f} points, at most {farthest:.1f} points from the mean"
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_padded(row, widths)).rstrip() for row in rows)


def _padded(row: Sequence[str], widths: Iterable[int]) -> Iterator[str]:
    for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if position else cell.ljust(width)


def number(value: float | None, digits: int) -> str:
    """A number, or `-` where nothing was measured."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(part: int, total: int) -> str:
    """A share in percent, or `-` of nothing."""
    return f"{part / total:.1%}" if total else "-"
