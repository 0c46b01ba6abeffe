"""The substation's file: SQLite with a write-ahead log, one writer.

What is written is what was promised: starts, ends, numbers of tries, limits. Power and energy of the sessions follow
from it by replay (`recovery`) from a checkpoint, which holds what each had been delivered at one moment, up to the last
sign of life. So a commit costs the same with ten sessions and with ten thousand. Sessions with a charger are not
replayed, as their charger meters them: they are written as they are (`charger_rows`).

A commit is one transaction: all of a batch or nothing, on the disk when it returns. Readers have a connection of their
own, and in a write-ahead log wait for no writer. A folder is one process's: it is locked for as long as the store is
open. A file is looked at before it is used, read-only, so that one that is damaged, another program's or of a newer
version is refused just as it is; one of an older version is brought up to date in one transaction (`migrations`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from smartgrid.domain.session import SessionState
from smartgrid.domain.substation import Connectors
from smartgrid.protocol.keys import KEY_LIFE_S, MAX_KEYS
from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.private_file import OWNER_ONLY, keep_private
from smartgrid.runtime.sqlite_file import closed_if_refused
from smartgrid.runtime.start_error import StartError
from smartgrid.substation import charger_rows, migrations
from smartgrid.substation.charger_rows import CHARGER_COLUMNS, NO_CHANGES, ChargerChanges, ChargerRow
from smartgrid.substation.migrations import APPLICATION_ID, OLDEST_VERSION, SCHEMA_VERSION
from smartgrid.substation.record import COLUMNS, Record

BUSY_TIMEOUT_S = 5.0
SQLITE_MAGIC = b"SQLite format 3\0"
ROWS_A_STATEMENT = 500  # SQLite takes 32,766 values in one
_ALL = ", ".join(COLUMNS)
_CHANGING = (
    "number",
    "superseded_by",
    "min_power_kw",
    "max_power_kw",
    "leaves_wall_s",
    "joined_wall_s",
    "started_wall_s",
    "started_event",
    "delivered_kwh",
    "ended_wall_s",
    "ended_event",
    "end_reason",
    "wait_until_wall_s",
    "is_metered",
    "charger",
    "connector",
    "start_digest",
)
_EXPIRED = "max(ended_wall_s, CAST(number AS INTEGER) / 1e6) < ?"  # a number begins with the microseconds of its try


class StoreError(StartError):
    """The file cannot be used; the message says which file, why, and what to do."""


class KeyRow(NamedTuple):
    """What is remembered of the key of a session that has ended."""

    seq: int
    session_id: str
    key_digest: str
    number: str
    fingerprint: str
    superseded_by: str
    ended_wall_s: float
    owner: str | None
    charger: str | None
    connector: int | None
    start_digest: str | None


class CapacityChange(NamedTuple):
    """A new limit, or other power that is booked for chargers, in the order of all events."""

    event: int
    wall_s: float
    capacity_kw: float
    booked_kw: float = 0.0
    """In the file, here and of a checkpoint, the column `held_kw`."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where replay begins: what had happened up to `last_event` is in it.

    `delivered_kwh` is of the sessions that had not ended, by the numbers of their rows. `time_scale` is None where it
    was not written down. `configured_kw` is the capacity in the settings at the last start, None if they gave none.
    """

    last_event: int
    wall_s: float
    time_scale: float | None
    capacity_kw: float
    configured_kw: float | None
    delivered_kwh: dict[int, float]
    booked_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit writes.

    `records` are sessions that have joined the list, started or ended, whole; `marks` are number, `superseded_by` and
    row of sessions of which no more has changed. A sign of life is written where `alive_wall_s` is given.
    """

    records: Sequence[Record] = ()
    marks: Sequence[tuple[str, str, int]] = ()
    capacity_changes: Sequence[CapacityChange] = ()
    checkpoint: Checkpoint | None = None
    alive_wall_s: float | None = None
    chargers: ChargerChanges = NO_CHANGES


@dataclass(frozen=True, slots=True)
class Found:
    """All of a file that a substation begins with; `records` are those that replay needs, oldest first."""

    checkpoint: Checkpoint
    alive_wall_s: float
    records: Sequence[Record]
    capacity_changes: Sequence[CapacityChange]
    last_seq: int
    chargers: Sequence[ChargerRow] = ()
    connectors: Connectors | None = None


