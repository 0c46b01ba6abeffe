"""By how much another machine's clock differs from ours, from the `Date` of its answers.

`Date` counts whole seconds, and still tells more than that. An answer that was dated D, to a request sent at S that
came at C by our clock, was made between S and C, when the other clock showed something from D to D + 1. So the other
clock is ahead of ours by more than D - C and by less than D + 1 - S. One answer says this only to a second. But each
next one comes at another part of a second, all of them are true at once, and the bounds close in: after 20 answers that
took no time they are about 0.1 s apart. Long polls count too: one that was held for long only bounds from one side.

What is told is the least skew, the one nearest to 0 of those possible: an alarm by it is never false. Clocks drift and
are set, so bounds of the last `PERIOD_S` to twice that count, and where an answer contradicts them only that one does.

Pure: times are arguments, in seconds since 1970.
"""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

TOLERATED_S = 0.2
"""What clocks that follow NTP stay well below, also over the internet."""
PERIOD_S = 300.0


class _Bounds(NamedTuple):
    low_s: float = -math.inf
    high_s: float = math.inf

    def within(self, other: _Bounds) -> _Bounds:
        return _Bounds(max(self.low_s, other.low_s), min(self.high_s, other.high_s))


class ClockSkew:
    """Of one other machine."""

    def __init__(self) -> None:
        self._former, self._now = _Bounds(), _Bounds()
        self._begun_s = -math.inf

    def note(self, told_s: float, sent_s: float, came_s: float) -> None:
        """An answer that was dated `told_s`, in whole seconds, by the other clock."""
        if came_s < sent_s:
            return  # our own clock was set meanwhile
        if not self._begun_s <= came_s < self._begun_s + PERIOD_S:
            self._former, self._now, self._begun_s = self._now, _Bounds(), came_s
        found = _Bounds(told_s - came_s, told_s + 1 - sent_s)
        self._now = self._now.within(found)
        low_s, high_s = self._now.within(self._former)
        if low_s > high_s:
            self._former, self._now = _Bounds(), found

    @property
    def least_s(self) -> float:
        """By how much it is ahead at least; negative where it is behind, 0 where it may be right."""
        low_s, high_s = self._now.within(self._former)
        return max(0.0, low_s) or min(0.0, high_s)


@lru_cache(maxsize=16)  # all members' answers of one second have the same
def told_at(date: str | None) -> float | None:
    """The time that a `Date` names; None for what is no date."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None
