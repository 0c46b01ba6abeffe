"""How often somebody may ask: a GCRA, pure, with time as an argument.

The generic cell rate algorithm keeps one number for each who asks: the time at which all that was asked so far would
have been asked at the allowed rate. Each request moves it by the time of one request; while it lies no further ahead
than the burst lasts, the request is within the limit. So a limit needs no timer, no window and no queue, and knows
exactly when the next request is within it again, which is what a client is told.

A number that lies in the past says nothing more than none at all. There are at most `max_keys` of them, or whoever has
many names would take all memory; the one that was used the longest time ago goes first. Whoever is forgotten may burst
anew, so the limit holds for each of the `max_keys` last, and is no wall against somebody with more addresses than that.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from dataclasses import dataclass

MAX_KEYS = 20_000
UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
MAX_COUNT = 1_000_000
ROUNDING = 1e-6
_RATE = re.compile(r"([1-9][0-9]{0,6})\s*/\s*([smh])(?:\s+burst\s+([1-9][0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` requests in `period_s`, evenly; and up to `burst` of them at once after a while of silence."""

    count: int
    period_s: float
    burst: int

    @property
    def interval_s(self) -> float:
        """From one request to the next, at the rate."""
        return self.period_s / self.count

    @property
    def window_s(self) -> int:
        """How long the whole burst takes to come back."""
        return max(1, math.ceil(self.burst * self.interval_s))


def parse(text: str) -> Rate:
    """A rate such as `20/s burst 40`; without a burst it is that of one period. Raises ValueError."""
    found = _RATE.fullmatch(text.strip())
    if not found or max(int(found[1]), int(found[3] or 1)) > MAX_COUNT:
        raise ValueError("must be a rate such as `20/s burst 40`, by s, m or h")
    return Rate(int(found[1]), UNITS_S[found[2]], int(found[3] or found[1]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is within the rate, how many more are now, and in how many seconds the burst is whole again."""

    is_within: bool
    left: int
    whole_in_s: float
    retry_in_s: float


class Limiter:
    """Who has asked, and how far ahead of the rate that is. Not thread-safe. Times are of one monotonic clock."""

    def __init__(self, rate: Rate, max_keys: int = MAX_KEYS) -> None:
        self.rate, self._max_keys = rate, max_keys
        self._due_s: OrderedDict[object, float] = OrderedDict()  # in the order of use

    def __len__(self) -> int:
        return len(self._due_s)

    def take(self, key: object, now_s: float) -> Verdict:
        """Count a request of `key`, if it is within the rate."""
        interval_s = self.rate.interval_s
        full_s = self.rate.burst * interval_s
        due_s = max(self._due_s.pop(key, now_s), now_s)
        after_s = due_s + interval_s
        is_within = after_s - now_s <= full_s * (1 + ROUNDING)
        if is_within:
            due_s = after_s
        if len(self._due_s) >= self._max_keys:
            self._due_s.popitem(last=False)
        self._due_s[key] = due_s
        ahead_s = due_s - now_s
        left = int((full_s - ahead_s) / interval_s + ROUNDING)
        return Verdict(is_within, left, ahead_s, 0.0 if is_within else after_s - now_s - full_s)
