"""Whether a report meets what was asked of it. Pure."""

from collections.abc import Iterator

from smartgrid.loadtest.report import Report


def missed_thresholds(report: Report, min_success_rate: float | None, max_p95_ms: float | None) -> list[str]:
    """One sentence for each threshold that the report misses, with by how much. What was not measured is missed."""
    p95_ms = report["response_time_ms"]["p95"]
    return [*_success_rate(report["success_rate"], min_success_rate), *_p95(p95_ms, max_p95_ms)]


def _success_rate(measured: float | None, least: float | None) -> Iterator[str]:
    if least is None:
        return
    if measured is None:
        yield f"The success rate was not measured, but must be at least {least:.2%}."
    elif measured < least:
        points = (least - measured) * 100
        yield f"The success rate is {measured:.2%}, {points:.2f} points below the least allowed {least:.2%}."


def _p95(measured: float | None, most: float | None) -> Iterator[str]:
    if most is None:
        return
    if measured is None:
        yield f"The 95th percentile of the response time was not measured, but must be at most {most:g} ms."
    elif measured > most:
        yield (
            f"The 95th percentile of the response time is {measured:.1f} ms, "
            f"{measured - most:.1f} ms above the most allowed {most:g} ms."
        )
