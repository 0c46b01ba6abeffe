"""What is peculiar to chargers of one model."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.edge.ports import ProfileKind, RateUnit


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one model wants to be told its limits. The defaults suit most; docs/quirks.md explains each."""

    name: str = "default"
    unit: RateUnit | None = None
    kinds: tuple[ProfileKind, ...] = (ProfileKind.TX, ProfileKind.TX_DEFAULT)
    stack_level: int = 0
    minimum_a: float = 6.0
    can_pause: bool = True
    is_relative: bool = False
    pause_s: float = 120.0
    keeps_profiles: bool = True
    sets_charge_point_max: bool = False
    meter_interval_s: int | None = None
    measurands: tuple[str, ...] | None = None
    sends_authorize: bool = True


DEFAULT = Quirks()
