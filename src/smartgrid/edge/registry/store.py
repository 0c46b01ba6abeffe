"""The registry: which chargers may connect, by what key, and what each has said of itself. One SQLite file.

It is read on the event loop, at each connect (some 20 microseconds), and read and changed by the threads of the HTTP
API. Readers have a connection of their own, and in a write-ahead log a reader never waits for a writer, so no fsync of
anybody is ever waited for on the loop. What the loop itself has to write (what a charger says of itself, that it has
used its new key, that it came unregistered to an open edge) can wait a moment: it is queued, and a thread writes it,
many in one transaction. The same thread looks whether the file of chargers has changed.

A registration has one of three origins, and none undoes another's: `api`; `file`, where an entry counts when it is new
or has changed since it was last taken (so a key that was rotated since stays), and ends when it leaves the file; and
`open`, a charger that just came, which counts only while the edge is open.

Of several edges each has the registrations of all, as a substation's chargers may be another edge's tomorrow. `replica`
has the rule by which two rows of a charger become one; here each row has a version, a deletion stays as a row for a
while, and `sequence` numbers the changes, so that another edge can ask for those since it last asked (`changes`).
"""

from __future__ import annotations

import json
import logging
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry import keys, spec
from smartgrid.edge.registry.replica import (
    API,
    FILE,
    GONE,
    MAX_FACT,
    MAX_FACTS,
    MAX_TEXT,
    OPEN,
    About,
    Registered,
    is_newer,
)
from smartgrid.protocol.chargers import MAX_CONNECTORS
from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.log_pace import LogPace
from smartgrid.runtime.private_file import keep_private
from smartgrid.runtime.sqlite_file import closed_if_refused
from smartgrid.runtime.start_error import StartError

FILE_NAME = "chargers.sqlite"
MAX_CHARGERS = 200_000
MAX_OPEN = 20_000
MAX_QUEUED = 50_000
MAX_FILE_BYTES = 64 * 1024 * 1024
LOOK_INTERVAL_S = 2.0
BUSY_TIMEOUT_S = 5.0
KEPT_DELETIONS_S = 30 * 86_400.0
"""A peer that was away for longer brings back what was deleted meanwhile. What still stands in the file of chargers is
kept for as long as it does: else it would be taken for a new entry."""
FIRST_VERSION = 1
"""Of an entry of the file that was never seen before: what any edge has made of it since is newer."""
ANYONE = ChargerSpec()
"""What is supposed of a charger that comes to an open edge."""
APPLICATION_ID, SCHEMA_VERSION = 0x53474348, 1
_SCHEMA = f"""
CREATE TABLE chargers (
    substation TEXT NOT NULL, charger TEXT NOT NULL, origin TEXT NOT NULL, spec TEXT NOT NULL,
    next_key_hash TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL DEFAULT 0,
    about TEXT NOT NULL DEFAULT '', about_version INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '', sequence INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (substation, charger)
) WITHOUT ROWID;
CREATE INDEX by_sequence ON chargers (sequence);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_COLUMNS = "substation, charger, origin, spec, next_key_hash, version, about, about_version"
_KEY = "substation = ? AND charger = ?"
_NEXT = "(SELECT max(sequence) + 1 FROM chargers)"
_PUT = f"""
INSERT INTO chargers ({_COLUMNS}, digest, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce({_NEXT}, 1))
ON CONFLICT DO UPDATE SET origin = excluded.origin, spec = excluded.spec, next_key_hash = excluded.next_key_hash,
    version = excluded.version, about = excluded.about, about_version = excluded.about_version,
    digest = excluded.digest, sequence = excluded.sequence
"""
_Write = tuple[str, Sequence[object]]
log = logging.getLogger(__name__)


class RegistryError(StartError):
    """The registry's file, or the file of chargers at the start, cannot be used."""


class UnknownChargerError(KeyError):
    """No such charger is registered."""


class FullError(ValueError):
    """There are as many chargers as there may be; the message is one sentence."""


