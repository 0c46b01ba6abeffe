"""How many phases a car uses, seen from its currents.

To reckon with too few lets a car draw up to three times what was offered, so fewer than are wired are believed only
after several readings that leave no doubt, and more at once. A 0 may be a placeholder of a meter that does not measure
that phase: it counts only where its voltage proves that it is measured, or the power agrees with the currents.

A current that is told without a phase may be that of each phase, or all of them added up: 18 A at 4.1 kW are one phase
or three. That it is one is believed only while it is what the limit lets flow in a phase, which a sum would be beyond.
"""

from __future__ import annotations

from smartgrid.edge.limits.amps import LEAST_V, MOST_V, NOMINAL_V
from smartgrid.edge.ports import Reading

USED_A = 1.0
UNUSED_A = 0.5
"""A phase with at least the one is used; with at most the other it is not; what is between may be either."""
CLEAR_A = 4.0
"""The most used phase has at least this, else a reading says nothing: a car that is full draws little on any."""
READINGS_TO_BELIEVE = 3
TIME_TO_BELIEVE_S = 20.0
POWER_AGREES = 0.2
"""Power and currents may differ by this part: voltages are often not told, and cars have a power factor."""
AT_LIMIT, BEYOND_LIMIT, SURELY_BEYOND = 0.8, 1.1, 2.0
"""Parts of the limit between which one current is what flows in one phase, and beyond which it surely is a sum."""


class PhasesSeen:
    """Of one car, at a connector of `wired` phases."""

    __slots__ = ("_candidate", "_readings", "_since_s", "used", "wired")

    def __init__(self, wired: int) -> None:
        self.wired = wired
        self.used = wired
        self._candidate, self._readings, self._since_s = 0, 0, 0.0

    def reset(self) -> None:
        """A new car: as many as are wired, until it is seen."""
        self.used = self.wired
        self._forget()

    def measured(self, reading: Reading, now_s: float, limit_a: float | None = None) -> None:
        """`limit_a`: what the charger was told to let flow in each phase, if it was told in amperes."""
        seen = self._seen_overall(reading, limit_a) if reading.is_overall else self._seen(reading)
        if seen is None:
            return
        if seen >= self.used:
            self.used = min(seen, self.wired)
            self._forget()
            return
        if seen != self._candidate:
            self._candidate, self._readings, self._since_s = seen, 0, now_s
        self._readings += 1
        if self._readings >= READINGS_TO_BELIEVE and now_s - self._since_s >= TIME_TO_BELIEVE_S:
            self.used = seen
            self._forget()

    def _forget(self) -> None:
        self._candidate, self._readings, self._since_s = 0, 0, 0.0

    def _seen(self, reading: Reading) -> int | None:
        """The phases in use, None if this reading leaves it open."""
        currents_a = [current for current in reading.currents_a if current is not None]
        if not currents_a or max(currents_a) < CLEAR_A:
            return None
        used = sum(current >= USED_A for current in currents_a)
        if used >= self.used:
            return used
        if reading.power_kw is not None and reading.power_kw > 0:
            by_power = 1_000 * reading.power_kw / (self._volts(reading) * max(currents_a))
            if by_power > used * (1 + POWER_AGREES):
                return min(self.wired, round(by_power)) if by_power > self.used * (1 + POWER_AGREES) else None
            agrees = len(currents_a) == 1 or self._adds_up(reading, currents_a)
            return used if agrees else None
        proven = sum(
            current is not None and (current >= USED_A or (current <= UNUSED_A and _is_there(voltage)))
            for current, voltage in zip(reading.currents_a, reading.voltages_v, strict=True)
        )
        return used if proven >= self.wired else None

    def _seen_overall(self, reading: Reading, limit_a: float | None) -> int | None:
        """The same, of a current without a phase."""
        seen = self._seen(reading)
        current_a = reading.currents_a[0]
        if seen != 1 or self.wired == 1 or limit_a is None or current_a is None or not reading.power_kw:
            return None if seen == 1 else seen
        if self.used == 1:  # a reading from just before its limit has fallen is beyond that too
            return self.wired if current_a > SURELY_BEYOND * limit_a else 1
        return 1 if AT_LIMIT * limit_a <= current_a <= BEYOND_LIMIT * limit_a else None

    def _adds_up(self, reading: Reading, currents_a: list[float]) -> bool:
        expected_kw = sum(currents_a) * self._volts(reading) / 1_000
        return abs((reading.power_kw or 0.0) - expected_kw) <= POWER_AGREES * expected_kw

    @staticmethod
    def _volts(reading: Reading) -> float:
        return max((v for v in reading.voltages_v if _is_there(v) and v is not None), default=NOMINAL_V)


def _is_there(voltage_v: float | None) -> bool:
    return voltage_v is not None and LEAST_V <= voltage_v <= MOST_V
