"""The audit of the cluster tests finds a session that is lost, doubled, or ended though a client was told of it."""

from __future__ import annotations

from harness.books import Books, judge

FIRST = {"substation": "s-0", "session_id": "a", "vehicle_id": "EV-1", "end_reason": None}
SECOND = {"substation": "s-1", "session_id": "b", "vehicle_id": "EV-1", "end_reason": None}
GAVE_WAY = {**FIRST, "end_reason": "Superseded", "superseded_by": "../s-1.b"}


def test_one_session_that_its_client_was_told_of_is_as_it_should_be() -> None:
    assert judge([FIRST], {"EV-1": "s-0.a"}, ["EV-1"]) == Books()


def test_a_session_that_gave_way_to_the_one_that_was_told_is_no_fault() -> None:
    books = judge([GAVE_WAY, SECOND], {"EV-1": "s-1.b"}, ["EV-1"])

    assert (books.faults, books.superseded) == (([], [], []), 1)


def test_a_session_that_no_substation_knows_is_lost() -> None:
    assert judge([FIRST], {"EV-1": "s-0.a", "EV-2": "s-0.c"}, ["EV-1", "EV-2"]).lost == ["s-0.c"]


def test_two_sessions_that_count_are_a_double_also_when_both_have_ended() -> None:
    ended = [{**session, "end_reason": "EnergyDelivered"} for session in (FIRST, SECOND)]

    assert judge(ended, {"EV-1": "s-0.a"}, ["EV-1"]).doubled == ["EV-1"]


def test_two_sessions_of_a_car_that_was_told_of_none_are_a_double() -> None:
    assert judge([FIRST, SECOND], {}, ["EV-1"]).doubled == ["EV-1"]


def test_a_session_that_was_told_last_and_gave_way_is_a_broken_promise() -> None:
    assert judge([GAVE_WAY, SECOND], {"EV-1": "s-0.a"}, ["EV-1"]).broken == ["s-0.a"]
