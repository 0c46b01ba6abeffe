"""What all chargers of a substation draw together, by their own meters: at each moment, and at the most.

This is how a test or a load test knows whether a capacity was exceeded: nothing is sampled, as every change of every
outlet is told with its moment, and between two changes the power is constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Moment(NamedTuple):
    """From `at_s` on `power_kw` flows."""

    at_s: float
    power_kw: float


@dataclass(slots=True)
class Busbar:
    """Told of each change of each connector; `changes` keeps them all where `keeps_history`."""

    power_kw: float = 0.0
    most_kw: float = 0.0
    keeps_history: bool = True
    changes: list[tuple[float, float]] = field(default_factory=list)

    def change(self, change_kw: float, at_s: float) -> None:
        self.power_kw += change_kw
        self.most_kw = max(self.most_kw, self.power_kw)
        if self.keeps_history:
            self.changes.append((at_s, change_kw))

    def moments(self) -> list[Moment]:
        """All that was drawn, in the order of time; changes of one instant are one moment."""
        found: list[Moment] = []
        power_kw = 0.0
        for at_s, change_kw in sorted(self.changes):
            power_kw += change_kw
            if found and found[-1].at_s == at_s:
                found.pop()
            found.append(Moment(at_s, power_kw))
        return found

    def most_between_kw(self, from_s: float, to_s: float) -> float:
        """The most that was drawn at any moment from one time to another, both included."""
        most_kw = 0.0
        for moment in self.moments():
            if moment.at_s > to_s:
                break
            most_kw = moment.power_kw if moment.at_s <= from_s else max(most_kw, moment.power_kw)
        return most_kw
