"""How many calls may be sent a second time: a share of the recent calls, and a few besides.

A second sending helps where one balancer has just gone, and harms where all are slow: then every call comes twice, just
when there is no capacity for it, and the overload keeps itself up. A tenth more is harmless; the few besides are for
a gateway with few calls, of which a tenth is nothing. (Finagle's `RetryBudget`, by the same numbers.)

Counted in slots of a second over the last `WINDOW_S`. Pure: the time is an argument.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 10
SHARE = 0.1
BESIDES_A_SECOND = 3


@dataclass(slots=True)
class _Slot:
    second: int
    calls: int = 0
    retries: int = 0


@dataclass(slots=True)
class RetryBudget:
    """Times are of one monotonic clock."""

    _slots: deque[_Slot] = field(default_factory=deque)
    _calls: int = 0
    _retries: int = 0

    def called(self, now_s: float) -> None:
        """A call is sent for the first time."""
        self._slot(now_s).calls += 1
        self._calls += 1

    def allows(self, now_s: float) -> bool:
        """Whether a call may be sent a second time; if so, it counts as sent."""
        slot = self._slot(now_s)
        if self._retries + 1 > SHARE * self._calls + BESIDES_A_SECOND * WINDOW_S:
            return False
        slot.retries += 1
        self._retries += 1
        return True

    def _slot(self, now_s: float) -> _Slot:
        second = int(now_s)
        while self._slots and self._slots[0].second <= second - WINDOW_S:
            old = self._slots.popleft()
            self._calls -= old.calls
            self._retries -= old.retries
        if not self._slots or self._slots[-1].second < second:
            self._slots.append(_Slot(second))
        return self._slots[-1]
