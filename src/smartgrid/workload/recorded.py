"""Recorded sessions as cars, from a `.csv` or `.csv.gz` file: in our own columns, or in those of ACN-Data.

What a driver asked for is what was really delivered. Real files have rows that no car can have made; they are skipped,
and counted by what is wrong with them. ACN-Data says nothing of powers: its garages have Level 2 chargers.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.domain.session import SECONDS_PER_HOUR
from smartgrid.workload.car import Car
from smartgrid.workload.trace_file import TraceError, open_trace

OWN_COLUMNS = ("arrival_s", "energy_kwh", "max_power_kw", "min_power_kw", "departure_s")
ACN_ENERGY = "delivered_energy (kWh)"
ACN_COLUMNS = ("arrival", "departure", ACN_ENERGY)
ACN_MAX_POWER_KW = 6.6
MAX_ENERGY_KWH = 500.0  # the most that a request may ask for

Row = Mapping[str, str | None]


class UnusableRowError(ValueError):
    """A row that no car can have made; the message is the reason, in a few words."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The usable sessions in order of arrival, the first at time 0; and by reason the lines that were skipped."""

    cars: Sequence[Car]
    skipped: Mapping[str, Sequence[int]]


def read_sessions(path: Path, flexible: bool | None = None) -> Recorded:
    """The sessions of a file.

    `flexible` overrides the minimum powers in the file: True for the default floors, False for rigid cars; None leaves
    them, and makes those of ACN-Data, which has none, flexible. Raises TraceError.
    """
    with open_trace(path) as text:
        reader = csv.DictReader(text)
        car_of = _car_reader(path, reader.fieldnames or ())
        recorded = _sessions(((reader.line_num, row) for row in reader), car_of, flexible)
    if not recorded.cars:
        raise TraceError(f"Trace file {path} has no usable session: {describe_skipped(recorded) or 'no rows'}.")
    return recorded


def describe_skipped(recorded: Recorded) -> str:
    """For example `2 rows skipped (2 x departure not after arrival, first in line 7)`; empty if none was."""
    if not recorded.skipped:
        return ""
    total = sum(map(len, recorded.skipped.values()))
    reasons = ", ".join(
        f"{len(lines)} x {reason}, {'first ' if len(lines) > 1 else ''}in line {lines[0]}"
        for reason, lines in sorted(recorded.skipped.items())
    )
    return f"{total} row{'s' if total != 1 else ''} skipped ({reasons})"


def sped_up(cars: Sequence[Car], factor: float) -> list[Car]:
    """The cars with all times divided by `factor`: arrivals and stays."""
    return [car.moved(car.arrival_s / factor, None if car.stay_s is None else car.stay_s / factor) for car in cars]


def compressed(cars: Sequence[Car], demand: float, capacity_kw: float) -> list[Car]:
    """The cars with their arrivals closer together (or wider apart): so that in the busiest hour they ask for `demand`
    times the energy that `capacity_kw` delivers in an hour. Their stays keep their lengths. Raises TraceError."""
    wanted_kwh = demand * capacity_kw
    if wanted_kwh > sum(car.request.energy_kwh for car in cars):
        raise TraceError(
            f"All sessions of the trace together ask for less than {wanted_kwh:.0f} kWh, the busiest hour."
        )
    low, high = 1e-6, 1e6  # factors on the arrivals; the energy of the busiest hour falls as they grow
    for _ in range(80):
        middle = math.sqrt(low * high)
        if _busiest_hour_kwh(cars, middle) > wanted_kwh:
            low = middle
        else:
            high = middle
    return [car.moved(car.arrival_s * high, car.stay_s) for car in cars]


def _busiest_hour_kwh(cars: Sequence[Car], factor: float) -> float:
    first, energy_kwh, most_kwh = 0, 0.0, 0.0
    for car in cars:
        energy_kwh += car.request.energy_kwh
        while (car.arrival_s - cars[first].arrival_s) * factor >= SECONDS_PER_HOUR:
            energy_kwh -= cars[first].request.energy_kwh
            first += 1
        most_kwh = max(most_kwh, energy_kwh)
    return most_kwh


CarReader = Callable[[str, Row, bool | None], Car]


def _sessions(rows: Iterable[tuple[int, Row]], car_of: CarReader, flexible: bool | None) -> Recorded:
    cars: list[Car] = []
    skipped: dict[str, list[int]] = {}
    for line, row in rows:
        try:
            cars.append(car_of(f"car-{line}", row, flexible))
        except UnusableRowError as reason:
            skipped.setdefault(str(reason), []).append(line)
    cars.sort(key=lambda car: car.arrival_s)
    return Recorded([car.moved(car.arrival_s - cars[0].arrival_s, car.stay_s) for car in cars], skipped)


def _car_reader(path: Path, header: Iterable[str]) -> CarReader:
    if set(OWN_COLUMNS) <= set(header):
        return _own_car
    if set(ACN_COLUMNS) <= set(header):
        return _acn_car
    raise TraceError(
        f"Trace file {path} has neither the columns {', '.join(OWN_COLUMNS)} nor those of ACN-Data "
        f"({', '.join(ACN_COLUMNS)})."
    )


def _own_car(vehicle_id: str, row: Row, flexible: bool | None) -> Car:
    arrival_s, energy_kwh = _number(row, "arrival_s"), _energy_kwh(row, "energy_kwh")
    max_kw, min_kw = _number(row, "max_power_kw"), _number(row, "min_power_kw")
    departure_s = _number(row, "departure_s") if (row["departure_s"] or "").strip() else None
    if not 0 < min_kw <= max_kw:
        raise UnusableRowError("min_power_kw not above 0, or above max_power_kw")
    return _car(vehicle_id, arrival_s, departure_s, energy_kwh, _range(min_kw, max_kw, flexible))


def _acn_car(vehicle_id: str, row: Row, flexible: bool | None) -> Car:
    arrival_s, departure_s = _timestamp_s(row, "arrival"), _timestamp_s(row, "departure")
    power = _range(default_min_power_kw(ACN_MAX_POWER_KW), ACN_MAX_POWER_KW, flexible)
    return _car(vehicle_id, arrival_s, departure_s, _energy_kwh(row, ACN_ENERGY), power)


def _car(vehicle_id: str, arrival_s: float, departure_s: float | None, energy_kwh: float, power: PowerRange) -> Car:
    if departure_s is not None and departure_s <= arrival_s:
        raise UnusableRowError("departure not after arrival")
    return Car(arrival_s, ChargeRequest(vehicle_id, energy_kwh, power, departure_s))


def _range(min_kw: float, max_kw: float, flexible: bool | None) -> PowerRange:
    if flexible is None:
        return PowerRange(min_kw, max_kw)
    return PowerRange(default_min_power_kw(max_kw) if flexible else max_kw, max_kw)


def _energy_kwh(row: Row, column: str) -> float:
    energy_kwh = _number(row, column)
    if energy_kwh <= 0:
        raise UnusableRowError("no energy")
    if energy_kwh > MAX_ENERGY_KWH:
        raise UnusableRowError(f"more than {MAX_ENERGY_KWH:g} kWh")
    return energy_kwh


def _number(row: Row, column: str) -> float:
    try:
        number = float(row[column] or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnusableRowError(f"{column} is not a number")
    return number


def _timestamp_s(row: Row, column: str) -> float:
    try:
        moment = datetime.fromisoformat((row[column] or "").strip())
    except ValueError:
        raise UnusableRowError(f"{column} is not a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
