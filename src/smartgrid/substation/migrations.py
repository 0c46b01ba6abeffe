"""The schema of a substation's file, and the way to it from the versions before.

`user_version` in the file says which version it has. Each entry of `STEPS` leads from one version to the next, within
one transaction, so that a file is either as it was or whole. A new file goes the same way from `FIRST_VERSION` on, so
that it has the very same schema as one that has come a long way.
"""

from __future__ import annotations

import secrets
import sqlite3
from array import array
from collections.abc import Callable

from smartgrid.protocol.fingerprint import fingerprint_of
from smartgrid.protocol.keys import digest
from smartgrid.substation import charger_rows

APPLICATION_ID = 0x534D4752  # "SMGR": tells our files from other programs'
SCHEMA_VERSION = 6
OLDEST_VERSION = 2
FIRST_VERSION = 3
"""Of a new file."""

_TABLES_3 = (
    """
CREATE TABLE session (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, key_digest TEXT NOT NULL,
    number TEXT NOT NULL, fingerprint TEXT NOT NULL, superseded_by TEXT NOT NULL, vehicle_id TEXT NOT NULL,
    energy_kwh REAL NOT NULL, min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
    leaves_wall_s REAL NOT NULL, started_wall_s REAL NOT NULL, started_event INTEGER NOT NULL,
    delivered_kwh REAL NOT NULL, ended_wall_s REAL, ended_event INTEGER, end_reason TEXT)
""",
    "CREATE INDEX session_active ON session (seq) WHERE ended_wall_s IS NULL",
    "CREATE TABLE capacity_change (event INTEGER PRIMARY KEY, wall_s REAL NOT NULL, capacity_kw REAL NOT NULL)",
    # `sessions` and `delivered_kwh`: of all that had not ended, 8 bytes each, in the machine's order of bytes.
    # `time_scale` is NULL where a file of version 2 did not know it.
    """
CREATE TABLE checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last_event INTEGER NOT NULL, wall_s REAL NOT NULL,
    time_scale REAL, capacity_kw REAL NOT NULL, configured_kw REAL, sessions BLOB NOT NULL,
    delivered_kwh BLOB NOT NULL)
""",
    "CREATE TABLE life (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), alive_wall_s REAL NOT NULL)",
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file. Raises sqlite3.Error."""
    _in_one_transaction(connection, _create_3, FIRST_VERSION)
    migrate(connection, FIRST_VERSION)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older version up to SCHEMA_VERSION. Raises sqlite3.Error, with nothing changed."""
    for step in range(version, SCHEMA_VERSION):
        _in_one_transaction(connection, STEPS[step], step + 1)


def _in_one_transaction(
    connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None], version: int
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        change(connection)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _create_3(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_3:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


LONGEST_SESSION_OF_2_S = 48 * 3600.0


def _from_2(connection: sqlite3.Connection) -> None:
    """From rows that each commit wrote whole to rows that are replayed from a checkpoint, and from attempts to tries.

    A key becomes its digest, an attempt's number a try's: both are microseconds since 1970, but a number of the future
    would be believed by no one. A session without a key gets one that no one knows, and one that had no end by itself
    gets the longest stay that is usual. Voids of keys are not taken over: that a late try must not win is now found out
    by comparing numbers (docs/protocol.md). The checkpoint stands as of the last metering.
    """
    connection.create_function("digest_of", 1, lambda key: secrets.token_urlsafe(16) if key is None else digest(key))
    connection.create_function("fingerprint_of", 5, _fingerprint_of_2)
    meta = connection.execute("SELECT capacity_kw, configured_kw, metered_wall_s, alive_wall_s FROM meta").fetchone()
    connection.execute("DROP INDEX session_active")
    connection.execute("ALTER TABLE session RENAME TO session_2")
    _create_3(connection)
    if meta is not None:
        _take_over_2(connection, *meta)
    for table in ("session_2", "voided_key", "meta"):
        connection.execute(f"DROP TABLE {table}")


def _take_over_2(
    connection: sqlite3.Connection,
    capacity_kw: float,
    configured_kw: float | None,
    metered_wall_s: float,
    alive_wall_s: float,
) -> None:
    connection.execute(
        """
INSERT INTO session
SELECT seq, session_id, digest_of(idempotency_key),
       CAST(min(max(attempt, 0), CAST(:alive_s * 1e6 AS INTEGER)) AS TEXT),
       fingerprint_of(vehicle_id, energy_kwh, min_power_kw, max_power_kw, departure_wall_s), '', vehicle_id,
       energy_kwh, min_power_kw, max_power_kw, departure_wall_s,
       min(coalesce(departure_wall_s, 9e99), :alive_s + :longest_s), started_wall_s, 0, delivered_kwh, ended_wall_s,
       iif(ended_wall_s IS NULL, NULL, 0), end_reason
FROM session_2 ORDER BY seq
""",
        {"alive_s": alive_wall_s, "longest_s": LONGEST_SESSION_OF_2_S},
    )
    active = connection.execute("SELECT seq, delivered_kwh FROM session WHERE ended_wall_s IS NULL").fetchall()
    connection.execute(
        "INSERT INTO checkpoint VALUES (1, 0, ?, NULL, ?, ?, ?, ?)",
        (
            metered_wall_s,
            capacity_kw,
            configured_kw,
            array("q", [seq for seq, _ in active]).tobytes(),
            array("d", [delivered_kwh for _, delivered_kwh in active]).tobytes(),
        ),
    )
    connection.execute("INSERT INTO life VALUES (1, ?)", (alive_wall_s,))


def _fingerprint_of_2(
    vehicle_id: str, energy_kwh: float, min_kw: float, max_kw: float, departure_s: float | None
) -> str:
    departure_ms = None if departure_s is None else round(departure_s * 1000)
    return fingerprint_of(vehicle_id, energy_kwh, min_kw, max_kw, departure_ms)


def _from_3(connection: sqlite3.Connection) -> None:
    """Sessions get an owner; those that are there already are nobody's.

    Of nobody's sessions neither index has an entry, so they cost what they did. The second one is for who has charged a
    thousand times and asks what charges now.
    """
    connection.execute("ALTER TABLE session ADD COLUMN owner TEXT")
    connection.execute("CREATE INDEX session_of_owner ON session (owner, seq) WHERE owner IS NOT NULL")
    connection.execute(
        "CREATE INDEX session_of_owner_active ON session (owner, seq) WHERE owner IS NOT NULL AND ended_wall_s IS NULL"
    )


_SESSION_5 = """
CREATE TABLE session (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, key_digest TEXT NOT NULL,
    number TEXT NOT NULL, fingerprint TEXT NOT NULL, superseded_by TEXT NOT NULL, vehicle_id TEXT NOT NULL,
    energy_kwh REAL NOT NULL, min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
    leaves_wall_s REAL NOT NULL, started_wall_s REAL, started_event INTEGER,
    delivered_kwh REAL NOT NULL, ended_wall_s REAL, ended_event INTEGER, end_reason TEXT, owner TEXT,
    joined_wall_s REAL, wait_until_wall_s REAL, CHECK (started_wall_s IS NOT NULL OR joined_wall_s IS NOT NULL))
"""


def _from_4(connection: sqlite3.Connection) -> None:
    """A session may wait before it starts, and end without having started; none of those that are there ever waited.

    SQLite does not let a column be NULL after the fact, so the table is made anew. Its rows go on to be counted from
    where they were.
    """
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'session' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.execute("ALTER TABLE session RENAME TO session_4")
    connection.execute(_SESSION_5)
    connection.execute("INSERT INTO session SELECT *, NULL, NULL FROM session_4 ORDER BY seq")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'session'")
    connection.execute(
        "INSERT INTO sqlite_sequence SELECT 'session', seq FROM sqlite_sequence WHERE name = 'session_4'"
    )
    connection.execute("DROP TABLE session_4")
    for _, sql in sorted(indexes):
        connection.execute(sql)


def _from_5(connection: sqlite3.Connection) -> None:
    """Sessions may be metered by a charger, and what chargers may draw is taken off the capacity that others share.

    `is_metered` is of those, and of the reserved; `start_digest` is of the key of the plugging in of a car that had a
    session before, as `key_digest` is of the key of that one.
    """
    connection.execute("ALTER TABLE session ADD COLUMN is_metered INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE session ADD COLUMN charger TEXT")
    connection.execute("ALTER TABLE session ADD COLUMN connector INTEGER")
    connection.execute("ALTER TABLE session ADD COLUMN start_digest TEXT")
    connection.execute("ALTER TABLE capacity_change ADD COLUMN held_kw REAL NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE checkpoint ADD COLUMN held_kw REAL NOT NULL DEFAULT 0")
    connection.execute(charger_rows.CREATE)
    connection.execute(charger_rows.CREATE_CONNECTORS)


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {2: _from_2, 3: _from_3, 4: _from_4, 5: _from_5}
