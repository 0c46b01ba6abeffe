"""What the sockets count, for the metrics. Plain numbers: they are written on the event loop and read anywhere."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

CALL_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER = "other"
IN, OUT = "in", "out"


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound, not summed up; the last is of what is above all bounds."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def _counts() -> defaultdict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Counters:
    """All keys come from fixed sets: an action from a schema's name, everything else from this code."""

    messages: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """By direction (`in`, `out`) and action, answers too."""
    errors: defaultdict[str, int] = field(default_factory=_counts)
    """By kind: what was not as OCPP has it, and calls without a result."""
    refused: defaultdict[str, int] = field(default_factory=_counts)
    """Connections that were not let in, by reason."""
    closed: defaultdict[str, int] = field(default_factory=_counts)
    """Connections that we have ended, by reason."""
    connections: int = 0
    """That were let in, ever."""
    connected: int = 0
    """Now."""
    call_s: Histogram = field(default_factory=lambda: Histogram(CALL_BOUNDS_S, [0] * (len(CALL_BOUNDS_S) + 1)))
    """How long chargers took to answer."""
