"""The report of a run, in the shape that the JSON file has. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from smartgrid.loadtest.balance import FleetSample, balance_of
from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.scenarios import Settings
from smartgrid.loadtest.summary import (
    distribution,
    rate,
    request_counts,
    response_times_ms,
    start_errors_s,
    waiting_counts,
    waits_s,
)

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What was recorded: every finished request, the samples of the fleet, and what a stop cut off."""

    started_at: datetime
    duration_s: float
    outcomes: Sequence[Outcome]
    fleet: Sequence[FleetSample] = ()
    fleet_problem: str | None = None
    unanswered: int = 0
    still_waiting: int = 0


def report_of(settings: Settings, run: Run) -> Report:
    """Rates are shares 0..1 of the finished requests; None stands where nothing was measured."""
    counts = request_counts(run.outcomes)
    return {
        "scenario": settings.scenario,
        "settings": {name: value for name, value in asdict(settings).items() if name != "scenario"},
        "started_at": run.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_s": round(run.duration_s, 3),
        "requests": counts,
        "success_rate": _rounded(rate(counts["succeeded"], counts["total"]), 6),
        "error_rate": _rounded(rate(counts["failed"], counts["total"]), 6),
        "response_time_ms": _all_rounded(response_times_ms(run.outcomes)),
        "throughput_rps": _rounded(counts["total"] / run.duration_s if run.duration_s > 0 else None, 3),
        "distribution": {
            name: {"requests": int(row["requests"]), "energy_kwh": round(row["energy_kwh"], 3)}
            for name, row in distribution(run.outcomes).items()
        },
        "balance": _all_rounded(balance_of(run.fleet)),
        "waiting": _waiting(run) if settings.wait_s is not None else None,
    }


def _waiting(run: Run) -> dict[str, Any]:
    return {
        **waiting_counts(run.outcomes),
        "wait_s": _all_rounded(waits_s(run.outcomes)),
        "start_error_s": _all_rounded(start_errors_s(run.outcomes)),
    }


def _all_rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: _rounded(value, 3) for name, value in values.items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
