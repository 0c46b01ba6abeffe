"""The inbox's file: SQLite with a write-ahead log, one row a transaction.

`inbox` decides what is written and when; this is how. A row is a transaction as it was when it was kept, whole: the
columns are the fields of `Transaction` that outlive the process, in their order, and a later row of the same key
replaces the earlier one. So the file is no log that grows: it has all transactions that are open or not delivered, and
those that were closed within a week, for whoever looks into it.

Rows are made in the event loop (`row_of`, which copies) and written in the inbox's thread, all that have come meanwhile
in one transaction of SQLite. `synchronous = FULL` makes that one fsync, after which chargers may be answered. The file
is locked for as long as it is open: a second edge with the same data directory does not start.

What the row does not have begins anew (`told_wall_s`, the counts of changes, what was only presumed); how much energy
is believable (`energy_bound`) goes on from the last reading that is in the row.

A file of another program, or of a newer version, is refused in one sentence and left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from smartgrid.edge.ports import CarState, ChargerId
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.runtime.private_file import keep_private
from smartgrid.runtime.sqlite_file import closed_if_refused
from smartgrid.runtime.start_error import StartError

APPLICATION_ID = 0x53474542  # "SGEB"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0
KEPT_S = 7 * 86400.0
"""How long a transaction that is closed stays in the file, for whoever looks into it."""
_COLUMNS = (
    ("key", "TEXT PRIMARY KEY"),
    ("substation", "TEXT NOT NULL"),
    ("charger", "TEXT NOT NULL"),
    ("connector", "INTEGER NOT NULL"),
    ("transaction_id", "TEXT NOT NULL"),
    ("vehicle_id", "TEXT NOT NULL"),
    ("started_wall_s", "REAL NOT NULL"),
    ("start_kwh", "REAL"),
    ("session_id", "TEXT NOT NULL"),
    ("is_authorized", "INTEGER NOT NULL"),
    ("is_plugged", "INTEGER NOT NULL"),
    ("is_refused", "INTEGER NOT NULL"),
    ("is_orphan", "INTEGER NOT NULL"),
    ("energy_kwh", "REAL"),
    ("measured_wall_s", "REAL"),
    ("is_session_register", "INTEGER NOT NULL"),
    ("seq_no", "INTEGER NOT NULL"),
    ("car", "TEXT"),
    ("ended_wall_s", "REAL"),
    ("reason", "TEXT NOT NULL"),
    ("is_end_delivered", "INTEGER NOT NULL"),
    ("is_closed", "INTEGER NOT NULL"),
    ("written_wall_s", "REAL NOT NULL"),
)
_CREATE = (
    f"CREATE TABLE transactions ({', '.join(' '.join(column) for column in _COLUMNS)}) WITHOUT ROWID",
    "CREATE INDEX open_transactions ON transactions (written_wall_s) WHERE NOT is_closed",
    "CREATE INDEX closed_transactions ON transactions (written_wall_s) WHERE is_closed",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_REPLACE = f"INSERT OR REPLACE INTO transactions VALUES ({', '.join('?' * len(_COLUMNS))})"
Row = tuple[object, ...]


def row_of(transaction: Transaction, wall_s: float) -> Row:
    """As it is now; later changes of the transaction do not change it."""
    t = transaction
    return (
        t.key,
        t.charger.substation,
        t.charger.charger,
        t.connector,
        t.transaction_id,
        t.vehicle_id,
        t.started_wall_s,
        t.start_kwh,
        t.session_id,
        t.is_authorized,
        t.is_plugged,
        t.is_refused,
        t.is_orphan,
        t.energy_kwh,
        t.measured_wall_s,
        t.is_session_register,
        t.seq_no,
        None if t.car is None else t.car.value,
        t.ended_wall_s,
        t.reason,
        t.is_end_delivered,
        t.is_closed,
        wall_s,
    )


def transaction_of(row: Sequence[object]) -> Transaction:
    """What `row_of` made of it."""
    key, substation, charger, *middle = row[: len(_COLUMNS) - 2]
    values: list[object] = [key, ChargerId(str(substation), str(charger)), *middle]
    for place in (8, 9, 10, 11, 14, 19):
        values[place] = bool(values[place])
    values[16] = None if values[16] is None else CarState(str(values[16]))
    found = Transaction(*values)  # type: ignore[arg-type]  # the columns are its fields, in their order
    if found.measured_wall_s is not None and found.energy_kwh is not None:
        found.bound.resume(found.measured_wall_s, found.energy_kwh)
    return found


class InboxFile:
    """Raises StartError where it cannot be used. Written by one thread; what it raises then is sqlite3.Error."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "inbox.db"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            keep_private(self.path)
            self._file = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
            )
            with closed_if_refused(self._file):
                self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StartError(f"{self.path} cannot be used as an edge's inbox: {error}") from error

    def _prepare(self) -> None:
        execute = self._file.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA journal_mode = WAL")
        found = execute("PRAGMA application_id").fetchone()[0], execute("PRAGMA user_version").fetchone()[0]
        if found == (0, 0):
            for statement in ("BEGIN IMMEDIATE", *_CREATE, "COMMIT"):
                execute(statement)
        elif found != (APPLICATION_ID, SCHEMA_VERSION):
            raise StartError(
                f"{self.path} is of another program or of a newer version (schema {found[1]}; this one knows "
                f"{SCHEMA_VERSION}): give the edge a data directory of its own"
            )
        else:
            execute("BEGIN IMMEDIATE")
            execute("COMMIT")

    def load(self) -> list[Transaction]:
        """Those that are not closed, and the last few thousand that are, in the order of their starts."""
        last = "SELECT * FROM transactions WHERE is_closed ORDER BY written_wall_s DESC LIMIT 5000"
        rows = self._file.execute(f"SELECT * FROM transactions WHERE NOT is_closed UNION ALL SELECT * FROM ({last})")
        return sorted(map(transaction_of, rows), key=lambda found: found.started_wall_s)

    def write(self, rows: Sequence[Row], wall_s: float) -> None:
        """All or none; on the disk when it returns. What is closed since long goes."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._file.executemany(_REPLACE, rows)
            self._file.execute(
                "DELETE FROM transactions WHERE key IN (SELECT key FROM transactions WHERE is_closed "
                "AND written_wall_s < ? ORDER BY written_wall_s LIMIT 100)",
                (wall_s - KEPT_S,),
            )
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._file.close()
