"""The substation's file: SQLite with a write-ahead log, one writer."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from smartgrid.runtime.start_error import StartError
from smartgrid.substation.record import Record

APPLICATION_ID = 0x534D4752  # "SMGR": tells our files from other programs'
SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 5.0
SQLITE_MAGIC = b"SQLite format 3\0"
_COLUMNS = ", ".join(field.name for field in fields(Record))
_row = attrgetter(*(field.name for field in fields(Record)))  # dataclasses.astuple copies deeply: a quarter of a charge
_SCHEMA = f"""
CREATE TABLE meta (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), capacity_kw REAL NOT NULL, configured_kw REAL,
                   revision INTEGER NOT NULL, metered_wall_s REAL NOT NULL, alive_wall_s REAL NOT NULL);
CREATE TABLE session (seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE,
                      idempotency_key TEXT UNIQUE, vehicle_id TEXT NOT NULL, energy_kwh REAL NOT NULL,
                      min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
                      started_wall_s REAL NOT NULL, state TEXT NOT NULL, power_kw REAL NOT NULL,
                      delivered_kwh REAL NOT NULL, ended_wall_s REAL, end_reason TEXT, attempt INTEGER NOT NULL);
CREATE INDEX session_active ON session (seq) WHERE ended_wall_s IS NULL;
CREATE TABLE voided_key (idempotency_key TEXT PRIMARY KEY, before_attempt INTEGER NOT NULL, voided_wall_s REAL NOT NULL)
    WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
# All rows in one statement: each one lets go of the interpreter, and gets it back only in turn with the busy threads.
_UPSERT = f"""
INSERT INTO session ({_COLUMNS}) SELECT {", ".join(f"value ->> {i}" for i in range(len(fields(Record))))}
FROM json_each(?) WHERE true ON CONFLICT (session_id) DO UPDATE
SET state = excluded.state, power_kw = excluded.power_kw,
    delivered_kwh = excluded.delivered_kwh, ended_wall_s = excluded.ended_wall_s, end_reason = excluded.end_reason
"""
_VOID = """
INSERT INTO voided_key VALUES (?, ?, ?) ON CONFLICT (idempotency_key) DO UPDATE
SET before_attempt = max(before_attempt, excluded.before_attempt), voided_wall_s = excluded.voided_wall_s
"""


