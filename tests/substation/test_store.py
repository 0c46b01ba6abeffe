"""The file: what is not ours, or not whole, is refused with its path and left as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from smartgrid.domain.session import SessionState
from smartgrid.protocol.keys import KEY_LIFE_S
from smartgrid.substation.migrations import APPLICATION_ID, SCHEMA_VERSION
from smartgrid.substation.store import Store, StoreError
from support.books import Books, SetClock, a_car


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder with a few sessions in it, as a crash left it: not all of it is in the main file yet."""
    books = Books(tmp_path / "first", SetClock())
    for _ in range(5):
        books.charge(a_car())
    return books.crash(tmp_path / "used")


def change(folder: Path, *statements: str) -> None:
    """Write to the file as another program would, and leave its log unmerged."""
    connection = sqlite3.connect(folder / "substation.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    copies = {name: (folder / name).read_bytes() for name in ("substation.db", "substation.db-wal")}
    connection.close()
    for name, content in copies.items():
        (folder / name).write_bytes(content)


def merge(folder: Path) -> None:
    """Bring all into the main file, as an end in order does."""
    with closing(sqlite3.connect(folder / "substation.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_newer(folder: Path) -> None:
    change(folder, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def is_foreign(folder: Path) -> None:
    change(folder, "PRAGMA application_id = 1")


def is_no_database(folder: Path) -> None:
    (folder / "substation.db").write_bytes(b"quarterly figures\n" * 1000)


def is_cut_off(folder: Path) -> None:
    merge(folder)
    with (folder / "substation.db").open("r+b") as file:
        file.truncate(5000)


def is_overwritten_in_the_middle(folder: Path) -> None:
    merge(folder)
    with (folder / "substation.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def contents(folder: Path) -> dict[str, bytes]:
    """What the database consists of: the file and its log, if that holds anything."""
    found = {name: folder / name for name in ("substation.db", "substation.db-wal")}
    return {name: path.read_bytes() for name, path in found.items() if path.exists() and path.stat().st_size}


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (is_newer, f"has schema {SCHEMA_VERSION + 1}, and this program knows {SCHEMA_VERSION} at the most"),
        (is_foreign, "is a database of another program"),
        (is_no_database, "is damaged or no database"),
        (is_cut_off, "is damaged"),
        (is_overwritten_in_the_middle, "is damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_and_left_as_it_is(used: Path, damage: Callable[[Path], None], why: str) -> None:
    damage(used)
    before = contents(used)
    with pytest.raises(StoreError) as refusal:
        Store(used)
    assert str(refusal.value).startswith(f"{used / 'substation.db'} {why}")
    assert "move it away" in str(refusal.value)
    assert contents(used) == before


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match=f"{tmp_path} is in use by another process"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreError, match=f"the data directory {tmp_path}/data cannot be used"):
        Store(tmp_path / "data")


def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    """No one should move sessions away because a disk was full or a permission missing."""
    (tmp_path / "substation.db").mkdir()
    with pytest.raises(StoreError) as refusal:
        Store(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path}/substation.db cannot be opened: ")


def test_an_interrupted_first_start_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "substation.db").touch()
    Store(tmp_path).close()


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "substation.db")) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_old_ended_sessions_are_forgotten_and_active_ones_never(tmp_path: Path) -> None:
    clock = SetClock()
    books = Books(tmp_path, clock)
    oldest = books.charge(a_car(energy_kwh=500)).record.session_id
    ended = [books.charge(a_car()).record.session_id for _ in range(4)]
    for session_id in ended:
        books.ledger.stop(session_id)
    books.store.prune(keep_ended=2, now_wall_s=clock.wall_s() + KEY_LIFE_S + 1)
    assert [books.store.find(i) is not None for i in [oldest, *ended]] == [True, False, False, True, True]
    books.close()


def test_a_session_whose_key_is_remembered_is_not_forgotten(tmp_path: Path) -> None:
    clock = SetClock()
    books = Books(tmp_path, clock)
    ended = books.charge(a_car()).record.session_id
    books.ledger.stop(ended)
    books.store.prune(keep_ended=0, now_wall_s=clock.wall_s() + KEY_LIFE_S - 1)
    assert books.store.find(ended) is not None
    books.close()


ROW = (
    "INSERT INTO session SELECT NULL, printf('s%d', value), '', '1', '', '', 'EV', 1, 1, 1, NULL, 0, "
    "iif(value % 2000, 0, NULL), 0, 0, iif(value % 1000, 1, NULL), 0, NULL, ?, 0, NULL, 0, NULL, NULL, NULL "
    "FROM generated"
)


@pytest.mark.parametrize(
    ("state", "found"),
    [(None, 5), (SessionState.IDLE, 5), (SessionState.CHARGING, 1), (SessionState.WAITING, 1)],
)
def test_a_page_of_ones_own_costs_nothing_for_what_others_and_oneself_have_had(
    tmp_path: Path, state: SessionState | None, found: int
) -> None:
    """Counted in steps of SQLite's machine: nearly all of these sessions are another owner's, or have ended."""
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "substation.db", isolation_level=None)) as connection:
        for count, owner in ((5000, None), (5000, "bob"), (5000, "ann")):
            begin = connection.execute("SELECT count(*) FROM session").fetchone()[0]
            numbers = f"WITH RECURSIVE generated(value) AS (SELECT {begin + 1} UNION ALL SELECT value + 1 "
            numbers += f"FROM generated WHERE value < {begin + count}) "
            connection.execute(numbers + ROW, (owner,))
    store, steps = Store(tmp_path), 0

    def count_steps() -> None:
        nonlocal steps
        steps += 10

    store._reader.set_progress_handler(count_steps, 10)
    page = store.page(5, 7500, state, "bob")
    store.close()

    assert [record.owner for record in page] == ["bob"] * found
    assert steps < 500


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Vehicles are in it. A file from before is mended, too."""
    Store(tmp_path).close()
    (tmp_path / "substation.db").chmod(0o644)
    store = Store(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    store.close()
    assert modes == dict.fromkeys(("lock", "substation.db", "substation.db-shm", "substation.db-wal"), 0o600)
