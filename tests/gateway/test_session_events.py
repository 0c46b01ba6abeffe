"""What a client that follows a session is told, and what is no news."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smartgrid.gateway.session_events import KEEP_ALIVE_S, LONGEST_S, SessionEvents, event, event_id

WAITING: dict[str, Any] = {
    "session_id": "substation-0.x",
    "state": "Waiting",
    "position": 3,
    "expected_start": "2027-01-01T12:00:00.000Z",
    "vehicle_id": "two\nlines are one in JSON",
    "power_kw": 0.0,
}


def changed(**fields: object) -> dict[str, Any]:
    return {**WAITING, **fields}


def test_an_event_is_one_line_of_data_with_the_whole_session() -> None:
    name, identifier, data, *rest = event(WAITING).split(b"\n")
    assert (name, rest) == (b"event: session", [b"", b""])
    assert identifier == b"id: " + event_id(WAITING).encode()
    assert json.loads(data.removeprefix(b"data: ")) == WAITING


def test_the_first_one_says_when_to_come_back() -> None:
    assert SessionEvents(WAITING, 0).first(2500) == b"retry: 2500\n" + event(WAITING)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "Charging", "position": None, "expected_start": None},
        {"position": 2},
        {"expected_start": "2027-01-01T12:00:01.000Z"},
        {"expected_start": "2027-01-01T11:59:58Z"},
        {"expected_start": None},
        {"session_id": "substation-1.y"},  # the car was moved
    ],
)
def test_news_is_told_once(fields: dict[str, object]) -> None:
    events = SessionEvents(WAITING, 0)
    assert events.seen(changed(**fields), 1) == event(changed(**fields))
    assert events.seen(changed(**fields), 2) is None


@pytest.mark.parametrize("fields", [{}, {"power_kw": 3.5}, {"expected_start": "2027-01-01T12:00:00.999Z"}])
def test_what_is_no_news(fields: dict[str, object]) -> None:
    assert SessionEvents(WAITING, 0).seen(changed(**fields), 1) is None


def test_small_moves_of_the_expected_start_add_up_to_news() -> None:
    events = SessionEvents(WAITING, 0)
    assert events.seen(changed(expected_start="2027-01-01T12:00:00.600Z"), 1) is None
    assert events.seen(changed(expected_start="2027-01-01T12:00:01.200Z"), 2) is not None


def test_a_comment_keeps_the_connection_alive_where_nothing_was_said() -> None:
    events = SessionEvents(WAITING, 0)
    assert events.keep_alive(KEEP_ALIVE_S - 0.1) is None
    assert events.keep_alive(KEEP_ALIVE_S) == b": keep-alive\n\n"
    assert events.keep_alive(KEEP_ALIVE_S + 1) is None
    events.seen(changed(position=2), KEEP_ALIVE_S + 10)
    assert events.keep_alive(2 * KEEP_ALIVE_S + 9) is None
    assert events.keep_alive(2 * KEEP_ALIVE_S + 10) is not None


def test_it_is_complete_with_the_end_of_the_session() -> None:
    events = SessionEvents(WAITING, 0)
    assert not events.is_complete
    events.seen(changed(state="Idle", position=None), 1)
    assert events.is_complete


def test_in_the_end_a_client_must_connect_anew() -> None:
    events = SessionEvents(WAITING, 0)
    assert not events.is_long_enough(LONGEST_S - 1)
    assert events.is_long_enough(LONGEST_S)


def test_the_id_is_the_same_for_what_tells_the_same() -> None:
    assert event_id(WAITING) == event_id(changed(power_kw=1))
    assert event_id(WAITING) != event_id(changed(state="Idle"))
