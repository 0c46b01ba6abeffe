"""Reads recorded sessions: our own columns, or those of ACN-Data."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from smartgrid.cli.trace_file import open_trace
from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.domain.session import SECONDS_PER_HOUR
from smartgrid.simulation.workload import Car

OWN_COLUMNS = ("arrival_s", "energy_kwh", "max_power_kw", "min_power_kw", "departure_s")
ACN_COLUMNS = ("arrival", "departure", "delivered_energy (kWh)")
ACN_MAX_POWER_KW = 6.6  # the recorded garages have Level 2 chargers

Row = Mapping[str, str | None]


class TraceError(ValueError):
    """The trace cannot be simulated; the message is one sentence for the user."""


def read_trace(path: Path, flexible: bool | None = None) -> list[Car]:
    """The sessions of a `.csv` or `.csv.gz` file in order of arrival, the first at time 0.

    `flexible` overrides the minimum powers in the file: True for the default floors, False for rigid cars; None
    leaves them, and makes those of ACN-Data, which has none, flexible. Raises TraceError.
    """
    with open_trace(path, TraceError) as text:
        reader = csv.DictReader(text)
        read_row = _row_reader(path, reader.fieldnames or ())
        cars = [_read(path, reader.line_num, read_row, row, flexible) for row in reader]
    cars = [car for car in cars if car.request.energy_kwh > 0]
    if not cars:
        raise TraceError(f"{path} has no session that took energy.")
    return _from_zero(sorted(cars, key=lambda car: car.arrival_s))


def compress(cars: Sequence[Car], demand: float, capacity_kw: float) -> list[Car]:
    """The cars with their arrivals closer together (or wider apart): so that in the busiest hour they ask for `demand`
    times the energy that `capacity_kw` delivers in an hour. Their stays keep their lengths."""
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
    return [_moved(car, car.arrival_s * high) for car in cars]


def _busiest_hour_kwh(cars: Sequence[Car], factor: float) -> float:
    first, energy_kwh, most_kwh = 0, 0.0, 0.0
    for car in cars:
        energy_kwh += car.request.energy_kwh
        while (car.arrival_s - cars[first].arrival_s) * factor >= SECONDS_PER_HOUR:
            energy_kwh -= cars[first].request.energy_kwh
            first += 1
        most_kwh = max(most_kwh, energy_kwh)
    return most_kwh


def _from_zero(cars: Sequence[Car]) -> list[Car]:
    start_s = cars[0].arrival_s
    return [_moved(car, car.arrival_s - start_s) for car in cars]


def _moved(car: Car, arrival_s: float) -> Car:
    request = car.request
    departure_s = None if request.departure_s is None else request.departure_s - car.arrival_s + arrival_s
    return Car(arrival_s, ChargeRequest(request.vehicle_id, request.energy_kwh, request.power, departure_s))


def _row_reader(path: Path, header: Sequence[str]) -> Mapping[str, str]:
    """From our names to the columns of this file."""
    if set(OWN_COLUMNS) <= set(header):
        return {name: name for name in OWN_COLUMNS}
    if set(ACN_COLUMNS) <= set(header):
        return dict(zip(("arrival_s", "departure_s", "energy_kwh"), ACN_COLUMNS, strict=True))
    raise TraceError(
        f"{path} has neither the columns {', '.join(OWN_COLUMNS)} nor those of ACN-Data ({', '.join(ACN_COLUMNS)})."
    )


def _read(path: Path, line: int, columns: Mapping[str, str], row: Row, flexible: bool | None) -> Car:
    try:
        if columns["arrival_s"] in ACN_COLUMNS:
            return _acn_car(line, row, flexible)
        return _own_car(line, row, flexible)
    except ValueError as problem:
        raise TraceError(f"{path}, line {line}: {problem}.") from None


def _own_car(line: int, row: Row, flexible: bool | None) -> Car:
    arrival_s, energy_kwh = _number(row, "arrival_s"), _number(row, "energy_kwh")
    max_kw, min_kw = _number(row, "max_power_kw"), _number(row, "min_power_kw")
    departure_s = _number(row, "departure_s") if (row["departure_s"] or "").strip() else None
    if not 0 < min_kw <= max_kw:
        raise ValueError(f"min_power_kw ({min_kw:g}) must be above 0 and not above max_power_kw ({max_kw:g})")
    if energy_kwh < 0:
        raise ValueError(f"energy_kwh ({energy_kwh:g}) must not be negative")
    if departure_s is not None and departure_s <= arrival_s:
        raise ValueError(f"departure_s ({departure_s:g}) must be after arrival_s ({arrival_s:g})")
    return Car(arrival_s, ChargeRequest(f"car-{line}", energy_kwh, _range(min_kw, max_kw, flexible), departure_s))


def _acn_car(line: int, row: Row, flexible: bool | None) -> Car:
    arrival_s, departure_s = _timestamp_s(row, "arrival"), _timestamp_s(row, "departure")
    energy_kwh = _number(row, "delivered_energy (kWh)")
    if departure_s <= arrival_s:
        energy_kwh = 0.0  # a faulty record, as the real files have a few
    power = _range(default_min_power_kw(ACN_MAX_POWER_KW), ACN_MAX_POWER_KW, flexible)
    return Car(arrival_s, ChargeRequest(f"car-{line}", max(0.0, energy_kwh), power, departure_s))


def _range(min_kw: float, max_kw: float, flexible: bool | None) -> PowerRange:
    if flexible is None:
        return PowerRange(min_kw, max_kw)
    return PowerRange(default_min_power_kw(max_kw) if flexible else max_kw, max_kw)


def _number(row: Row, column: str) -> float:
    text = (row[column] or "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{column} is {text!r}, which is not a finite number")
    return number


def _timestamp_s(row: Row, column: str) -> float:
    text = (row[column] or "").strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{column} is {text!r}, which is not a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
