"""Kilowatts, amperes and watts. A limit is always rounded down, and nothing below 6 A is one: a car then has 0."""

from __future__ import annotations

import math

from smartgrid.edge.ports import RateUnit

NOMINAL_V = 230.0
LEAST_V, MOST_V = 207.0, 253.0
"""What a line-neutral voltage may be (EN 50160: 230 V, a tenth up or down). A meter that says something else errs."""
MINIMUM_A = 6.0
"""The least current that a charger can offer a car (IEC 61851)."""
VOLTAGE_STEP_V = 2.0
VOLTAGE_FALL_V = 5.0
_ROUNDING = 1e-6
"""Added before rounding down, in steps: 4.14 kW are 6 A of three phases, and 5.999999999999999 as a float."""
_TENTH = 0.1


def limit(
    power_kw: float,
    unit: RateUnit,
    voltage_v: float,
    phases: int,
    rating_a: float,
    minimum_a: float,
    *,
    is_divided: bool = False,
) -> float:
    """The greatest limit that draws no more than `power_kw`: in tenths of an ampere for each phase, or in whole watts.

    0 where that is less than `minimum_a`; never above what is built in. `is_divided`: only tenths that are `divisible`.
    """
    tenths = math.floor(10_000 * max(power_kw, 0.0) / (voltage_v * phases) + _ROUNDING)
    while is_divided and not divisible(tenths / 10):
        tenths -= 1
    in_a = min(tenths / 10, rating_a)
    if in_a < minimum_a:
        return 0.0
    if unit is RateUnit.AMPERES:
        return in_a
    return float(math.floor(min(1_000 * power_kw, rating_a * voltage_v * phases) + _ROUNDING))


def divisible(current_a: float) -> bool:
    """Whether a program finds this a multiple of 0.1 that divides to see it, as many do (Ajv, Python's jsonschema).

    OCPP 1.6 wants limits to be multiples of 0.1, and 10.7 / 0.1 is 106.99999999999999: a third of all tenths fail so.
    """
    return (current_a / _TENTH).is_integer()


def of_current(current_a: float, unit: RateUnit, voltage_v: float, phases: int) -> float:
    """This current as a limit in the unit of a charger."""
    if unit is RateUnit.AMPERES:
        return current_a
    return float(math.floor(current_a * voltage_v * phases + _ROUNDING))


def to_kw(limit_value: float, unit: RateUnit, voltage_v: float, phases: int) -> float:
    """What a limit lets flow at the most."""
    return limit_value / 1_000 * (voltage_v * phases if unit is RateUnit.AMPERES else 1.0)


def to_amperes(limit_value: float, unit: RateUnit, voltage_v: float, phases: int) -> float:
    """What a limit is on each phase."""
    return limit_value if unit is RateUnit.AMPERES else limit_value / (voltage_v * phases)


def nominal_kw(current_a: float, phases: int) -> float:
    """What a current on each of so many phases is, at the nominal voltage."""
    return current_a * NOMINAL_V * phases / 1_000


class Voltage:
    """The voltage to reckon with: the metered one, never less than it, and steady.

    It rises at once to the next step above what is metered, so that the amperes written never draw more than offered,
    and falls only when the meter is clearly below: each change of it writes a profile.
    """

    __slots__ = ("_metered", "assumed_v")

    def __init__(self) -> None:
        self._metered = False
        self.assumed_v = NOMINAL_V

    def measured(self, voltages_v: tuple[float | None, ...]) -> bool:
        """Returns whether another one is reckoned with now."""
        plausible = [v for v in voltages_v if v is not None and LEAST_V <= v <= MOST_V]
        if not plausible:
            return False
        before_v, highest_v = self.assumed_v, max(plausible)
        if not self._metered or highest_v > self.assumed_v or highest_v < self.assumed_v - VOLTAGE_FALL_V:
            self.assumed_v = min(VOLTAGE_STEP_V * math.ceil(highest_v / VOLTAGE_STEP_V), MOST_V)
        self._metered = True
        return self.assumed_v != before_v
