"""A car at a charger: a battery that wants less and less current as it gets full."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_CURRENT_A = 6.0
"""Below it a car cannot charge (IEC 61851): a charger that may give less gives nothing."""
LAST_CURRENT_A = 2.0
"""What a battery still takes just before it is full."""
TAPER_STEP_A = 0.5


@dataclass(slots=True)
class Car:
    """`energy_kwh` is in the battery now. It takes up to `max_current_a` on each of its phases.

    `reaction_s` is what it needs to follow a new pilot; the standard allows 5 s. A car that `sleeps_when_paused`
    does not charge again after a pause, as some do not until they are plugged in anew.
    """

    battery_kwh: float = 60.0
    energy_kwh: float = 20.0
    max_current_a: float = 16.0
    phases: int = 3
    taper_from: float = 0.8
    reaction_s: float = 5.0
    sleeps_when_paused: bool = False
    is_asleep: bool = False

    @property
    def is_full(self) -> bool:
        return self.energy_kwh >= self.battery_kwh

    def wanted_a(self) -> float:
        """What it would take on each phase if it could get anything, in steps: a taper is not a stream of events."""
        if self.is_full or self.is_asleep:
            return 0.0
        charge = self.energy_kwh / self.battery_kwh
        if charge <= self.taper_from:
            return self.max_current_a
        left = (1 - charge) / (1 - self.taper_from)
        steps = int(self.max_current_a * left / TAPER_STEP_A)
        return min(self.max_current_a, max(LAST_CURRENT_A, steps * TAPER_STEP_A))

    def taken_a(self, pilot_a: float) -> float:
        """What it takes on each phase when it is allowed `pilot_a`."""
        return min(pilot_a, self.wanted_a()) if pilot_a >= LEAST_CURRENT_A else 0.0