class Registry:
    """May be used from any thread. The methods that the event loop may call are `get`, `find`, `count` and those that
    queue: `learn`, `came`, `used_next_key`."""

    def __init__(self, data_dir: Path, *, is_open: bool = False, chargers_file: Path | None = None) -> None:
        """Raises RegistryError."""
        self.is_open = is_open
        self.on_removed: Callable[[ChargerId], None] = lambda charger: None
        """Told, in some thread, of each charger that may no longer be connected."""
        path = data_dir / FILE_NAME
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            keep_private(path)
            with closed_if_refused(_writer(path)) as self._writer:
                self._reader = _connect(path, "ro")
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(f"{path} cannot be opened as the registry of chargers: {error}") from error
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._pace = LogPace(log)
        self._queue: queue.Queue[_Write | None] = queue.Queue(MAX_QUEUED)
        self.epoch = secrets.token_hex(8)
        """Of this process: the sequence of another may be another one."""
        self._open_rows = self._count(f"origin = '{OPEN}'")
        self._forget_deletions()
        self._file, self._stamp = chargers_file, (0, 0, 0)
        if chargers_file is not None:
            try:
                self._stamp = _stamp(chargers_file)
                self._import(chargers_file)
            except (OSError, ValueError) as error:
                self._close()
                raise RegistryError(f"SMARTGRID_CHARGERS_FILE={chargers_file}: {error}") from error
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, and end."""
        self._queue.put(None)
        self._thread.join(BUSY_TIMEOUT_S)
        self._close()

    # ------------------------------------------------------------------ reading

    def get(self, charger: ChargerId) -> ChargerSpec | None:
        """Its registration; None if it may not connect. On an open edge that is nobody."""
        found = self.find(charger)
        return self.default if found is None else found.spec

    @property
    def default(self) -> ChargerSpec | None:
        """The registration of who is not registered."""
        return ANYONE if self.is_open else None

    def find(self, charger: ChargerId) -> Registered | None:
        """Its row; None where it has none that counts."""
        rows = self._read(f"SELECT {_COLUMNS} FROM chargers WHERE {_KEY} AND {self._counts}", charger)
        return _registered(rows[0]) if rows else None

    def page(self, limit: int, after: ChargerId | None = None, substation: str | None = None) -> list[Registered]:
        """The first `limit` that come after `after`, by substation and name; of one substation or of all."""
        where, values = [self._counts, "(substation, charger) > (?, ?)"], [*(after or ("", ""))]
        if substation is not None:
            where, values = [*where, "substation = ?"], [*values, substation]
        sql = f"SELECT {_COLUMNS} FROM chargers WHERE {' AND '.join(where)} ORDER BY substation, charger LIMIT ?"
        return [_registered(row) for row in self._read(sql, (*values, limit))]

    def count(self) -> int:
        """How many may connect."""
        return self._count(self._counts)

    @property
    def _counts(self) -> str:
        """Which rows count."""
        return f"origin <> '{GONE}'" if self.is_open else f"origin NOT IN ('{GONE}', '{OPEN}')"

    def _count(self, where: str) -> int:
        return int(str(self._read(f"SELECT count(*) FROM chargers WHERE {where}", ())[0][0]))

    def _read(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()

    # ------------------------------------------------------------------ changing, by the HTTP API's threads

    def put(self, charger: ChargerId, new: ChargerSpec) -> bool:
        """Register it, or change its registration; returns whether it is new.

        A connection that is open goes on; a changed key or profile is asked for at the next. Raises SpecError,
        FullError.
        """
        spec.check(charger, new)
        with self._write_lock, self._transaction():
            known = self._own(charger)
            is_new = known is None or known.origin in (OPEN, GONE)
            if is_new and self._count(f"origin NOT IN ('{OPEN}', '{GONE}')") >= MAX_CHARGERS:
                raise FullError(f"at most {MAX_CHARGERS} chargers can be registered at one edge")
            self._put(charger, known, API, new)
        return is_new

    def delete(self, charger: ChargerId) -> bool:
        """Let it no longer connect, and end its connection; returns whether it was registered."""
        with self._write_lock, self._transaction():
            known = self._own(charger)
            is_known = known is not None and known.origin != GONE
            if is_known:
                self._put(charger, known, GONE, ANYONE)
        if is_known:
            self.on_removed(charger)
        return is_known

    def rotate_key(self, charger: ChargerId) -> str:
        """A new key, to be sent to it; counts beside the old one until the charger has used it. Asked again before
        that, the one before is forgotten. Raises UnknownChargerError."""
        key = keys.new_key()
        self._set_next_key(charger, keys.hash_key(key))
        return key

    def drop_new_key(self, charger: ChargerId) -> None:
        """The charger has not taken the new key: only the old one counts."""
        with suppress(UnknownChargerError):
            self._set_next_key(charger, "")

    def _set_next_key(self, charger: ChargerId, key_hash: str) -> None:
        with self._write_lock, self._transaction():
            known = self._own(charger)
            if known is None or known.origin == GONE:
                raise UnknownChargerError(charger)
            self._put(charger, known, known.origin, known.spec, next_key_hash=key_hash)

    # ------------------------------------------------------------------ between edges

    def changes(self, since: int, limit: int) -> tuple[list[Registered], int]:
        """The first `limit` rows that have changed after `since`, deletions too, and the sequence of the last."""
        columns = f"sequence, {_COLUMNS}"
        sql = f"SELECT {columns} FROM chargers WHERE sequence > ? AND origin <> ? ORDER BY sequence LIMIT ?"
        rows = self._read(sql, (since, OPEN, limit))
        return [_registered(row[1:]) for row in rows], rows[-1][0] if rows else since

    def merge(self, theirs: Sequence[Registered]) -> int:
        """Take what is newer in another edge's rows; returns how many were. Not on the event loop: it writes."""
        taken, gone, left = 0, list[ChargerId](), 0
        with self._write_lock, self._transaction():
            room = MAX_CHARGERS - self._count(f"origin <> '{OPEN}'")
            for row in theirs:
                known = self._own(row.charger)
                if known is None and (room := room - 1) < 0:
                    left += 1
                    continue
                is_row_newer, is_about_newer = is_newer(row, known)
                if not (is_row_newer or is_about_newer):
                    continue
                base = row if is_row_newer or known is None else known
                about = row if is_about_newer or known is None else known
                merged = base._replace(about=about.about, about_version=about.about_version)
                self._write(merged, self._digest(row.charger))
                taken += 1
                if merged.origin == GONE and known is not None and known.origin != GONE:
                    gone.append(row.charger)
            if left:
                extra = {"rows": str(left), "most": str(MAX_CHARGERS)}
                self._pace.say("left", "another edge has more registrations than there may be", extra)
        for charger in gone:
            self.on_removed(charger)
        return taken

    # ------------------------------------------------------------------ told on the event loop; written a little later

    def learn(self, charger: ChargerId, about: About) -> None:
        """Remember what it says of itself."""
        text = _about_text(about)
        change = f"about = ?, about_version = max(about_version + 1, ?), sequence = {_NEXT}"
        sql = f"UPDATE chargers SET {change} WHERE {_KEY} AND about <> ? AND origin <> '{GONE}'"
        self._soon(sql, (text, _now(), *charger, text))

    def came(self, charger: ChargerId) -> None:
        """Somebody without a row has come to an open edge."""
        if self._open_rows < MAX_OPEN:
            self._open_rows += 1
            sql = "INSERT OR IGNORE INTO chargers (substation, charger, origin, spec) VALUES (?, ?, ?, ?)"
            self._soon(sql, (*charger, OPEN, spec.to_json(ANYONE)))

    def used_next_key(self, charger: ChargerId) -> None:
        """It has: the old one is forgotten."""
        change = "spec = json_set(spec, '$.key_hash', next_key_hash), next_key_hash = ''"
        version = f"version = max(version + 1, ?), sequence = {_NEXT}"
        self._soon(f"UPDATE chargers SET {change}, {version} WHERE {_KEY} AND next_key_hash <> ''", (_now(), *charger))

    def _soon(self, sql: str, values: Sequence[object]) -> None:
        """What does not fit is not remembered, and is said again at the charger's next boot."""
        with suppress(queue.Full):
            self._queue.put_nowait((sql, values))

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=LOOK_INTERVAL_S)
            except queue.Empty:
                self._look()
                continue
            batch, is_over = self._batch(work)
            try:
                with self._write_lock, self._transaction():
                    for sql, values in batch:
                        self._writer.execute(sql, values)
            except sqlite3.Error as error:
                log.warning("what chargers say of themselves was not written", extra={"reason": str(error)})
            if is_over:
                return

    def _batch(self, work: _Write | None) -> tuple[list[_Write], bool]:
        batch: list[_Write] = []
        while work is not None:
            batch.append(work)
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _look(self) -> None:
        """Take the file of chargers anew if it has changed. One that is bad is said once, and what was before stays."""
        if self._file is None:
            return
        try:
            stamp = _stamp(self._file)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._import(self._file)
        except (OSError, ValueError, sqlite3.Error) as error:
            log.warning("the file of chargers was not taken", extra={"reason": str(error)})

    def _import(self, path: Path) -> None:
        content = first_bytes(path, MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise spec.SpecError(f"a file of chargers must have at most {MAX_FILE_BYTES} bytes")
        found = spec.read_file(content)
        with self._write_lock, self._transaction():
            rows = self._writer.execute("SELECT substation, charger, digest FROM chargers WHERE digest <> ''")
            known = {ChargerId(substation, charger): str(digest) for substation, charger, digest in rows.fetchall()}
            for charger, new, digest in found:
                if known.pop(charger, None) != digest:
                    self._put(charger, self._own(charger), FILE, new, digest=digest)
            for charger in known:
                self._put(charger, self._own(charger), GONE, ANYONE, digest="")
        for charger in known:
            self.on_removed(charger)
        log.info("the file of chargers was taken", extra={"chargers": len(found), "gone": len(known)})

    # ------------------------------------------------------------------ SQLite

    def _own(self, charger: ChargerId) -> Registered | None:
        """The row as the writer sees it, whether it counts or not."""
        row = self._writer.execute(f"SELECT {_COLUMNS} FROM chargers WHERE {_KEY}", charger).fetchone()
        return None if row is None else _registered(row)

    def _digest(self, charger: ChargerId) -> str:
        row = self._writer.execute(f"SELECT digest FROM chargers WHERE {_KEY}", charger).fetchone()
        return str(row[0]) if row else ""

    def _put(
        self,
        charger: ChargerId,
        known: Registered | None,
        origin: str,
        new: ChargerSpec,
        *,
        next_key_hash: str = "",
        digest: str | None = None,
    ) -> None:
        """Write a change of our own, which is newer than what was known."""
        version = max(known.version + 1, _now()) if known else FIRST_VERSION if origin == FILE else _now()
        about, about_version = (known.about, known.about_version) if known else (About(), 0)
        row = Registered(charger, new, origin, next_key_hash, about, version, about_version)
        self._write(row, self._digest(charger) if digest is None else digest)

    def _write(self, row: Registered, digest: str) -> None:
        values = (row.origin, spec.to_json(row.spec), row.next_key_hash, row.version)
        about = ("" if row.about == About() else _about_text(row.about), row.about_version)
        self._writer.execute(_PUT, (*row.charger, *values, *about, digest))

    def _forget_deletions(self) -> None:
        with self._write_lock, self._transaction():
            before = _now() - int(KEPT_DELETIONS_S * 1e6)
            sql = "DELETE FROM chargers WHERE origin = ? AND version < ? AND digest = ''"
            self._writer.execute(sql, (GONE, before))

    def _transaction(self) -> sqlite3.Connection:
        """The connection as a context: commits, or rolls back where something is raised."""
        return self._writer

    def _close(self) -> None:
        self._reader.close()
        self._writer.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, timeout=BUSY_TIMEOUT_S, check_same_thread=False, uri=True)


