"""The numbers of a finished run. Pure, and exact: computed from every recorded time, not from buckets."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.request import Result


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest measured value that at least `percent` % of all values do not exceed."""
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(rank, 1) - 1]


def response_times_ms(outcomes: Iterable[Outcome]) -> dict[str, float | None]:
    """Average, median, p95, p99 and largest time, over all requests whatever became of them; None without any."""
    return spread(outcome.response_ms for outcome in outcomes)


def waiting_counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many cars were let wait, and whether they started in the end or left without a start."""
    results = Counter(outcome.verdict.result for outcome in outcomes if outcome.wait is not None)
    return {"waited": results.total(), "started": results[Result.SUCCEEDED], "left": results[Result.REJECTED]}


def waits_s(outcomes: Iterable[Outcome]) -> dict[str, float | None]:
    """How long cars that were let wait did so, until they started or left, in the form of the response times."""
    return spread(outcome.wait.lasted_s for outcome in outcomes if outcome.wait is not None)


def start_errors_s(outcomes: Iterable[Outcome]) -> dict[str, float | None]:
    """By how much the starts of cars that waited were off what they were told as they joined."""
    return spread(
        abs(outcome.wait.lasted_s - outcome.wait.told_s)
        for outcome in outcomes
        if outcome.wait is not None and outcome.wait.told_s is not None and outcome.verdict.result is Result.SUCCEEDED
    )


def spread(values: Iterable[float]) -> dict[str, float | None]:
    """Average, median, p95, p99 and largest; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(("average", "median", "p95", "p99", "max"))
    return {
        "average": fmean(ordered),
        "median": median(ordered),
        "p95": percentile(ordered, 95),
        "p99": percentile(ordered, 99),
        "max": ordered[-1],
    }


def request_counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many requests ended how; the three results add up to `total`."""
    counts = Counter(outcome.verdict.result for outcome in outcomes)
    return {"total": counts.total(), **{result.value: counts[result] for result in Result}}


def rate(part: int, total: int) -> float | None:
    """The share 0..1; None of nothing."""
    return part / total if total else None


def distribution(outcomes: Iterable[Outcome]) -> dict[str, dict[str, float]]:
    """For each substation the cars that it admitted and the energy that they asked for, in kWh; sorted by name."""
    rows: dict[str, dict[str, float]] = {}
    for outcome in outcomes:
        if outcome.verdict.substation is not None:
            row = rows.setdefault(outcome.verdict.substation, {"requests": 0, "energy_kwh": 0.0})
            row["requests"] += 1
            row["energy_kwh"] += outcome.energy_kwh
    return {name: rows[name] for name in sorted(rows, key=natural_order)}


def reasons(outcomes: Iterable[Outcome]) -> Mapping[tuple[Result, str], int]:
    """How often each reason for a refusal or failure occurred, most frequent first."""
    counts = Counter((o.verdict.result, o.verdict.reason) for o in outcomes if o.verdict.reason)
    return {(result, reason): count for (result, reason), count in counts.most_common() if reason}


def natural_order(name: str) -> list[str | int]:
    """Sorts `substation-2` before `substation-10`: text and numbers alternate, so keys always compare."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
