"""A charger's times, put right.

Chargers that have lost their clock begin in 1970, others tell local time as if it were UTC, and a queue that is sent
after an outage bears old times that are right. How the three are told apart:

* A time before 2020 is of a clock that was never set. How far such times are off is measured apart from the others.
* A time in the future is of a clock that is ahead: nothing can be told before it happens.
* A message that is hardly ever queued (StatusNotification) is told as it happens: what it is off by, the clock is off
  by, unless a message of the last ten minutes was off by less: being late only adds to it.
* An event of a transaction (2.x) has a number. One with a greater number and an earlier time was told by a clock that
  has been set back in between: what it was off by before says nothing any more, and if the event is not said to be of
  a queue, the clock is off by what it is off by.
* Where none of these come: a queue is emptied faster than it was filled. If messages are off by the same for two
  minutes, then it is the clock, and not the queue.

What is off by less than `TOLERANCE_S` is left as it is. A charger that boots sets its clock by our answer: what was
known of it is forgotten.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NEVER_SET_BEFORE_S = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
EARLIEST_S, LATEST_S = 0.0, datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""Of times that are believed to be of a clock at all: beyond, a time is as if it were not told."""
TOLERANCE_S = 20.0
LATE_AFTER_S = 60.0
"""What was told so much later than it happened is from a queue."""
STEADY_FOR_S, STEADY_WITHIN_S = 120.0, 10.0
"""Messages that are off by the same, within the one, for so long tell of the clock and not of a queue."""
LEAST_FOR_S = 600.0
"""For so long it counts that a message was off by less: being late only adds to it."""
MOST_TRANSACTIONS = 16
"""Of those that tell of a clock that is set back, the last ones."""


def parse_time(value: Any) -> float | None:
    """An ISO 8601 time as wall time in seconds; without a time zone it is UTC. None for anything else."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value.strip().upper())
        told_s = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return told_s if EARLIEST_S <= told_s < LATEST_S else None


def utc_text(wall_s: float) -> str:
    """As OCPP wants it: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ChargerClock:
    """What one charger's clock is off by; all times are wall times in seconds."""

    __slots__ = (
        "_anchor_off_s",
        "_anchor_s",
        "_events",
        "_is_unset",
        "_least_off_s",
        "_least_s",
        "_unset_off_s",
        "off_s",
    )

    def __init__(self) -> None:
        self.booted()

    def booted(self) -> None:
        """It is about to set its clock by what it is told now."""
        self.off_s = 0.0
        """To be added to what the charger tells."""
        self._unset_off_s: float | None = None
        self._is_unset = False
        self._anchor_s = self._anchor_off_s = float("-inf")
        self._least_s, self._least_off_s = float("-inf"), float("inf")
        self._events: dict[str, tuple[int, float]] = {}

    def told(self, time_s: float | None, received_s: float, *, is_live: bool = False) -> None:
        """A message with this time has come now; `is_live` if it surely was not queued."""
        if time_s is None:
            return
        off_s = received_s - time_s
        self._is_unset = time_s < NEVER_SET_BEFORE_S
        if time_s < NEVER_SET_BEFORE_S:
            if is_live or self._unset_off_s is None or off_s < self._unset_off_s:
                self._unset_off_s = off_s
            return
        if abs(off_s - self._anchor_off_s) > STEADY_WITHIN_S:
            self._anchor_s, self._anchor_off_s = received_s, off_s
        if off_s <= self._least_off_s or received_s - self._least_s > LEAST_FOR_S:
            self._least_s, self._least_off_s = received_s, off_s
        is_told_at_once = is_live and off_s <= self._least_off_s + STEADY_WITHIN_S
        is_steady = received_s - self._anchor_s >= STEADY_FOR_S
        if is_told_at_once or is_steady or off_s < self.off_s - TOLERANCE_S:
            self.off_s = off_s if abs(off_s) > TOLERANCE_S else 0.0

    def told_of(self, transaction_id: str, number: int, time_s: float, received_s: float, *, is_queued: bool) -> None:
        """An event of a transaction with this number has come now; `is_queued` if it says so."""
        last_number, last_s = self._events.pop(transaction_id, (-1, EARLIEST_S))
        self._events[transaction_id] = max((last_number, last_s), (number, time_s))
        if len(self._events) > MOST_TRANSACTIONS:
            self._events.pop(next(iter(self._events)))
        is_set_back = number > last_number and time_s < last_s - TOLERANCE_S
        if is_set_back:
            self._least_s, self._least_off_s = float("-inf"), float("inf")
        self.told(time_s, received_s, is_live=is_set_back and not is_queued)

    @property
    def ahead_s(self) -> float:
        """By how much it is ahead of ours at present; negative if it is behind."""
        return -(self._unset_off_s or 0.0) if self._is_unset else -self.off_s

    def right(self, time_s: float | None, received_s: float) -> float:
        """The true time of what the charger says happened at `time_s`: never in the future."""
        if time_s is None:
            return received_s
        if time_s < NEVER_SET_BEFORE_S:
            return (
                received_s
                if self._unset_off_s is None
                else min(received_s, max(EARLIEST_S, time_s + self._unset_off_s))
            )
        return min(received_s, max(EARLIEST_S, time_s + self.off_s))

    def is_late(self, time_s: float | None, received_s: float) -> bool:
        """Whether what happened at this time of the charger was told late: from a queue."""
        return received_s - self.right(time_s, received_s) > LATE_AFTER_S
