"""The token that a service sends to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.auth import bearer
from smartgrid.auth.bearer import BearerFile


@pytest.fixture(autouse=True)
def each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read each time, where it is once a minute otherwise."""
    monkeypatch.setattr(bearer, "READ_AGAIN_S", 0.0)


def test_it_is_the_files_and_a_new_one_once_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("a.b.c\n")
    token = BearerFile(path)
    assert token.headers() == {"Authorization": "Bearer a.b.c"}
    path.write_text("d.e.f")
    assert token.headers() == {"Authorization": "Bearer d.e.f"}


@pytest.mark.parametrize("content", [None, b"", b"two words", b"a\r\nHost: evil", b"\xff\xfe"])
def test_while_there_is_no_good_one_the_last_is_sent(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("a.b.c")
    token = BearerFile(path)
    assert token.headers()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert token.headers() == {"Authorization": "Bearer a.b.c"}


def test_before_there_has_been_one_nothing_is_sent(tmp_path: Path) -> None:
    assert BearerFile(tmp_path / "token").headers() == {}


def test_it_is_not_read_for_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "READ_AGAIN_S", 60.0)
    path = tmp_path / "token"
    path.write_text("a.b.c")
    token = BearerFile(path)
    token.headers()
    path.write_text("d.e.f")
    assert token.headers() == {"Authorization": "Bearer a.b.c"}
