"""Charger times put right: 1970, local time, and queues, told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.messages.charger_clock import ChargerClock, parse_time, utc_text

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:00:00.000Z",
        "2027-01-15T08:00:00",
        "2027-01-15T09:00:00+01:00",
        "2027-01-15 08:00:00",
        "2027-01-15t08:00:00z",
    ],
)
def test_a_time_in_whichever_form(text: str) -> None:
    assert parse_time(text) == NOW_S


@pytest.mark.parametrize("text", ["", "now", None, 5, [], "2027-13-45T99:00:00Z", "Z" * 5000])
def test_what_is_not_a_time_is_read_as_nothing(text: object) -> None:
    assert parse_time(text) is None


def test_times_are_told_in_utc_with_milliseconds_and_a_z() -> None:
    assert utc_text(NOW_S) == "2027-01-15T08:00:00.000Z"


def test_a_clock_that_is_right_is_believed_also_of_what_is_old() -> None:
    clock = ChargerClock()
    clock.told(NOW_S, NOW_S + 1)
    assert clock.right(NOW_S - HOUR_S, NOW_S + 1) == NOW_S - HOUR_S
    assert clock.is_late(NOW_S - HOUR_S, NOW_S + 1)


@pytest.mark.parametrize("off_h", [-2, 1, 5.5])
def test_local_time_is_seen_by_a_message_that_is_told_at_once(off_h: float) -> None:
    clock = ChargerClock()
    clock.told(NOW_S - off_h * HOUR_S, NOW_S, is_live=True)
    assert clock.right(NOW_S - off_h * HOUR_S, NOW_S) == NOW_S
    assert clock.ahead_s == -off_h * HOUR_S
    assert not clock.is_late(NOW_S - off_h * HOUR_S, NOW_S)


def test_a_clock_that_is_ahead_is_seen_by_any_message_as_nothing_is_told_before_it_happens() -> None:
    clock = ChargerClock()
    clock.told(NOW_S + HOUR_S, NOW_S)
    assert clock.ahead_s == HOUR_S


def test_a_queue_is_no_clock_that_is_behind() -> None:
    clock = ChargerClock()
    for n in range(100):
        clock.told(NOW_S - 2 * HOUR_S + 60 * n, NOW_S + n * 0.1)
    assert clock.ahead_s == 0.0


def test_messages_that_are_off_by_the_same_for_minutes_are_of_a_clock_that_is_behind() -> None:
    clock = ChargerClock()
    for n in range(13):
        clock.told(NOW_S - HOUR_S + 10 * n, NOW_S + 10 * n)
    assert clock.ahead_s == -HOUR_S


def test_a_status_from_a_queue_is_not_believed_where_a_message_shows_the_clock_right() -> None:
    clock = ChargerClock()
    clock.told(NOW_S, NOW_S)
    clock.told(NOW_S - HOUR_S, NOW_S + 1, is_live=True)
    assert clock.ahead_s == 0.0


def test_a_clock_of_1970_is_put_right_by_itself_and_so_is_what_it_told_in_the_queue() -> None:
    clock = ChargerClock()
    clock.told(100.0, NOW_S, is_live=True)
    assert clock.right(100.0, NOW_S) == NOW_S
    assert clock.right(40.0, NOW_S) == NOW_S - 60
    assert clock.ahead_s == 100.0 - NOW_S


def test_a_charger_that_boots_sets_its_clock() -> None:
    clock = ChargerClock()
    clock.told(NOW_S - HOUR_S, NOW_S, is_live=True)
    clock.booted()
    clock.told(NOW_S + 1, NOW_S + 1)
    assert clock.ahead_s == 0.0


times = st.floats(0, 2e9)


@given(st.lists(st.tuples(times, st.booleans())), times)
def test_nothing_ever_happened_in_the_future(told: list[tuple[float, bool]], last: float) -> None:
    clock = ChargerClock()
    for n, (time_s, is_live) in enumerate(told):
        clock.told(time_s, NOW_S + n, is_live=is_live)
    assert clock.right(last, NOW_S + len(told)) <= NOW_S + len(told)


def test_a_clock_that_is_set_back_is_seen_by_the_next_event_of_a_transaction() -> None:
    clock = ChargerClock()
    clock.told_of("tx", 4, NOW_S, NOW_S, is_queued=False)
    back_s = NOW_S + 10 - 5 * HOUR_S
    clock.told_of("tx", 5, back_s, NOW_S + 10, is_queued=False)
    assert clock.right(back_s, NOW_S + 10) == NOW_S + 10
    assert not clock.is_late(back_s, NOW_S + 10)


def test_an_earlier_event_that_comes_after_a_later_one_is_of_a_queue() -> None:
    clock = ChargerClock()
    clock.told_of("tx", 5, NOW_S, NOW_S, is_queued=False)
    clock.told_of("tx", 4, NOW_S - HOUR_S, NOW_S + 1, is_queued=False)
    assert clock.is_late(NOW_S - HOUR_S, NOW_S + 1)
    assert clock.off_s == 0


def test_an_older_transaction_that_comes_from_a_queue_sets_no_clock_back() -> None:
    clock = ChargerClock()
    clock.told_of("new", 3, NOW_S, NOW_S, is_queued=False)
    clock.told_of("old", 0, NOW_S - HOUR_S, NOW_S + 1, is_queued=False)
    clock.told_of("old", 1, NOW_S - HOUR_S + 60, NOW_S + 2, is_queued=False)
    assert clock.off_s == 0


def test_an_event_of_a_queue_does_not_say_by_how_much_the_clock_was_set_back_and_the_next_one_does() -> None:
    clock = ChargerClock()
    clock.told_of("tx", 4, NOW_S, NOW_S, is_queued=False)
    clock.told_of("tx", 5, NOW_S - 3 * HOUR_S, NOW_S + HOUR_S, is_queued=True)
    assert clock.off_s == 0
    back_s = NOW_S - 2 * HOUR_S
    clock.told(back_s, NOW_S + HOUR_S, is_live=True)
    assert clock.right(back_s, NOW_S + HOUR_S) == NOW_S + HOUR_S


def test_a_guess_that_the_clock_was_set_back_too_far_is_mended_by_the_next_message() -> None:
    """A queue that does not say that it is one."""
    clock = ChargerClock()
    clock.told_of("tx", 4, NOW_S, NOW_S, is_queued=False)
    clock.told_of("tx", 5, NOW_S - 3 * HOUR_S, NOW_S + HOUR_S, is_queued=False)
    clock.told_of("tx", 6, NOW_S - 2 * HOUR_S, NOW_S + HOUR_S, is_queued=False)
    assert clock.off_s == 3 * HOUR_S


def test_of_many_transactions_the_last_ones_are_kept() -> None:
    clock = ChargerClock()
    for number in range(1000):
        clock.told_of(str(number), 0, NOW_S + number, NOW_S + number, is_queued=False)
    clock.told_of("999", 1, NOW_S - HOUR_S, NOW_S + 1000, is_queued=False)
    assert clock.off_s == HOUR_S + 1000
