"""Reads recorded charging sessions in the columns of ACN-Data."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smartgrid.cli.trace_file import open_trace
from smartgrid.loadtest.cars import Car

GARAGE_MAX_POWER_KW = 6.6
"""The chargers of the recorded garages are Level 2, 6.6 kW."""

MAX_ENERGY_KWH = 500.0
"""What the gateway accepts in one request."""

ENERGY_COLUMN = "delivered_energy (kWh)"
COLUMNS = ("arrival", "departure", "requested_energy (kWh)", ENERGY_COLUMN)


class TraceError(ValueError):
    """The file cannot be replayed; the message is one sentence for the user."""


class UnusableRowError(ValueError):
    """A row that no car could have made; the message is the reason, in a few words."""


@dataclass(frozen=True)
class TracedSession:
    """One recorded session: when the car came, how long it stayed, and what it took."""

    arrival: datetime
    parked_s: float
    car: Car


@dataclass(frozen=True)
class Trace:
    """The usable sessions in order of arrival, and how many rows were skipped for which reason."""

    sessions: tuple[TracedSession, ...]
    skipped: Mapping[str, int]


def read_trace(path: Path) -> Trace:
    """The sessions of a `.csv` or `.csv.gz` file. Raises TraceError with what is wrong with the file."""
    with open_trace(path, TraceError) as text:
        reader = csv.DictReader(text)
        _require_columns(path, reader.fieldnames)
        trace = trace_of(reader)
    if not trace.sessions:
        raise TraceError(f"Trace file {path} has no usable session: {describe_skipped(trace.skipped) or 'no rows'}.")
    return trace


def trace_of(rows: Iterable[Mapping[str, str | None]]) -> Trace:
    """The sessions that the rows of a trace stand for."""
    sessions: list[TracedSession] = []
    skipped: Counter[str] = Counter()
    for number, row in enumerate(rows):
        try:
            sessions.append(session_of(row, number))
        except UnusableRowError as reason:
            skipped[str(reason)] += 1
    return Trace(tuple(sorted(sessions, key=lambda session: session.arrival)), dict(skipped))


def session_of(row: Mapping[str, str | None], number: int) -> TracedSession:
    """The session of one row. Raises UnusableRowError if no car could have made it."""
    arrival, departure = _time(row, "arrival"), _time(row, "departure")
    parked_s = (departure - arrival).total_seconds()
    if parked_s <= 0:
        raise UnusableRowError("departure not after arrival")
    return TracedSession(arrival, parked_s, Car(f"ACN-{number}", _energy_kwh(row), GARAGE_MAX_POWER_KW))


def describe_skipped(skipped: Mapping[str, int]) -> str:
    """For example `2 rows skipped (2 x departure not after arrival)`; empty if none was."""
    if not skipped:
        return ""
    total = sum(skipped.values())
    reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(skipped.items()))
    return f"{total} row{'s' if total != 1 else ''} skipped ({reasons})"


def _time(row: Mapping[str, str | None], column: str) -> datetime:
    try:
        time = datetime.fromisoformat(row[column] or "")
    except ValueError:
        raise UnusableRowError(f"{column} is not a time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _energy_kwh(row: Mapping[str, str | None]) -> float:
    try:
        energy_kwh = float(row[ENERGY_COLUMN] or "")
    except ValueError:
        raise UnusableRowError("delivered energy is not a number") from None
    if not math.isfinite(energy_kwh) or energy_kwh <= 0:
        raise UnusableRowError("no energy delivered")
    if energy_kwh > MAX_ENERGY_KWH:
        raise UnusableRowError(f"more than {MAX_ENERGY_KWH:g} kWh")
    return energy_kwh


def _require_columns(path: Path, header: Iterable[str] | None) -> None:
    if not header:
        raise TraceError(f"Trace file {path} is empty; it needs a header row with the columns {', '.join(COLUMNS)}.")
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise TraceError(f"Trace file {path} has no column {' and no column '.join(map(repr, missing))}.")
