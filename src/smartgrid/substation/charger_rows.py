"""The open charger sessions on the disk: where they are plugged in, and what is booked for them.

They are not replayed but written down: what counts after a crash is what an edge may have been told. So every commit
writes all of them that have changed, and the file shows them as they were together at one moment: if one has been
offered more, the file also shows that another has given it up.

One number stands for the history of offers (`HeldPower`): `booked_kw`, the most that may be drawn by any of them.
Restored, a session is booked so for a whole lease, and numbers of offers go on with a jump (`NUMBERS_JUMP`), beyond all
that were given out since the last commit.

Three more things travel with a commit: sessions that are over, registers told after the end of a session, and how many
connectors there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smartgrid.domain.substation import Connectors

NUMBERS_JUMP = 2**20
"""Offers that were numbered after the last commit before a crash are fewer than this."""


class ChargerRow(NamedTuple):
    """One open session with a charger, by the number of its row in `session`; the columns of its table.

    `meter_kwh` is the charger's register at the start, `energy_kwh` what it has counted since. `is_stopping` is of one
    that has ended for all but its charger.
    """

    seq: int
    session_id: str
    vehicle_id: str
    charger: str
    connector: int
    transaction_id: str | None
    meter_kwh: float
    holder: str
    rating_kw: float
    fallback_kw: float
    booked_kw: float
    number: int
    offer_kw: float
    is_controlled: int
    ceiling_kw: float
    energy_kwh: float
    measured_wall_s: float | None
    is_stopping: int


CHARGER_COLUMNS = ChargerRow._fields
CREATE = """
CREATE TABLE charger_session (
    seq INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE, vehicle_id TEXT NOT NULL, charger TEXT NOT NULL,
    connector INTEGER NOT NULL, transaction_id TEXT, meter_kwh REAL NOT NULL, holder TEXT NOT NULL,
    rating_kw REAL NOT NULL, fallback_kw REAL NOT NULL, booked_kw REAL NOT NULL, number INTEGER NOT NULL,
    offer_kw REAL NOT NULL, is_controlled INTEGER NOT NULL, ceiling_kw REAL NOT NULL, energy_kwh REAL NOT NULL,
    measured_wall_s REAL, is_stopping INTEGER NOT NULL)
"""
CREATE_CONNECTORS = """
CREATE TABLE connectors (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), total INTEGER NOT NULL, free INTEGER NOT NULL)
"""
_WRITE = f"INSERT OR REPLACE INTO charger_session VALUES ({', '.join('?' * len(CHARGER_COLUMNS))})"


@dataclass(frozen=True, slots=True)
class ChargerChanges:
    """What a commit writes of chargers: sessions as they are, those that are over, what a meter said after the end of a
    session by its id, and the connectors if they have changed."""

    rows: Sequence[ChargerRow] = ()
    gone: Sequence[str] = ()
    energies_kwh: Sequence[tuple[float, str]] = ()
    connectors: Connectors | None = None

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone or self.energies_kwh or self.connectors)


NO_CHANGES = ChargerChanges()


def statements(changes: ChargerChanges) -> list[tuple[str, Sequence[Any]]]:
    """As SQL with its values."""
    found: list[tuple[str, Sequence[Any]]] = [(_WRITE, row) for row in changes.rows]
    found += [("DELETE FROM charger_session WHERE session_id = ?", (session_id,)) for session_id in changes.gone]
    found += [
        ("UPDATE session SET delivered_kwh = ? WHERE session_id = ? AND charger IS NOT NULL", energy)
        for energy in changes.energies_kwh
    ]
    if changes.connectors is not None:
        found.append(
            ("INSERT OR REPLACE INTO connectors VALUES (1, ?, ?)", (changes.connectors.total, changes.connectors.free))
        )
    return found
