"""What becomes of an edge's requests to substations, for its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from smartgrid.edge.ports import Outcome

TAKEN, UNANSWERED, REFUSED, ABSURD, LOST = "taken", "unanswered", "refused", "absurd", "lost"
"""`absurd` is an answer that cannot be believed; `lost` what a substation was not told, as it would not take it."""


def _by_result(*results: str) -> Callable[[], Counter[str]]:
    return lambda: Counter(dict.fromkeys(results, 0))


@dataclass(slots=True)
class Counters:
    """By result; each result is there from the start."""

    offers: Counter[str] = field(default_factory=_by_result(TAKEN, UNANSWERED, REFUSED, ABSURD))
    """Polls."""
    reports: Counter[str] = field(default_factory=_by_result(TAKEN, UNANSWERED, REFUSED, LOST))
    """Batches of reports; `lost` counts reports."""
    deliveries: Counter[str] = field(default_factory=_by_result(*Outcome))
    """Tries to start and to end sessions."""
