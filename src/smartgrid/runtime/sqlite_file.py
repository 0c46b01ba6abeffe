"""A SQLite file that is looked at before it is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_if_refused(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Whoever finds here that the file is not to be used raises: then it is closed again, as nobody else will.

    It stays open where nothing is raised.
    """
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
