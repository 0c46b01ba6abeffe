"""What a car asks for."""

from __future__ import annotations

from dataclasses import dataclass

ONE_PHASE_FLOOR_KW = 1.38  # 6 A, the least current that a control pilot can offer (IEC 61851-1), at 230 V
THREE_PHASE_FLOOR_KW = 4.14
ONE_PHASE_MAX_KW = 7.4
THREE_PHASE_MAX_KW = 22.0
DC_FLOOR_KW = 5.0
DEFAULT_MAX_POWER_KW = 11.0  # three phases at 16 A, the commonest wallbox


@dataclass(frozen=True, slots=True)
class PowerRange:
    """The power that a session can use: never below `min_kw` while it charges, never above `max_kw`.

    `min_kw == max_kw` makes it rigid: it charges at just this power or not at all.
    """

    min_kw: float
    max_kw: float


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One car's wish.

    `energy_kwh` is infinite where nobody knows what it wants: then it charges until it leaves. `departure_s` is when
    the car leaves on the caller's clock, or None if it stays until it is full. `is_metered` is of one whose power and
    energy are its charger's: it is plugged in there, or has a connector reserved.
    """

    vehicle_id: str
    energy_kwh: float
    power: PowerRange
    departure_s: float | None = None
    is_metered: bool = False


def default_min_power_kw(max_power_kw: float) -> float:
    """The floor of a request that names none: 6 A on the phases it can use, 5 kW for DC, never above its maximum."""
    return min(max_power_kw, _floor_kw(max_power_kw))


def _floor_kw(max_power_kw: float) -> float:
    if max_power_kw <= ONE_PHASE_MAX_KW:
        return ONE_PHASE_FLOOR_KW
    if max_power_kw <= THREE_PHASE_MAX_KW:
        return THREE_PHASE_FLOOR_KW
    return DC_FLOOR_KW
