"""What a balancer keeps over restarts: the substations registered by hand. All else it learns from the substations."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from smartgrid.balancer.discovery import Member
from smartgrid.runtime.private_file import keep_private
from smartgrid.runtime.sqlite_file import closed_if_refused
from smartgrid.runtime.start_error import StartError

APPLICATION_ID = 0x534D4742  # "SMGB"
SCHEMA_VERSION = 3
_SCHEMA = f"""
BEGIN;
CREATE TABLE registration (url TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_MIGRATIONS = {
    # Attempts with an unknown outcome were noted until the balancers compared keys.
    2: "BEGIN; DROP TABLE void; PRAGMA user_version = 3; COMMIT;",
}
"""What brings a file of this version to the next one."""


class State:
    """A small SQLite file. Thread-safe.

    Raises StartError for a file that is damaged, another program's, or a newer version's.
    """

    def __init__(self, data_dir: Path) -> None:
        self._lock = threading.Lock()
        path = data_dir / "balancer.db"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            keep_private(path)
            self._db = sqlite3.connect(path, timeout=5.0, check_same_thread=False, isolation_level=None)
            with closed_if_refused(self._db):
                _open(self._db, path)
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


def _open(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("PRAGMA application_id").fetchone()[0]
    if found == 0 and not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
    elif found != APPLICATION_ID:
        raise StartError(f"{path} is a database of another program; nothing was changed. Move it away to begin anew")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StartError(
            f"{path} was written by a newer version (schema {version}, and this knows {SCHEMA_VERSION}); "
            "nothing was changed. Start that version, or move the file away to begin anew"
        )
    while version < SCHEMA_VERSION:
        if version not in _MIGRATIONS:
            raise StartError(f"{path} has schema {version}, which is too old; move it away to begin anew")
        db.executescript(_MIGRATIONS[version])
        version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
