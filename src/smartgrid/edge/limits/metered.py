"""What the meter adds to what was written: a car that draws more than it may, or has not followed yet.

After a limit has fallen, the old one counts on until a reading shows that the car has followed, which takes it up to
`REACTION_S`, or until the slowest charger must have looked at its profiles. A reading from before that says nothing.
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

    __slots__ = ("_fell_s", "_lingering_kw", "_measured_s", "power_kw")

    def __init__(self) -> None:
        self.power_kw = 0.0
        self._measured_s = self._fell_s = -math.inf
        self._lingering_kw = 0.0

    def reset(self) -> None:
        """Another car, or none: nothing lingers, and nothing is measured."""
        self.power_kw, self._measured_s, self._lingering_kw = 0.0, -math.inf, 0.0

    def measured(self, power_kw: float, bound_kw: float, now_s: float) -> None:
        """A reading, and what may be drawn by what was written."""
        self.power_kw, self._measured_s = power_kw, now_s
        if self._counts and not self._is_more(bound_kw):
            self._lingering_kw = 0.0

    def fell(self, from_kw: float, now_s: float) -> None:
        """What may be drawn by what was written is less from now on."""
        before_kw = self._lingering_kw if now_s < self._fell_s + FOLLOWED_S else 0.0
        self._lingering_kw, self._fell_s = max(from_kw, before_kw), now_s

    def recent_kw(self, now_s: float) -> float | None:
        """What is drawn, if it is known."""
        return self.power_kw if now_s < self._measured_s + RECENT_S else None

    def held_kw(self, bound_kw: float, now_s: float) -> float:
        """What may be drawn in truth."""
        if now_s < self._fell_s + FOLLOWED_S:
            bound_kw = max(bound_kw, self._lingering_kw)
        return self.power_kw if self._counts and self._is_more(bound_kw) else bound_kw

    def times_s(self) -> tuple[float, float]:
        """When time alone may change what is held."""
        return self._fell_s + REACTION_S, self._fell_s + FOLLOWED_S

    @property
    def _counts(self) -> bool:
        return self._measured_s >= self._fell_s + REACTION_S

    def _is_more(self, bound_kw: float) -> bool:
        return self.power_kw > bound_kw * (1 + TOLERANCE) + _ROUNDING_KW
