"""What the meter adds to what was written: a car that draws more than it may, or has not followed yet.

What was written bounds what is drawn only once the charger and the car have followed. So two powers count beside it:

* after a limit has fallen, what could be drawn before *lingers*: until a reading shows that the car has followed, which
  takes it up to `REACTION_S` (a reading from before that says nothing), or until the slowest charger must have looked
  at its profiles;
* a reading beyond what was written, by more than a meter errs, counts as the *excess* until the next reading. It can
  only raise what is held: a car that draws less now may draw its limit again in a second.
"""

from __future__ import annotations

import math

REACTION_S = 5.0
"""A car follows within this (IEC 61851)."""
FOLLOWED_S = 35.0
"""After this a limit that has fallen counts as followed, if no meter says so: the slowest charger looks every 30 s."""
RECENT_S = 60.0
TOLERANCE = 0.02
"""Of a meter: what it shows beyond a limit counts only beyond this."""
_ROUNDING_KW = 1e-6


class Metered:
    """Of one car."""

    __slots__ = ("_excess_kw", "_fell_s", "_lingering_kw", "_measured_s", "power_kw")

    def __init__(self) -> None:
        self.power_kw = 0.0
        self._measured_s = self._fell_s = -math.inf
        self._lingering_kw = self._excess_kw = 0.0

    def reset(self) -> None:
        """Another car, or none: nothing lingers, and nothing is measured."""
        self.power_kw, self._measured_s = 0.0, -math.inf
        self._lingering_kw = self._excess_kw = 0.0

    def measured(self, power_kw: float, bound_kw: float, now_s: float) -> None:
        """A reading, and what may be drawn by what was written."""
        self.power_kw, self._measured_s = power_kw, now_s
        if now_s < self._fell_s + REACTION_S:
            return
        is_more = power_kw > bound_kw * (1 + TOLERANCE) + _ROUNDING_KW
        self._excess_kw = power_kw if is_more else 0.0
        if not is_more:
            self._lingering_kw = 0.0

    def fell(self, from_kw: float, now_s: float) -> None:
        """What may be drawn by what was written is less from now on."""
        before_kw = self._lingering_kw if now_s < self._fell_s + FOLLOWED_S else 0.0
        self._lingering_kw, self._fell_s = max(from_kw, before_kw, self._excess_kw), now_s
        self._excess_kw = 0.0

    def recent_kw(self, now_s: float) -> float | None:
        """What is drawn, if it is known."""
        return self.power_kw if now_s < self._measured_s + RECENT_S else None

    def held_kw(self, bound_kw: float, now_s: float) -> float:
        """What may be drawn in truth. A reading that was within its bound says nothing of a lower one later."""
        lingering_kw = self._lingering_kw if now_s < self._fell_s + FOLLOWED_S else 0.0
        return max(bound_kw, lingering_kw, self._excess_kw)

    def times_s(self) -> tuple[float, float]:
        """When time alone may change what is held."""
        return self._fell_s + REACTION_S, self._fell_s + FOLLOWED_S
