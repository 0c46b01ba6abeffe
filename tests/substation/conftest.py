"""What several files of these tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.books import Books, SetClock
from support.processes import Process


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One running substation for all tests that do not mind what others have left there: there is room for it."""
    folder = tmp_path_factory.mktemp("shared")
    with Process("substation", folder, name="s0", capacity_kw=100_000, log_level="debug") as substation:
        yield substation


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def open_books(tmp_path: Path, clock: SetClock) -> Iterator[Callable[..., Books]]:
    """Opens books with the options that it is given, and closes them after the test."""
    opened: list[Books] = []

    def open_at(folder: Path = tmp_path / "data", **options: Any) -> Books:
        opened.append(Books(folder, clock, **options))
        return opened[-1]

    yield open_at
    for books in opened:
        books.close()


@pytest.fixture
def books(open_books: Callable[..., Books]) -> Books:
    return open_books()
