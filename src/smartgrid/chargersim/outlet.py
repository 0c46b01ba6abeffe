"""One connector as physics has it: a pilot that allows a current, a car that follows it late, a register that counts.

Nothing here knows what a message is. Between two events (a new pilot, the car's reaction to it, a plug, a step of the
taper) the current is constant, so the register is exact whenever it is read: `advance` steps from event to event.
The register is the truth that everything else is held against.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from smartgrid.chargersim.car import LEAST_CURRENT_A, Car

PowerChange = Callable[[float, float], None]
"""Called with the change in kW and the moment of it."""


class Outlet:
    """`rating_a` is per phase. Times are of the charger's own monotonic clock, in seconds."""

    def __init__(
        self,
        number: int,
        rating_a: float = 32.0,
        phases: int = 3,
        voltage_v: float = 230.0,
        *,
        now_s: float = 0.0,
        register_kwh: float = 0.0,
        on_power: PowerChange = lambda _change_kw, _at_s: None,
    ) -> None:
        self.number, self.rating_a, self.phases, self.voltage_v = number, rating_a, phases, voltage_v
        self.register_kwh = register_kwh
        self.car: Car | None = None
        self.is_closed = False
        self.pilot_a = 0.0
        self.current_a = 0.0
        self._followed_a = 0.0
        self._follows_at_s = math.inf
        self._now_s = now_s
        self._on_power = on_power

    @property
    def used_phases(self) -> int:
        return min(self.phases, self.car.phases) if self.car else 0

    @property
    def power_kw(self) -> float:
        return self.current_a * self.used_phases * self.voltage_v / 1000

    @property
    def currents_a(self) -> tuple[float, ...]:
        """By phase of this connector."""
        return tuple(self.current_a if phase < self.used_phases else 0.0 for phase in range(self.phases))

    @property
    def next_event_s(self) -> float:
        """When the car will follow a pilot that it has seen; infinite where it follows already."""
        return self._follows_at_s

    def plug(self, car: Car, now_s: float) -> None:
        self.advance(now_s)
        self.car = car
        car.is_asleep = False

    def unplug(self, now_s: float) -> Car | None:
        """Takes the car away; the current is gone at once."""
        self.open(now_s)
        car, self.car = self.car, None
        return car

    def close(self, now_s: float) -> None:
        """Lets current flow, as far as the pilot allows it."""
        self.advance(now_s)
        self.is_closed = True
        self._see_pilot(now_s)

    def open(self, now_s: float) -> None:
        """No current from now on."""
        self.advance(now_s)
        self.is_closed = False
        self._followed_a, self._follows_at_s = 0.0, math.inf
        self._draw(0.0, now_s)

    def allow(self, pilot_a: float, now_s: float) -> None:
        """Signals what the car may take on each phase; less than 6 A is nothing."""
        self.advance(now_s)
        pilot_a = min(pilot_a, self.rating_a)
        pilot_a = pilot_a if pilot_a >= LEAST_CURRENT_A else 0.0
        if pilot_a != self.pilot_a:
            self.pilot_a = pilot_a
            self._see_pilot(now_s)

    def advance(self, now_s: float) -> None:
        """Lets time pass, and the register count."""
        while self._now_s < now_s:
            step_end_s = min(now_s, max(self._now_s, self._follows_at_s))
            self._count(step_end_s - self._now_s)
            self._now_s = step_end_s
            if self._follows_at_s <= step_end_s:
                self._followed_a, self._follows_at_s = self.pilot_a, math.inf
            if self.car is not None and self.is_closed:
                self._follow(self.car, step_end_s)

    def _count(self, passed_s: float) -> None:
        energy_kwh = self.power_kw * passed_s / 3600
        self.register_kwh += energy_kwh
        if self.car is not None:
            self.car.energy_kwh += energy_kwh

    def _see_pilot(self, now_s: float) -> None:
        """A car that was told twice within its reaction time follows when it would have followed the first."""
        if self.car is not None and self.is_closed:
            self._follows_at_s = min(self._follows_at_s, now_s + self.car.reaction_s)

    def _follow(self, car: Car, at_s: float) -> None:
        if car.sleeps_when_paused and self.current_a > 0 and self._followed_a < LEAST_CURRENT_A:
            car.is_asleep = True
        self._draw(car.taken_a(self._followed_a), at_s)

    def _draw(self, current_a: float, at_s: float) -> None:
        before_kw = self.power_kw
        self.current_a = current_a
        if self.power_kw != before_kw:
            self._on_power(self.power_kw - before_kw, at_s)
