"""What a balancer keeps over restarts: registrations by hand, and the keys it still has to void."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

from smartgrid.balancer.discovery import Member
from smartgrid.service.process import StartError

APPLICATION_ID = 0x534D4742  # "SMGB"
MAX_VOIDS = 100_000
VOID_LIFE_S = 7 * 86400.0
_SCHEMA = f"""
BEGIN;
CREATE TABLE registration (url TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE void (name TEXT NOT NULL, key TEXT NOT NULL, since_wall_s REAL NOT NULL, PRIMARY KEY (name, key))
    WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
COMMIT;
"""


class State:
    """A small SQLite file. Thread-safe.

    It survives a kill of the process; a power failure may cost the last moments (no fsync: a void is written while a
    car waits). Raises StartError for a file that is damaged or another program's.
    """

    def __init__(self, data_dir: Path) -> None:
        self._lock = threading.Lock()
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

    def add_void(self, name: str, key: str) -> None:
        """Remember to void `key` at `name`; the oldest are dropped beyond a bound that only a disaster reaches."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO void VALUES (?, ?, ?)", (name, key, time.time()))
            self._db.execute(
                "DELETE FROM void WHERE since_wall_s < ? OR since_wall_s <= "
                "(SELECT since_wall_s FROM void ORDER BY since_wall_s DESC LIMIT 1 OFFSET ?)",
                (time.time() - VOID_LIFE_S, MAX_VOIDS),
            )

    def voids(self, name: str) -> list[str]:
        with self._lock:
            return [key for (key,) in self._db.execute("SELECT key FROM void WHERE name = ?", (name,))]

    def voided(self, name: str, key: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM void WHERE name = ? AND key = ?", (name, key))

    def void_count(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM void").fetchone()[0])


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("PRAGMA application_id").fetchone()[0]
    if found == 0 and not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
    elif found != APPLICATION_ID:
        raise StartError(f"{path} is a database of another program; nothing was changed. Move it away to begin anew")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
