"""A second substation, written for obviousness: exact rational numbers, powers by their definition, no shortcuts.

It is told who is admitted, and computes what each must have been given. It shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

HOUR_S = 3600


@dataclass
class Car:
    """A car that charges, or has charged. `left_s` is None while it is there."""

    name: str
    wants_kwh: Fraction
    min_kw: Fraction
    max_kw: Fraction
    departure_s: Fraction | None
    had_kwh: Fraction = Fraction(0)
    power_kw: Fraction = Fraction(0)
    left_s: Fraction | None = None


class Reference:
    """Charges cars exactly as the design says."""

    def __init__(self, capacity_kw: float, now_s: float) -> None:
        self.capacity_kw, self.now_s = Fraction(capacity_kw), Fraction(now_s)
        self.cars: dict[str, Car] = {}  # oldest first

    @property
    def present(self) -> list[Car]:
        return [car for car in self.cars.values() if car.left_s is None]

    def load_kw(self) -> Fraction:
        return sum((car.power_kw for car in self.present), Fraction(0))

    def admit(
        self, name: str, energy_kwh: float, min_kw: float, max_kw: float, departure_s: float | None, now_s: float
    ) -> None:
        self.advance(now_s)
        leaves_s = None if departure_s is None else Fraction(departure_s)
        self.cars[name] = Car(name, Fraction(energy_kwh), Fraction(min_kw), Fraction(max_kw), leaves_s)
        self._share()

    def stop(self, name: str, now_s: float) -> None:
        self.advance(now_s)
        if self.cars[name].left_s is None:
            self.cars[name].left_s = self.now_s
        self._share()

    def set_capacity(self, capacity_kw: float, now_s: float) -> None:
        self.advance(now_s)
        self.capacity_kw = Fraction(capacity_kw)
        self._share()

    def outage(self, until_s: float) -> None:
        """No power until then; who meant to leave has left."""
        self.now_s = max(self.now_s, Fraction(until_s))
        self._leave()
        self._share()

    def advance(self, now_s: float) -> None:
        """Charge until then, sharing anew whenever a car is full or leaves."""
        while self.now_s < now_s:
            step_s = min([Fraction(now_s) - self.now_s, *self._until_next()])
            for car in self.present:
                car.had_kwh += car.power_kw * step_s / HOUR_S
            self.now_s += step_s
            self._leave()
            self._share()

    def _until_next(self) -> Iterator[Fraction]:
        for car in self.present:
            if car.power_kw > 0:
                yield (car.wants_kwh - car.had_kwh) / car.power_kw * HOUR_S
            if car.departure_s is not None:
                yield max(car.departure_s - self.now_s, Fraction(0))

    def _leave(self) -> None:
        for car in self.present:
            if car.had_kwh >= car.wants_kwh or (car.departure_s is not None and car.departure_s <= self.now_s):
                car.left_s = self.now_s

    def _share(self) -> None:
        """Suspend the newest until the minimums fit; fill the others from the lowest up."""
        fed = self.present
        for car in fed:
            car.power_kw = Fraction(0)
        while sum(car.min_kw for car in fed) > self.capacity_kw + Fraction(1, 10**9):
            fed.pop()
        for car in fed:
            car.power_kw = car.min_kw
        self._raise(fed)

    def _raise(self, fed: list[Car]) -> None:
        while left_kw := max(Fraction(0), self.capacity_kw - sum(car.power_kw for car in fed)):
            rising = [car for car in fed if car.power_kw < car.max_kw]
            if not rising:
                return
            level_kw = min(car.power_kw for car in rising)
            lowest = [car for car in rising if car.power_kw == level_kw]
            corners_kw = [car.power_kw for car in rising if car.power_kw > level_kw] + [car.max_kw for car in lowest]
            step_kw = min(min(corners_kw) - level_kw, left_kw / len(lowest))
            for car in lowest:
                car.power_kw += step_kw
