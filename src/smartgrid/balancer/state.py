"""What a balancer keeps over restarts: registrations by hand, and the attempts that it still has to void."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

from smartgrid.balancer.discovery import Member
from smartgrid.runtime.start_error import StartError

APPLICATION_ID = 0x534D4742  # "SMGB"
SCHEMA_VERSION = 2
MAX_VOIDS = 100_000
VOID_LIFE_S = 7 * 86400.0
PRUNE_EVERY = 1000
_SCHEMA = f"""
BEGIN;
CREATE TABLE registration (url TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE void (name TEXT NOT NULL, key TEXT NOT NULL, before_attempt INTEGER NOT NULL, since_wall_s REAL NOT NULL,
                   PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE INDEX void_since ON void (since_wall_s);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_ADD_VOID = """
INSERT INTO void VALUES (?, ?, ?, ?) ON CONFLICT (name, key) DO UPDATE
SET before_attempt = max(before_attempt, excluded.before_attempt)
"""


class State:
    """A small SQLite file. Thread-safe.

    It survives a kill of the process; a power failure may cost the last moments (no fsync: a void is written while a
    car waits). Raises StartError for a file that is damaged or another program's.
    """

    def __init__(self, data_dir: Path) -> None:
        self._lock = threading.Lock()
        self._added = 0
        path = data_dir / "balancer.db"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, check_same_thread=False, isolation_level=None)
            _check(self._db, path)
        except (OSError, sqlite3.Error) as error:
            raise StartError(
                f"{path} cannot be used ({error}); nothing was changed. Move it away to begin anew"
            ) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def registrations(self) -> frozenset[Member]:
        with self._lock:
            return frozenset(Member(name, url) for url, name in self._db.execute("SELECT url, name FROM registration"))

    def register(self, member: Member) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO registration VALUES (?, ?)", (member.url, member.name))

    def unregister(self, url: str) -> bool:
        """Whether it was there."""
        with self._lock:
            return self._db.execute("DELETE FROM registration WHERE url = ?", (url,)).rowcount > 0

    def add_void(self, name: str, key: str, before: int) -> None:
        """Remember to void the attempts with `key` at `name` before this one.

        The oldest are dropped beyond a bound that only a disaster reaches.
        """
        with self._lock:
            self._db.execute(_ADD_VOID, (name, key, before, time.time()))
            self._added += 1
            if self._added % PRUNE_EVERY == 0:
                self._prune()

    def voids(self, name: str) -> list[tuple[str, int]]:
        """Keys, and before which attempt each is to be voided."""
        with self._lock:
            return self._db.execute("SELECT key, before_attempt FROM void WHERE name = ?", (name,)).fetchall()

    def voided(self, name: str, key: str, before: int) -> None:
        """It is done, unless a later attempt is to be voided as well by now."""
        with self._lock:
            self._db.execute("DELETE FROM void WHERE name = ? AND key = ? AND before_attempt <= ?", (name, key, before))

    def void_count(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM void").fetchone()[0])

    def _prune(self) -> None:
        self._db.execute(
            "DELETE FROM void WHERE since_wall_s < ? OR since_wall_s <= "
            "(SELECT since_wall_s FROM void ORDER BY since_wall_s DESC LIMIT 1 OFFSET ?)",
            (time.time() - VOID_LIFE_S, MAX_VOIDS),
        )


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("PRAGMA application_id").fetchone()[0]
    if found == 0 and not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
    elif found != APPLICATION_ID:
        raise StartError(f"{path} is a database of another program; nothing was changed. Move it away to begin anew")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StartError(
            f"{path} has schema {version}, and this is {SCHEMA_VERSION}; nothing was changed. "
            "Move it away to begin anew"
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
