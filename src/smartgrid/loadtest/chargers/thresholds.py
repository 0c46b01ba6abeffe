"""Whether a run with chargers meets what was asked of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from smartgrid.loadtest.chargers.plan import ChargerSettings
from smartgrid.loadtest.chargers.report import Report


def missed_thresholds(report: Report, settings: ChargerSettings) -> list[str]:
    """One sentence for each threshold that is missed, with by how much. What was not measured is missed."""
    return [
        *_least("share of cars that charged", report["success_rate"], settings.min_success_rate),
        *_most(
            "95th percentile of the time to the first limit", report["first_limit_ms"]["p95"], settings.max_p95_ms, "ms"
        ),
        *_most("power above a capacity", report["over_kw"], settings.max_over_kw, "kW"),
    ]


def _least(what: str, measured: float | None, least: float | None) -> Iterator[str]:
    if least is None:
        return
    if measured is None:
        yield f"The {what} was not measured, but must be at least {least:.2%}."
    elif measured < least:
        points = (least - measured) * 100
        yield f"The {what} is {measured:.2%}, {points:.2f} points below the least allowed {least:.2%}."


def _most(what: str, measured: float | None, most: float | None, unit: str) -> Iterator[str]:
    if most is None:
        return
    if measured is None:
        yield f"The {what} was not measured, but must be at most {most:g} {unit}."
    elif measured > most:
        yield f"The {what} is {measured:g} {unit}, {measured - most:g} {unit} above the most allowed {most:g} {unit}."
