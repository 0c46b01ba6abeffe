"""A circuit breaker between the gateway and the balancers: whether a call is worth a wait.

While no balancer answers, each call would hold a thread for its whole timeout, and at a few calls a second all threads
would wait in vain, with those in them that could be answered. So after `OPEN_AFTER` unanswered calls in a row the
breaker opens, and calls fail at once. Once in `PROBE_EVERY_S` one of them asks first whether a balancer is ready: if
so, the breaker closes. The probe is never a charge, whose outcome would not be known if it was not answered either.

Stops do not ask the breaker: there are few, and they free power. Any answer closes it.

Pure: the time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OPEN_AFTER = 5
PROBE_EVERY_S = 1.0


class Verdict(Enum):
    CALL = "call"
    PROBE = "probe"
    FAIL = "fail"


@dataclass(slots=True)
class Breaker:
    """Closed at first. Times are of one monotonic clock."""

    in_a_row: int = 0
    """Calls that were not answered since the last that was."""
    probe_due_s: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.in_a_row >= OPEN_AFTER

    def verdict(self, now_s: float) -> Verdict:
        """What to do with a call. Who is told to probe must do it: no one else is for a while."""
        if not self.is_open:
            return Verdict.CALL
        if now_s < self.probe_due_s:
            return Verdict.FAIL
        self.probe_due_s = now_s + PROBE_EVERY_S
        return Verdict.PROBE

    def answered(self) -> None:
        """A call or a probe was answered."""
        self.in_a_row = 0

    def unanswered(self, now_s: float) -> None:
        """A call was not answered, or could not be sent."""
        self.in_a_row += 1
        if self.in_a_row == OPEN_AFTER:
            self.probe_due_s = now_s + PROBE_EVERY_S
