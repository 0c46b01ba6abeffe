"""The registry: which chargers may connect, by what key, and what each has said of itself. One SQLite file.

It is read on the event loop, at each connect (some 20 microseconds), and read and changed by the threads of the HTTP
API. Readers have a connection of their own, and in a write-ahead log a reader never waits for a writer, so no fsync of
anybody is ever waited for on the loop. What the loop itself has to write (what a charger says of itself, that it has
used its new key, that it came unregistered to an open edge) can wait a moment: it is queued, and a thread writes it,
many in one transaction. The same thread looks whether the file of chargers has changed.

A registration has one of three origins, and none undoes another's: `api`; `file`, where an entry counts when it is new
or has changed since it was last taken (so a key that was rotated since stays), and ends when it leaves the file; and
`open`, a charger that just came, which counts only while the edge is open.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry import keys, spec
from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.private_file import keep_private
from smartgrid.runtime.start_error import StartError

FILE_NAME = "chargers.sqlite"
API, FILE, OPEN = "api", "file", "open"
MAX_CHARGERS = 200_000
MAX_OPEN = 20_000
MAX_QUEUED = 50_000
MAX_FILE_BYTES = 64 * 1024 * 1024
LOOK_INTERVAL_S = 2.0
BUSY_TIMEOUT_S = 5.0
MAX_TEXT = 50
MAX_FACTS = 32
ANYONE = ChargerSpec()
"""What is supposed of a charger that comes to an open edge."""
APPLICATION_ID, SCHEMA_VERSION = 0x53474348, 1
_SCHEMA = f"""
CREATE TABLE chargers (
    substation TEXT NOT NULL, charger TEXT NOT NULL, spec TEXT NOT NULL, origin TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '', next_key_hash TEXT NOT NULL DEFAULT '', about TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (substation, charger)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_COLUMNS = "substation, charger, spec, origin, next_key_hash, about"
_KEY = "substation = ? AND charger = ?"
_Write = tuple[str, Sequence[object]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What a charger has said of itself; after a reconnect it need not say it again (no BootNotification comes).

    `connectors` is the highest number it has named. `facts` are more of it that shall be remembered, such as what it
    answered to GetConfiguration: at most 32 short texts.
    """

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    connectors: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)


class Registered(NamedTuple):
    """A row. `next_key_hash` is of a key that the charger has been given and has not used yet."""

    charger: ChargerId
    spec: ChargerSpec
    origin: str
    next_key_hash: str
    about: About


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
            self._writer = _writer(path)
            self._reader = _connect(path, "ro")
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(f"{path} cannot be opened as the registry of chargers: {error}") from error
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._queue: queue.Queue[_Write | None] = queue.Queue(MAX_QUEUED)
        self._open_rows = self._count("origin = ?", OPEN)
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
        found = self._counting(self._read(f"SELECT {_COLUMNS} FROM chargers WHERE {_KEY}", charger))
        return found[0] if found else None

    def page(self, limit: int, after: ChargerId | None = None, substation: str | None = None) -> list[Registered]:
        """The first `limit` that come after `after`, by substation and name; of one substation or of all."""
        where, values = ["(substation, charger) > (?, ?)"], [*(after or ("", ""))]
        if substation is not None:
            where, values = [*where, "substation = ?"], [*values, substation]
        if not self.is_open:
            where, values = [*where, "origin <> ?"], [*values, OPEN]
        sql = f"SELECT {_COLUMNS} FROM chargers WHERE {' AND '.join(where)} ORDER BY substation, charger LIMIT ?"
        return self._counting(self._read(sql, (*values, limit)))

    def count(self) -> int:
        """How many may connect."""
        return self._count("origin <> ?", "" if self.is_open else OPEN)

    def _count(self, where: str, value: str) -> int:
        return int(str(self._read(f"SELECT count(*) FROM chargers WHERE {where}", (value,))[0][0]))

    def _read(self, sql: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()

    def _counting(self, rows: list[tuple[object, ...]]) -> list[Registered]:
        return [row for row in map(_registered, rows) if self.is_open or row.origin != OPEN]

    # ------------------------------------------------------------------ changing, by the HTTP API's threads

    def put(self, charger: ChargerId, new: ChargerSpec) -> bool:
        """Register it, or change its registration; returns whether it is new.

        A connection that is open goes on; a changed key or profile is asked for at the next. Raises SpecError,
        FullError.
        """
        spec.check(charger, new)
        with self._write_lock, self._transaction():
            known = self._writer.execute(f"SELECT origin FROM chargers WHERE {_KEY}", charger).fetchone()
            if known is None and self._count("origin <> ?", OPEN) >= MAX_CHARGERS:
                raise FullError(f"at most {MAX_CHARGERS} chargers can be registered at one edge")
            self._put(charger, new, API, "")
        return known is None or known[0] == OPEN

    def delete(self, charger: ChargerId) -> bool:
        """Let it no longer connect, and end its connection; returns whether it was registered."""
        with self._write_lock, self._transaction():
            count = self._writer.execute(f"DELETE FROM chargers WHERE {_KEY}", charger).rowcount
        if count:
            self.on_removed(charger)
        return bool(count)

    def rotate_key(self, charger: ChargerId) -> str:
        """A new key, to be sent to it; counts beside the old one until the charger has used it. Asked again before
        that, the one before is forgotten. Raises UnknownChargerError."""
        key = keys.new_key()
        with self._write_lock, self._transaction():
            sql = f"UPDATE chargers SET next_key_hash = ? WHERE {_KEY}"
            if not self._writer.execute(sql, (keys.hash_key(key), *charger)).rowcount:
                raise UnknownChargerError(charger)
        return key

    def drop_new_key(self, charger: ChargerId) -> None:
        """The charger has not taken the new key: only the old one counts."""
        with self._write_lock, self._transaction():
            self._writer.execute(f"UPDATE chargers SET next_key_hash = '' WHERE {_KEY}", charger)

    # ------------------------------------------------------------------ told on the event loop; written a little later

    def learn(self, charger: ChargerId, about: About) -> None:
        """Remember what it says of itself."""
        text = json.dumps(asdict(_bounded(about)), separators=(",", ":"), sort_keys=True)
        self._soon(f"UPDATE chargers SET about = ? WHERE {_KEY} AND about <> ?", (text, *charger, text))

    def came(self, charger: ChargerId) -> None:
        """Somebody without a row has come to an open edge."""
        if self._open_rows < MAX_OPEN:
            self._open_rows += 1
            sql = "INSERT OR IGNORE INTO chargers (substation, charger, spec, origin) VALUES (?, ?, ?, ?)"
            self._soon(sql, (*charger, spec.to_json(ANYONE), OPEN))

    def used_next_key(self, charger: ChargerId) -> None:
        """It has: the old one is forgotten."""
        change = "spec = json_set(spec, '$.key_hash', next_key_hash), next_key_hash = ''"
        self._soon(f"UPDATE chargers SET {change} WHERE {_KEY} AND next_key_hash <> ''", charger)

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
            known = dict[ChargerId, str](
                (ChargerId(substation, charger), digest)
                for substation, charger, digest in self._writer.execute(
                    "SELECT substation, charger, digest FROM chargers WHERE origin = ?", (FILE,)
                )
            )
            for charger, new, digest in found:
                if known.pop(charger, None) != digest:
                    self._put(charger, new, FILE, digest)
            for charger in known:
                self._writer.execute(f"DELETE FROM chargers WHERE {_KEY}", charger)
        for charger in known:
            self.on_removed(charger)
        log.info("the file of chargers was taken", extra={"chargers": len(found), "gone": len(known)})

    # ------------------------------------------------------------------ SQLite

    def _put(self, charger: ChargerId, new: ChargerSpec, origin: str, digest: str) -> None:
        sql = (
            "INSERT INTO chargers (substation, charger, spec, origin, digest) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO"
            " UPDATE SET spec = excluded.spec, origin = excluded.origin, digest = excluded.digest, next_key_hash = ''"
        )
        self._writer.execute(sql, (*charger, spec.to_json(new), origin, digest))

    def _transaction(self) -> sqlite3.Connection:
        """The connection as a context: commits, or rolls back where something is raised."""
        return self._writer

    def _close(self) -> None:
        self._reader.close()
        self._writer.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, BUSY_TIMEOUT_S, check_same_thread=False, uri=True)


def _writer(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "rwc")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        program = connection.execute("PRAGMA application_id").fetchone()[0]
        if (program, version) not in ((0, 0), (APPLICATION_ID, SCHEMA_VERSION)):
            raise sqlite3.DatabaseError("it is of another program, or of a newer version of this one")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _registered(row: tuple[object, ...]) -> Registered:
    substation, charger, text, origin, next_key_hash, about = map(str, row)
    said = About(**json.loads(about)) if about else About()
    return Registered(ChargerId(substation, charger), spec.from_json(text), origin, next_key_hash, said)


def _bounded(about: About) -> About:
    facts = {str(key)[:MAX_TEXT]: str(value)[:200] for key, value in list(about.facts.items())[:MAX_FACTS]}
    vendor, model, firmware = (text[:MAX_TEXT] for text in (about.vendor, about.model, about.firmware))
    return About(vendor, model, firmware, min(max(about.connectors, 0), spec.MAX_CONNECTORS), facts)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