def _writer(path: Path) -> sqlite3.Connection:
    with closed_if_refused(_connect(path, "rwc")) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        program = connection.execute("PRAGMA application_id").fetchone()[0]
        if (program, version) not in ((0, 0), (APPLICATION_ID, SCHEMA_VERSION)):
            raise sqlite3.DatabaseError("it is of another program, or of a newer version of this one")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            connection.executescript(_SCHEMA)
    return connection


def _now() -> int:
    """The version of a change that is made now, in microseconds."""
    return time.time_ns() // 1000


def _registered(row: tuple[Any, ...]) -> Registered:
    substation, charger, origin, text, next_key_hash, version, about, about_version = row
    said = About(**json.loads(about)) if about else About()
    found = spec.from_json(text)
    return Registered(ChargerId(substation, charger), found, origin, next_key_hash, said, version, about_version)


def _about_text(about: About) -> str:
    """Within bounds: it is what a charger says."""
    facts = {str(key)[:MAX_TEXT]: str(value)[:MAX_FACT] for key, value in list(about.facts.items())[:MAX_FACTS]}
    vendor, model, firmware = (text[:MAX_TEXT] for text in (about.vendor, about.model, about.firmware))
    bounded = About(vendor, model, firmware, min(max(about.connectors, 0), MAX_CONNECTORS), facts)
    return json.dumps(asdict(bounded), separators=(",", ":"), sort_keys=True)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
