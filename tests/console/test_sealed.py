"""What a browser keeps for the console opens for that alone, and not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.balancer.console import sealed
from smartgrid.balancer.console.sealed import Sealer
from smartgrid.runtime.start_error import StartError

SECRET = b"x" * 32
CONTENT = {"owner": "o" * 22, "scopes": ["grid:read"]}


def test_what_was_sealed_opens_with_the_same_secret_until_its_time_is_over():
    text = Sealer(SECRET).seal("session", CONTENT, 100.0)

    assert Sealer(SECRET).open("session", text, 99.9) == {"exp": 100.0, **CONTENT}
    assert Sealer(SECRET).open("session", text, 100.0) is None


def test_it_opens_for_nothing_else_and_with_no_other_secret():
    text = Sealer(SECRET).seal("login 1", CONTENT, 100.0)

    assert Sealer(SECRET).open("session", text, 0.0) is None
    assert Sealer(SECRET).open("login 2", text, 0.0) is None
    assert Sealer(b"y" * 32).open("login 1", text, 0.0) is None


def test_it_tells_nothing_of_what_is_in_it():
    assert "grid" not in Sealer(SECRET).seal("session", CONTENT, 100.0)
    assert Sealer(SECRET).seal("session", CONTENT, 100.0) != Sealer(SECRET).seal("session", CONTENT, 100.0)


@given(st.integers(0, 10_000), st.sampled_from("ABCxyz019-_"))
def test_a_character_changed_anywhere_and_it_does_not_open(place, character):
    text = Sealer(SECRET).seal("session", CONTENT, 100.0)
    place %= len(text) - 1  # the last one has bits that mean nothing
    changed = text[:place] + character + text[place + 1 :]

    assert changed == text or Sealer(SECRET).open("session", changed, 0.0) is None


@given(st.text(max_size=4000))
def test_whatever_a_browser_may_send_is_opened_or_not_and_never_an_error(text):
    assert Sealer(SECRET).open("session", text, 0.0) is None


def test_a_secret_that_is_too_short_is_refused(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("short")

    with pytest.raises(StartError, match="32 random bytes"):
        sealed.load(path)


def test_without_a_secret_each_process_has_its_own():
    assert sealed.load(None).open("session", sealed.load(None).seal("session", CONTENT, 100.0), 0.0) is None
