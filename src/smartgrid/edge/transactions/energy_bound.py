"""How much energy a register can have counted: no more than its connector carries in the time that has passed.

A register may tell anything; one program tells its clock as kWh. Energy that is out of proportion is booked at the
bound, and honest energy must never be. So the time that has passed is reckoned in two ways, and the longer one counts:

* by the charger's own clock, as it was told: right also for a queue, and for a clock that is always off by the same;
* by ours, from the last message that came as it happened, with a clock that agreed with ours: right also where the
  charger's clock was set meanwhile. What came from a queue, or by a clock that is off, begins no time of ours.

Where a register rises while its charger's clock goes back, the clock was set, and only our time counts. Where neither
is known (a transaction that was found, or whose start nobody here has heard) nothing is doubted, and time begins there.

From each pair of readings follows a bound; only the one that leaves least (the *anchor*) is kept, so that the allowance
is given once to a transaction and not to each reading. As registers are absolute, what was cut comes with later ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from smartgrid.edge.ports import Heard

COARSE_KWH = 1.0
"""Some registers count in steps of 1 kWh, so two readings may be apart by so much more than what was drawn."""
SLACK_S = 1800.0
"""At twice the rating, so an hour at the rating. By so much a clock is set that took local time for UTC, or at the end
of summer time, and an hour of a queue may then seem to be none."""
AGREES_S = 60.0
"""A message that came within this of its own time came as it happened."""


@dataclass(slots=True)
class _Since:
    """By one clock: at this time no less than so much was booked."""

    time_s: float = 0.0
    energy_kwh: float = 0.0
    is_known: bool = False

    def most_kwh(self, time_s: float, most_kw: float) -> float:
        return self.energy_kwh + most_kw * (time_s - self.time_s) / 3600

    def note(self, time_s: float, energy_kwh: float, most_kw: float) -> None:
        if not self.is_known or energy_kwh <= self.most_kwh(time_s, most_kw):
            self.time_s, self.energy_kwh, self.is_known = time_s, energy_kwh, True


@dataclass(slots=True)
class EnergyBound:
    """Of one transaction."""

    _ours: _Since = field(default_factory=_Since)
    _its: _Since = field(default_factory=_Since)
    _latest_told_s: float = -math.inf

    def resume(self, received_s: float, energy_kwh: float) -> None:
        """An earlier process has booked so much by then."""
        self._ours = _Since(received_s, energy_kwh, True)

    def believe(self, energy_kwh: float, known_kwh: float, heard: Heard | None, most_kw: float) -> float:
        """What to book of an energy that is told, where `known_kwh` is. `most_kw` is what the connector carries."""
        if heard is None or math.isinf(most_kw):
            return max(known_kwh, energy_kwh)
        is_back = heard.told_s is not None and heard.told_s < self._latest_told_s - AGREES_S
        if is_back and energy_kwh > known_kwh:
            self._its, self._latest_told_s = _Since(), -math.inf
        booked_kwh = max(known_kwh, min(energy_kwh, self._most_kwh(heard, most_kw)))
        self.note(booked_kwh, heard, most_kw)
        return booked_kwh

    def note(self, booked_kwh: float, heard: Heard | None, most_kw: float) -> None:
        """So much is booked now, and no more was drawn by the time of what was heard."""
        if heard is None or heard.told_s is None:
            return
        self._its.note(heard.told_s, booked_kwh, most_kw)
        self._latest_told_s = max(self._latest_told_s, heard.told_s)
        if abs(heard.received_s - heard.told_s) <= AGREES_S:
            self._ours.note(heard.received_s, booked_kwh, most_kw)

    def _most_kwh(self, heard: Heard, most_kw: float) -> float:
        found = []
        if self._ours.is_known:
            found.append(self._ours.most_kwh(heard.received_s, most_kw))
        if self._its.is_known and heard.told_s is not None:
            found.append(self._its.most_kwh(heard.told_s, most_kw))
        return max(found, default=math.inf) + COARSE_KWH + most_kw * SLACK_S / 3600
