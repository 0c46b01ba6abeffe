"""What a balancer keeps over restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from smartgrid.balancer import state as state_module
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.state import State
from smartgrid.runtime.start_error import StartError


def test_it_is_all_there_after_a_restart(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.register(Member("a", "http://127.0.0.1:1"))
    first.add_void("a", "key", 5)
    # not closed, as after kill -9

    second = State(tmp_path)

    assert second.registrations() == {Member("a", "http://127.0.0.1:1")}
    assert second.voids("a") == [("key", 5)]
    first.close()
    second.close()


def test_a_void_covers_the_latest_attempt_that_it_was_asked_for(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.add_void("a", "key", 5)
    state.add_void("a", "key", 9)
    state.add_void("a", "key", 7)
    assert state.voids("a") == [("key", 9)]

    state.voided("a", "key", 5)
    assert state.voids("a") == [("key", 9)], "a later attempt has still to be voided"

    state.voided("a", "key", 9)
    assert (state.voids("a"), state.void_count()) == ([], 0)
    state.close()


def test_voids_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_VOIDS", 10)
    monkeypatch.setattr(state_module, "PRUNE_EVERY", 5)
    state = State(tmp_path)
    for i in range(100):
        state.add_void("a", f"key-{i}", 1)
    assert 10 <= state.void_count() <= 15
    assert ("key-99", 1) in state.voids("a")
    state.close()


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "balancer.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
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
