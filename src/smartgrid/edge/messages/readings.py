"""Meter values of chargers as readings.

One element of `meterValue` is one moment: one Reading. What chargers do to it, and what is made of it:

* no measurand is `Energy.Active.Import.Register`; no unit is Wh, W, A, V; 2.x has a power of ten as well;
* a charger that means what it gives to the car says Export: it counts where there is no Import of the same;
* a total that is not told is the sum of its phases; power that is not told at all is that of currents and voltages;
* a phase is told as L1, L1-N or L1-L2 (then the voltage is between two phases);
* voltages below 50 V are placeholders of phases that are not there.

A value that is no number, or beyond all that a charging station can have, is as if it had not been told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from smartgrid.edge.limits.amps import NOMINAL_V
from smartgrid.edge.messages.charger_clock import ChargerClock, parse_time
from smartgrid.edge.messages.lenient import integer, items, mapping, number, text
from smartgrid.edge.ports import Heard, Reading
from smartgrid.protocol.offers import MAX_CHARGER_KW

ENERGY = "Energy.Active.Import.Register"
_LEAST_V, _MOST_V = 50.0, 1500.0
_MOST_A = 2000.0
_MOST_KWH = 1e9
_PHASES = {"L1": 0, "L2": 1, "L3": 2, "L1-N": 0, "L2-N": 1, "L3-N": 2, "L1-L2": 0, "L2-L3": 1, "L3-L1": 2}
_BETWEEN_PHASES = frozenset({"L1-L2", "L2-L3", "L3-L1"})
_OF_THE_CAR = frozenset({"BODY", "EV"})
_TOTAL = None
_SIGNED = "SignedData"
_Phases = tuple[float | None, float | None, float | None]
_NONE: _Phases = (None, None, None)


def readings(meter_values: Any, clock: ChargerClock, received_s: float) -> list[Reading]:
    """All moments that `meterValue` of either version tells, oldest first."""
    found = []
    for moment in items(meter_values):
        told_s = parse_time(moment.get("timestamp"))
        clock.told(told_s, received_s)
        heard = Heard(received_s, told_s)
        reading = _reading(moment, clock.right(told_s, received_s), clock.is_late(told_s, received_s), heard)
        if reading is not None:
            found.append(reading)
    return sorted(found, key=lambda reading: reading.wall_s)


def _reading(moment: Mapping[str, Any], wall_s: float, is_late: bool, heard: Heard) -> Reading | None:
    samples = _Samples(moment.get("sampledValue"))
    currents = samples.by_phase("Current.Import", _MOST_A)
    voltages = samples.by_phase("Voltage", _MOST_V, least=_LEAST_V)
    power_kw = samples.total("Power.Active.Import", MAX_CHARGER_KW)
    if power_kw is None:
        power_kw = _power_of(currents, voltages)
    energy_kwh = samples.total(ENERGY, _MOST_KWH)
    offered_a = samples.total("Current.Offered", _MOST_A, is_sum=False)
    if energy_kwh is None and power_kw is None and offered_a is None and currents == voltages == _NONE:
        return None
    is_overall = currents[0] is not None and samples.is_overall("Current.Import")
    return Reading(wall_s, energy_kwh, power_kw, currents, voltages, offered_a, is_late, is_overall, heard)


def _power_of(currents: _Phases, voltages: _Phases) -> float | None:
    """Only where currents are told by phase: one current alone may be of one phase or of each."""
    if sum(a is not None for a in currents) < 2:
        return None
    power_kw = sum(a * (v or NOMINAL_V) for a, v in zip(currents, voltages, strict=True) if a is not None) / 1000
    return power_kw if power_kw <= MAX_CHARGER_KW else None


class _Samples:
    """The samples of one moment: by measurand, then by phase, in kWh, kW, A, V."""

    def __init__(self, sampled: Any) -> None:
        self._found: dict[str, dict[int | None, float]] = {}
        for sample in items(sampled, 200):
            value, meaning = number(sample.get("value")), _meaning_of(sample)
            if value is None or meaning is None:
                continue
            measurand, phase, factor, is_of_inlet = meaning
            values = self._found.setdefault(measurand, {})
            if not is_of_inlet or phase not in values:  # the outlet's is the car's
                values[phase] = value * factor

    def total(self, measurand: str, most: float, *, is_sum: bool = True) -> float | None:
        """Of all phases: as told, else their sum (or the greatest of them)."""
        told = self._values(measurand)
        overall = told.get(_TOTAL)
        if overall is not None and abs(overall) <= most:
            return max(0.0, overall)
        values = [value for phase, value in told.items() if phase is not _TOTAL and abs(value) <= most]
        if not values:
            return None
        found = max(0.0, sum(values) if is_sum else max(values))
        return found if found <= most else None

    def by_phase(self, measurand: str, most: float, least: float = 0.0) -> _Phases:
        """As told by phase; what is told without a phase is of the first."""
        told = self._values(measurand)
        first = told[_TOTAL] if told.keys() == {_TOTAL} else told.get(0)
        return _within(first, least, most), _within(told.get(1), least, most), _within(told.get(2), least, most)

    def is_overall(self, measurand: str) -> bool:
        """Whether it was told without a phase only."""
        return set(self._values(measurand)) == {_TOTAL}

    def _values(self, measurand: str) -> dict[int | None, float]:
        found = self._found.get(measurand)
        return found if found is not None else self._found.get(measurand.replace("Import", "Export"), {})


def _within(value: float | None, least: float, most: float) -> float | None:
    return abs(value) if value is not None and least <= abs(value) <= most else None


class _Meaning(NamedTuple):
    """Of a sample, by all of it but its value, which is to be multiplied for kWh, kW, A or V."""

    measurand: str
    phase: int | None
    factor: float
    is_of_inlet: bool


def _meaning_of(sample: Mapping[str, Any]) -> _Meaning | None:
    """None where it is of the car, of N, or of what no one knows, and where it is signed data and no number."""
    get, of_2x = sample.get, sample.get("unitOfMeasure")
    if of_2x is None:
        unit, power_of_ten = get("unit"), 0
    else:
        of_2x = mapping(of_2x)
        unit, power_of_ten = of_2x.get("unit"), integer(of_2x.get("multiplier")) or 0
    try:
        return _meaning(get("measurand"), get("phase"), get("location"), get("format"), unit, power_of_ten)
    except TypeError:  # a list or an object in place of a text
        told = (text(get(name)) for name in ("measurand", "phase", "location", "format"))
        return _meaning(*told, text(unit), power_of_ten)


@lru_cache(256, typed=True)
def _meaning(
    told_measurand: Any, told_phase: Any, told_location: Any, form: Any, unit: Any, power_of_ten: int
) -> _Meaning | None:
    """Kept, as chargers say the same again and again; at the worst what is kept are texts as long as 256 messages."""
    measurand, phase, location = text(told_measurand) or ENERGY, text(told_phase).upper(), text(told_location)
    if location.upper() in _OF_THE_CAR or (phase and phase not in _PHASES) or text(form) == _SIGNED:
        return None
    factor = _factor(measurand, text(unit), power_of_ten)
    if phase in _BETWEEN_PHASES and measurand == "Voltage":
        factor /= math.sqrt(3)
    return _Meaning(measurand, _PHASES[phase] if phase else _TOTAL, factor, location == "Inlet")


def _factor(measurand: str, unit: str, power_of_ten: int) -> float:
    """From what is told to kWh, kW, A, V."""
    factor = 10.0 ** max(-12, min(12, power_of_ten))
    is_in_kilo = measurand.startswith(("Energy", "Power"))
    if unit.lower().startswith("k"):
        return factor if is_in_kilo else factor * 1000
    if unit.lower() in {"ma", "mv"}:
        return factor / 1000
    return factor / 1000 if is_in_kilo else factor