class Store:
    """Raises StoreError for a file that is damaged, foreign, newer than this program, or in use by another process."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "substation.db"
        self._lock_fd = _lock_folder(data_dir)
        try:
            with closed_if_refused(_open(self.path)) as self._writer:
                self._reader = _connect(self.path)
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._read_lock = threading.Lock()

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
        os.close(self._lock_fd)

    # ------------------------------------------------------------------ reading; all of it raises sqlite3.Error

    def load(self) -> Found | None:
        """What a substation begins with; None in a new file."""
        checkpoints = self._read(
            "SELECT last_event, wall_s, time_scale, capacity_kw, configured_kw, sessions, delivered_kwh, held_kw "
            "FROM checkpoint"
        )
        if not checkpoints:
            return None
        last_event, wall_s, time_scale, capacity_kw, configured_kw, sessions, delivered_kwh, booked_kw = checkpoints[0]
        delivered = dict(zip(array("q", sessions), array("d", delivered_kwh), strict=True))
        checkpoint = Checkpoint(last_event, wall_s, time_scale, capacity_kw, configured_kw, delivered, booked_kw)
        rows = self._read(
            f"SELECT {_ALL} FROM session WHERE ended_wall_s IS NULL OR ended_event > ? ORDER BY seq",
            checkpoint.last_event,
        )
        changes = self._read("SELECT event, wall_s, capacity_kw, held_kw FROM capacity_change ORDER BY event")
        last_seq = self._read("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'session'), 0)")
        alive = self._read("SELECT alive_wall_s FROM life")
        chargers = self._read(f"SELECT {', '.join(CHARGER_COLUMNS)} FROM charger_session ORDER BY seq")
        connectors = self._read("SELECT total, free FROM connectors")
        return Found(
            checkpoint,
            alive[0][0] if alive else checkpoint.wall_s,
            [Record(*row) for row in rows],
            [CapacityChange(*change) for change in changes],
            last_seq[0][0],
            [ChargerRow(*row) for row in chargers],
            Connectors(*connectors[0]) if connectors else None,
        )

    def load_keys(self, now_wall_s: float, key_life_s: float = KEY_LIFE_S) -> list[KeyRow]:
        """The keys of ended sessions that are still to be remembered, oldest first."""
        rows = self._read(
            f"SELECT {', '.join(KeyRow._fields)} FROM session WHERE ended_wall_s IS NOT NULL AND NOT {_EXPIRED} "
            "ORDER BY seq DESC LIMIT ?",
            now_wall_s - key_life_s,
            MAX_KEYS,
        )
        return [KeyRow(*row) for row in reversed(rows)]

    def find(self, session_id: str) -> Record | None:
        rows = self._read(f"SELECT {_ALL} FROM session WHERE session_id = ?", session_id)
        return Record(*rows[0]) if rows else None

    def page(
        self, limit: int, before_seq: int | None, state: SessionState | None, owner: str | None = None
    ) -> list[Record]:
        """Up to `limit` sessions, newest first, from before the row `before_seq`; only the owner's, if one is named.

        The file does not know which of the two states of a session that charges it is in: both are given for either.
        """
        whose, owners = ("", ()) if owner is None else (" AND owner = ?", (owner,))
        rows = self._read(
            f"SELECT {_ALL} FROM session WHERE seq < ?{_in_state(state)}{whose} ORDER BY seq DESC LIMIT ?",
            before_seq if before_seq is not None else 2**62,
            *owners,
            limit,
        )
        return [Record(*row) for row in rows]

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> None:
        """Write all of it or nothing, and only return once it is on the disk.

        Raises sqlite3.Error, with nothing written.
        """
        statements = _statements(batch)
        if len(statements) == 1:  # is a transaction by itself; each one more lets go of the interpreter once more
            self._writer.execute(*statements[0])
            return
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self._writer.execute(*statement)

    def prune(self, keep_ended: int, now_wall_s: float, key_life_s: float = KEY_LIFE_S) -> None:
        """Forget the oldest ended sessions beyond `keep_ended` whose keys need not be remembered any more."""
        beyond = (
            "ended_wall_s IS NOT NULL AND seq <= "
            "(SELECT seq FROM session WHERE ended_wall_s IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?)"
        )
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute(f"DELETE FROM session WHERE {beyond}", (max(keep_ended, MAX_KEYS),))
            expired_before_s = now_wall_s - key_life_s
            self._writer.execute(f"DELETE FROM session WHERE {beyond} AND {_EXPIRED}", (keep_ended, expired_before_s))

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()


def _in_state(state: SessionState | None) -> str:
    if state is None:
        return ""
    if state is SessionState.IDLE:
        return " AND ended_wall_s IS NOT NULL"
    begun = "NULL" if state is SessionState.WAITING else "NOT NULL"
    return f" AND ended_wall_s IS NULL AND started_wall_s IS {begun}"


def is_damage(error: Exception) -> bool:
    """Whether it says that the file is damaged, or no database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _statements(batch: Batch) -> list[tuple[str, Sequence[Any]]]:
    """The batch as SQL with its values, as few statements as can be."""
    found: list[tuple[str, Sequence[Any]]] = []
    for begin in range(0, len(batch.records), ROWS_A_STATEMENT):
        rows = batch.records[begin : begin + ROWS_A_STATEMENT]
        found.append((_upsert(len(rows)), [value for row in rows for value in row[: len(COLUMNS)]]))
    found += [("UPDATE session SET number = ?, superseded_by = ? WHERE seq = ?", mark) for mark in batch.marks]
    if batch.checkpoint is not None:
        found += [("DELETE FROM capacity_change", ()), _checkpoint(batch.checkpoint)]
    found += [("INSERT INTO capacity_change VALUES (?, ?, ?, ?)", change) for change in batch.capacity_changes]
    found += charger_rows.statements(batch.chargers)
    if batch.alive_wall_s is not None:
        found.append(("INSERT OR REPLACE INTO life VALUES (1, ?)", (batch.alive_wall_s,)))
    return found