class StoreError(StartError):
    """The file cannot be used; the message says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the substation is, besides its sessions.

    `configured_kw` is the capacity that its settings gave at the last start, None if they gave none. Sessions stand as
    of `metered_wall_s`; the substation was alive until `alive_wall_s` at least.
    """

    capacity_kw: float
    configured_kw: float | None
    revision: int
    metered_wall_s: float
    alive_wall_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit writes.

    `voided_keys` are keys, refused before which attempt, and when; `detached` are sessions whose keys were voided;
    `adopted` are the latest attempts of sessions, and the sessions.
    """

    meta: Meta
    records: Sequence[Record]
    voided_keys: Sequence[tuple[str, int, float]] = ()
    detached: Sequence[str] = ()
    adopted: Sequence[tuple[int, str]] = ()


_meta_row = attrgetter(*(field.name for field in fields(Meta)))


class Store:
    """Raises StoreError for a file that is damaged, foreign, newer than this program, or in use by another process."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "substation.db"
        self._lock_fd = _lock_folder(data_dir)
        try:
            self._writer = _open(self.path)
            self._reader = _connect(self.path)
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._read_lock = threading.Lock()

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
        os.close(self._lock_fd)

    def meta(self) -> Meta | None:
        """None in a new file."""
        rows = self._read("SELECT capacity_kw, configured_kw, revision, metered_wall_s, alive_wall_s FROM meta")
        return Meta(*rows[0]) if rows else None

    def active(self) -> list[Record]:
        """The sessions that have not ended, oldest first."""
        return [
            Record(*row)
            for row in self._read(f"SELECT {_COLUMNS} FROM session WHERE ended_wall_s IS NULL ORDER BY seq")
        ]

    def find(self, session_id: str) -> Record | None:
        return self._one("session_id = ?", session_id)

    def find_key(self, idempotency_key: str) -> Record | None:
        return self._one("idempotency_key = ?", idempotency_key)

    def voided_before(self, idempotency_key: str) -> int:
        """Attempts with lower numbers are refused; 0 for a key that has not been voided."""
        rows = self._read("SELECT before_attempt FROM voided_key WHERE idempotency_key = ?", idempotency_key)
        return int(rows[0][0]) if rows else 0

    def page(self, limit: int, before_seq: int | None, active: bool | None) -> list[tuple[int, Record]]:
        """Up to `limit` sessions with their sequence numbers, newest first, from before `before_seq`."""
        wanted = {None: "1", True: "ended_wall_s IS NULL", False: "ended_wall_s IS NOT NULL"}[active]
        rows = self._read(
            f"SELECT seq, {_COLUMNS} FROM session WHERE seq < ? AND {wanted} ORDER BY seq DESC LIMIT ?",
            before_seq if before_seq is not None else 2**62,
            limit,
        )
        return [(row[0], Record(*row[1:])) for row in rows]

    def commit(self, batch: Batch) -> None:
        """Write all of it or nothing, and only return once it is on the disk.

        Raises sqlite3.Error, with nothing written.
        """
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            if batch.detached:  # first, so that a new session can have the key
                sessions = [(session_id,) for session_id in batch.detached]
                self._writer.executemany("UPDATE session SET idempotency_key = NULL WHERE session_id = ?", sessions)
            if batch.records:
                self._writer.execute(_UPSERT, (to_json([_row(record) for record in batch.records]).decode(),))
            if batch.voided_keys:
                self._writer.executemany(_VOID, batch.voided_keys)
            if batch.adopted:
                self._writer.executemany("UPDATE session SET attempt = ? WHERE session_id = ?", batch.adopted)
            self._writer.execute("INSERT OR REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?)", _meta_row(batch.meta))

    def touch(self, alive_wall_s: float) -> None:
        """Note that the substation is alive. Raises sqlite3.Error."""
        with self._writer:
            self._writer.execute("UPDATE meta SET alive_wall_s = ?", (alive_wall_s,))

    def prune(self, keep_ended: int, voided_before_wall_s: float) -> None:
        """Forget the oldest ended sessions beyond `keep_ended`, and old voided keys."""
        with self._writer:
            self._writer.execute(
                "DELETE FROM session WHERE ended_wall_s IS NOT NULL AND seq <= "
                "(SELECT seq FROM session WHERE ended_wall_s IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (keep_ended,),
            )
            self._writer.execute("DELETE FROM voided_key WHERE voided_wall_s < ?", (voided_before_wall_s,))

    def _one(self, condition: str, value: str) -> Record | None:
        rows = self._read(f"SELECT {_COLUMNS} FROM session WHERE {condition}", value)
        return Record(*rows[0]) if rows else None

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()


def _lock_folder(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
        if path.exists():
            _check(path)
        return _prepared(_connect(path))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreError(_refusal(path, f"is damaged or no database ({error})")) from error
        raise StoreError(f"{path} cannot be opened: {error}") from error


def _connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None, uri=True)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        if _is_new(connection):
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path) -> None:
    """Refuse a file that is not ours or not whole; it is opened for reading, as closing it would merge its log."""
    if path.is_file() and _first_bytes(path, len(SQLITE_MAGIC)) not in (b"", SQLITE_MAGIC):
        raise StoreError(_refusal(path, "is damaged or no database"))  # SQLite might believe its log instead
    with closing(_connect(path, "ro")) as connection:
        _check_contents(connection, path)


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _check_contents(connection: sqlite3.Connection, path: Path) -> None:
    if _is_new(connection):
        return
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(_refusal(path, "is a database of another program"))
    if _pragma(connection, "user_version") != SCHEMA_VERSION:
        raise StoreError(
            _refusal(path, f"has schema {_pragma(connection, 'user_version')}, and this is {SCHEMA_VERSION}")
        )
    with closing(connection.execute("PRAGMA quick_check(1)")) as found:
        verdict = " ".join(found.fetchone()[0].split())
    if verdict != "ok":
        raise StoreError(_refusal(path, f"is damaged ({verdict})"))


def _is_new(connection: sqlite3.Connection) -> bool:
    tables: Iterable[object] = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    return not tables and _pragma(connection, "application_id") == 0 and _pragma(connection, "user_version") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _refusal(path: Path, why: str) -> str:
    return f"{path} {why}; nothing was changed. Restore it from a backup, or move it away to begin anew"
