"""A SQLite file that is refused is closed again; one that is good stays open."""

from __future__ import annotations

import sqlite3

import pytest

from smartgrid.runtime.sqlite_file import closed_if_refused


def test_a_file_that_is_refused_is_closed():
    connection = sqlite3.connect(":memory:")

    with pytest.raises(ValueError, match="of another program"), closed_if_refused(connection):
        raise ValueError("of another program")

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_file_that_is_good_stays_open():
    with closed_if_refused(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE found (value)")

    assert connection.execute("SELECT count(*) FROM found").fetchone() == (0,)
    connection.close()