@lru_cache
def _upsert(count: int) -> str:
    row = f"({', '.join('?' * len(COLUMNS))})"
    updates = ", ".join(f"{name} = excluded.{name}" for name in _CHANGING)
    return f"INSERT INTO session VALUES {', '.join([row] * count)} ON CONFLICT (seq) DO UPDATE SET {updates}"


def _checkpoint(checkpoint: Checkpoint) -> tuple[str, Sequence[Any]]:
    return (
        "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            checkpoint.last_event,
            checkpoint.wall_s,
            checkpoint.time_scale,
            checkpoint.capacity_kw,
            checkpoint.configured_kw,
            array("q", checkpoint.delivered_kwh.keys()).tobytes(),
            array("d", checkpoint.delivered_kwh.values()).tobytes(),
            checkpoint.booked_kw,
        ),
    )


def _lock_folder(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    except OSError as error:
        raise StoreError(f"the data directory {data_dir} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"the data directory {data_dir} is in use by another process; give each its own") from None
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    try:
        version = _check(path) if path.exists() else 0
        keep_private(path)
        return _prepared(_connect(path), version)
    except sqlite3.Error as error:
        if is_damage(error):
            raise StoreError(_refusal(path, f"is damaged or no database ({error})")) from error
        raise StoreError(f"{path} cannot be opened: {error}") from error


def _connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None, uri=True)
    with closed_if_refused(connection):
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def _prepared(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    with closed_if_refused(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        if version == 0:
            migrations.create(connection)
        else:
            migrations.migrate(connection, version)
    return connection


def _check(path: Path) -> int:
    """Refuse a file that is not ours or not whole; returns its version, 0 for an empty one.

    It is opened for reading, as closing it would merge its log.
    """
    if path.is_file() and first_bytes(path, len(SQLITE_MAGIC)) not in (b"", SQLITE_MAGIC):
        raise StoreError(_refusal(path, "is damaged or no database"))  # SQLite might believe its log instead
    with closing(_connect(path, "ro")) as connection:
        return _checked_version(connection, path)


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = _pragma(connection, "user_version")
    if _is_empty(connection) and version == 0:
        return 0
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(_refusal(path, "is a database of another program"))
    if version > SCHEMA_VERSION:
        raise StoreError(_refusal(path, f"has schema {version}, and this program knows {SCHEMA_VERSION} at the most"))
    if version < OLDEST_VERSION:
        raise StoreError(_refusal(path, f"has schema {version}, and this program knows {OLDEST_VERSION} at the least"))
    with closing(connection.execute("PRAGMA quick_check(1)")) as found:
        verdict = " ".join(found.fetchone()[0].split())
    if verdict != "ok":
        raise StoreError(_refusal(path, f"is damaged ({verdict})"))
    return version


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    return not tables and _pragma(connection, "application_id") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _refusal(path: Path, why: str) -> str:
    return f"{path} {why}; nothing was changed. Restore it from a backup, or move it away to begin anew"
