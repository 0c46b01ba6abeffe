"""Whether the meter agrees with the limit: a charger may accept a profile and not apply it.

A reading is held against the limit only `SETTLE_S` after this was confirmed: the charger looks at its profiles every
30 s at the worst, the car follows within 5 s, and a meter value may be of a moment ago. One reading proves nothing (a
spike, a value from before); two in a row do. That a car draws less than its limit says nothing either, it may be
modest or full: only what it draws *at* the limit, or no longer draws because of it, shows that the charger obeys.
"""

from __future__ import annotations

from enum import Enum, auto

SETTLE_S = 20.0
READINGS = 2
TOLERANCE = 0.02
TOLERANCE_A = 0.5
"""What a meter may err beyond a limit: a part of it, and so many amperes."""
STUCK_S = 60.0
STUCK_READINGS = 3
STUCK_A = 0.4
"""A car is stuck at the safe current that draws just that, within so much, for so long, in so many readings."""
CLEARLY_LESS_A = 2.0
"""The safe current must be so much less than the limit, else one cannot be told from the other."""


class Verdict(Enum):
    OPEN = auto()
    FOLLOWS = auto()
    EXCEEDS = auto()
    STUCK = auto()  # at the safe current, although more is allowed


def exceeds(drawn_a: float, limit_a: float) -> bool:
    return drawn_a > limit_a * (1 + TOLERANCE) + TOLERANCE_A


class Obeying:
    """Of one connector. All currents are for each phase: of the phase that has most."""

    __slots__ = ("_since_s", "_stuck", "_too_much", "peak_a")

    def __init__(self) -> None:
        self.peak_a = 0.0
        self._since_s = 0.0
        self._too_much = self._stuck = 0

    def reset(self, now_s: float) -> None:
        """A new car."""
        self.peak_a = 0.0
        self.confirmed(now_s)

    def confirmed(self, now_s: float) -> None:
        """Another limit holds from now on."""
        self._since_s = now_s
        self._too_much = self._stuck = 0

    def measured(
        self,
        drawn_a: float,
        offered_a: float | None,
        limit_a: float,
        safe_a: float | None,
        rating_a: float,
        now_s: float,
    ) -> Verdict:
        """`safe_a` is the current of the TxDefaultProfile where another profile carries the limit."""
        self.peak_a = max(self.peak_a, drawn_a)
        if now_s - self._since_s < SETTLE_S:
            return Verdict.OPEN
        if exceeds(drawn_a, limit_a):
            self._too_much += 1
            return Verdict.EXCEEDS if self._too_much >= READINGS else Verdict.OPEN
        self._too_much = 0
        if safe_a is not None and self._is_stuck(drawn_a, offered_a, limit_a, safe_a, now_s):
            return Verdict.STUCK
        at_limit = 0 < limit_a <= 0.9 * rating_a and drawn_a >= 0.8 * limit_a
        return Verdict.FOLLOWS if at_limit or exceeds(self.peak_a, limit_a) else Verdict.OPEN

    def _is_stuck(self, drawn_a: float, offered_a: float | None, limit_a: float, safe_a: float, now_s: float) -> bool:
        """By what the charger says that it offers; else by a car that draws just the safe current, for a minute."""
        at_a = drawn_a if offered_a is None else offered_a
        if limit_a - safe_a < CLEARLY_LESS_A or abs(at_a - safe_a) > STUCK_A or (offered_a is None and safe_a == 0):
            self._stuck = 0
            return False
        self._stuck += 1
        if offered_a is not None:
            return self._stuck >= READINGS
        return self._stuck >= STUCK_READINGS and now_s - self._since_s >= STUCK_S
