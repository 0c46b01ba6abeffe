"""What the sockets count, for the metrics. Plain numbers: they are written on the event loop and read anywhere."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

CALL_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER = "other"
REFUSED = (
    "bad_request", "certificate", "full", "lost", "no_charger", "no_files", "no_key", "no_websocket", "plain",
    "registry", "stopping", "storm", "subprotocol", "timeout", "tls", "unknown", "wrong_key",
)  # fmt: skip
"""Why a connection is not let in."""
ERRORS = (
    "full", "ours", "own", "refused", "repeated", "result_refused", "schema", "timeout", "too_many_messages",
    "unanswered", "unasked", "unknown_action", "unreadable",
)  # fmt: skip
"""What is not as OCPP has it; `ours` and `own` are programming errors, `full` and `timeout` calls without a result."""
CLOSED = ("fragments", "protocol_error", "replaced", "silent", "slow", "too_many_messages", "unread")
"""Why we end a connection of ourselves, but for the end of the edge."""
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


def _counts(kinds: tuple[str, ...]) -> Callable[[], dict[str, int]]:
    """All there from the start, and no other ever."""
    return lambda: dict.fromkeys(kinds, 0)


@dataclass(slots=True)
class Counters:
    """All keys come from fixed sets: an action from a schema's name, everything else from those above.

    Who reads from another thread copies a mapping first, by `dict(...)`: keys come while it runs.
    """

    messages: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """By direction (`in`, `out`) and action, answers too."""
    errors: dict[str, int] = field(default_factory=_counts(ERRORS))
    """By kind: what was not as OCPP has it, and calls without a result."""
    refused: dict[str, int] = field(default_factory=_counts(REFUSED))
    """Connections that were not let in, by reason."""
    closed: dict[str, int] = field(default_factory=_counts(CLOSED))
    """Connections that we have ended, by reason."""
    connections: int = 0
    """That were let in, ever."""
    connected: int = 0
    """Now."""
    call_s: Histogram = field(default_factory=lambda: Histogram(CALL_BOUNDS_S, [0] * (len(CALL_BOUNDS_S) + 1)))
    """How long chargers took to answer."""
