"""A car that asks to charge, and the mixes of cars there are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SECONDS_PER_HOUR

MIXES: Mapping[str, Mapping[float, float]] = {
    "a": {3.7: 0.27, 7.4: 0.32, 11.0: 0.26, 22.0: 0.15},
    "b": {3.7: 0.25, 7.4: 0.30, 11.0: 0.25, 22.0: 0.15, 50.0: 0.05},
    "c": {3.7: 0.20, 7.4: 0.30, 11.0: 0.35, 22.0: 0.10, 50.0: 0.05},
}
"""Share of the cars by their maximum power in kW. Assumptions; docs/load-testing.md has the reasons for `c`, which the
load tester sends, docs/routing.md those for `a` and `b`."""


@dataclass(frozen=True, slots=True)
class Car:
    """One car and when it comes, in seconds after the start. Its `departure_s` is on the same clock."""

    arrival_s: float
    request: ChargeRequest

    @property
    def charging_s(self) -> float:
        """How long it charges at its full power."""
        return self.request.energy_kwh / self.request.power.max_kw * SECONDS_PER_HOUR

    @property
    def stay_s(self) -> float | None:
        """How long it stays; None: until it is full."""
        return None if self.request.departure_s is None else self.request.departure_s - self.arrival_s

    def moved(self, arrival_s: float, stay_s: float | None) -> Car:
        """The same car at another time."""
        departure_s = None if stay_s is None else arrival_s + stay_s
        return Car(arrival_s, replace(self.request, departure_s=departure_s))
