"""Charging profiles as the standard has them: which limit holds now.

1. Of each purpose only those count that are valid now (validFrom, validTo) and whose schedule has a period now: it has
   begun, and its duration is not over. Of these the highest stack level rules; one for this connector goes before one
   for all (connector 0) of the same level.
2. A TxProfile rules over TxDefaultProfiles, as long as it rules at all: when its duration has run out, the default
   below it is back. That is what an edge relies on when it dies.
3. ChargePointMaxProfile bounds what 2 has given.
4. Nothing that rules: no limit but the rating.

All by the charger's own clock, right or wrong. OCPP 1.6 §3.13, 2.0.1 K01.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    MAX = "ChargePointMaxProfile"
    DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Unit(StrEnum):
    AMPERES = "A"
    WATTS = "W"


class Kind(StrEnum):
    ABSOLUTE = "Absolute"
    RELATIVE = "Relative"
    RECURRING = "Recurring"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` after the schedule's start on."""

    start_s: float
    limit: float
    phases: int = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """`connector` 0 is all. Wall times are of the charger's own clock; `set_wall_s` is when it came."""

    profile_id: int
    connector: int
    purpose: Purpose
    stack_level: int
    kind: Kind
    unit: Unit
    periods: tuple[Period, ...]
    set_wall_s: float
    duration_s: float | None = None
    start_wall_s: float | None = None
    valid_from_wall_s: float | None = None
    valid_to_wall_s: float | None = None
    transaction_id: str | None = None

    def period_at(self, wall_s: float) -> Period | None:
        """The period that holds, None where the profile says nothing of this moment."""
        if self.valid_from_wall_s is not None and wall_s < self.valid_from_wall_s:
            return None
        if self.valid_to_wall_s is not None and wall_s >= self.valid_to_wall_s:
            return None
        passed_s = wall_s - self._start_wall_s()
        if passed_s < 0 or (self.duration_s is not None and passed_s >= self.duration_s):
            return None
        begun = [period for period in self.periods if period.start_s <= passed_s]
        return begun[-1] if begun else None

    def _start_wall_s(self) -> float:
        if self.kind is Kind.ABSOLUTE and self.start_wall_s is not None:
            return self.start_wall_s
        return self.set_wall_s

    def replaces(self, other: Profile) -> bool:
        """In 1.6: one of the same id, or of the same purpose and level for the same connector."""
        same_place = (self.connector, self.purpose, self.stack_level) == (
            other.connector,
            other.purpose,
            other.stack_level,
        )
        return self.profile_id == other.profile_id or same_place


@dataclass(frozen=True, slots=True)
class Limit:
    """What a profile allows: `amount` in `unit` over `phases`."""

    amount: float
    unit: Unit
    phases: int

    def amperes(self, voltage_v: float, phases: int) -> float:
        """Per phase; watts are spread over the profile's phases, as far as there are as many here."""
        if self.unit is Unit.AMPERES:
            return self.amount
        return self.amount / (voltage_v * max(1, min(self.phases, phases)))


def ruling(profiles: Iterable[Profile], connector: int, purpose: Purpose, wall_s: float) -> Limit | None:
    """The limit of the profile of this purpose that rules a connector now, None where none does."""
    found: tuple[tuple[int, int], Limit] | None = None
    for profile in profiles:
        if profile.purpose is not purpose or profile.connector not in (0, connector):
            continue
        period = profile.period_at(wall_s)
        rank = (profile.stack_level, profile.connector)
        if period is not None and (found is None or rank > found[0]):
            found = rank, Limit(period.limit, profile.unit, period.phases)
    return found[1] if found else None


def allowed_a(
    profiles: Sequence[Profile], connector: int, wall_s: float, voltage_v: float, phases: int, charging: int = 1
) -> float:
    """What a connector in a transaction may give on each phase; infinite without a profile.

    The bound on the whole charger is shared evenly among the `charging` connectors.
    """
    limit = ruling(profiles, connector, Purpose.TX, wall_s) or ruling(profiles, connector, Purpose.DEFAULT, wall_s)
    bound = ruling(profiles, 0, Purpose.MAX, wall_s)
    allowed = limit.amperes(voltage_v, phases) if limit else math.inf
    return min(allowed, bound.amperes(voltage_v, phases) / max(1, charging)) if bound else allowed
