"""What a balancer keeps over restarts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.state import APPLICATION_ID, State
from smartgrid.runtime.start_error import StartError

OF_VERSION_2 = f"""
CREATE TABLE registration (url TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE void (name TEXT NOT NULL, key TEXT NOT NULL, before_attempt INTEGER NOT NULL, since_wall_s REAL NOT NULL,
                   PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE INDEX void_since ON void (since_wall_s);
INSERT INTO registration VALUES ('http://127.0.0.1:1', 'a');
INSERT INTO void VALUES ('a', 'key', 5, 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 2;
"""


def file(folder: Path, script: str) -> Path:
    path = folder / "balancer.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    return path


def test_registrations_are_there_after_a_kill(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.register(Member("a", "http://127.0.0.1:1"))
    # not closed, as after kill -9

    second = State(tmp_path)

    assert second.registrations() == {Member("a", "http://127.0.0.1:1")}
    first.close()
    second.close()


def test_a_file_of_the_version_before_keeps_its_registrations_and_loses_its_voids(tmp_path: Path) -> None:
    path = file(tmp_path, OF_VERSION_2)

    for _ in range(2):  # brought up to date once, and found so again
        with closing(State(tmp_path)) as state:
            assert state.registrations() == {Member("a", "http://127.0.0.1:1")}

    with closing(sqlite3.connect(path)) as db:
        assert {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")} == {
            "registration"
        }


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = file(tmp_path, OF_VERSION_2 + "PRAGMA user_version = 99;")
    content = path.read_bytes()

    with pytest.raises(StartError, match=r"newer version .*; nothing was changed"):
        State(tmp_path)

    assert path.read_bytes() == content


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = file(tmp_path, "CREATE TABLE theirs (x);")
    content = path.read_bytes()

    with pytest.raises(StartError, match="another program"):
        State(tmp_path)

    assert path.read_bytes() == content


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "balancer.db"
    path.write_bytes(b"not a database at all" * 100)

    with pytest.raises(StartError, match="nothing was changed"):
        State(tmp_path)

    assert path.read_bytes() == b"not a database at all" * 100


def test_its_file_is_its_owners_alone_also_one_that_others_could_read(tmp_path: Path) -> None:
    (tmp_path / "balancer.db").touch(0o644)
    with closing(State(tmp_path)) as state:
        state.register(Member("a", "http://127.0.0.1:1"))

        rights = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert rights == {"balancer.db": 0o600, "balancer.db-wal": 0o600, "balancer.db-shm": 0o600}
