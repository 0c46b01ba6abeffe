"""The log of keys: a reader that takes page after page knows in the end what the log holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.protocol.keys import KeyEntry, KeyLog, digest
from smartgrid.protocol.numbers import MAX_PARTS, attempt, decode, encode, move, second_sending, settled

NOTED = st.tuples(st.integers(0, 9), st.integers(1, 50), st.booleans())


@given(st.lists(st.one_of(NOTED, st.none()), max_size=200), st.integers(1, 5))
def test_whoever_reads_page_by_page_meanwhile_misses_nothing(
    steps: list[tuple[int, int, bool] | None], limit: int
) -> None:
    log, read, position = KeyLog(), dict[str, KeyEntry](), 0
    for step in [*steps, *[None] * (len(steps) + 1)]:
        if step is not None:
            key, number, superseded = step
            log.note(KeyEntry(digest(str(key)), (number,), f"s{key}", superseded))
            continue
        page = log.since(position, limit)
        read |= {entry.session_id: entry for entry in page.entries}
        position = page.position
    assert read == {entry.session_id: entry for entry in log}


def test_the_log_does_not_grow_with_changes_of_the_same_sessions() -> None:
    log = KeyLog()
    for number in range(20_000):
        log.note(KeyEntry(digest("k"), (number,), "s"))
    assert len(log) == 1
    assert len(log._positions) < 5000


def test_attempts_are_numbered_on_from_their_sending() -> None:
    first = (100,)
    in_order = [first, attempt(first, 0, 9), attempt(first, 1, 5), second_sending(first), attempt((101,), 0, 1), (102,)]
    assert in_order == sorted(in_order)
    assert all(decode(encode(number)) == number for number in in_order)
    assert [decode(text) for text in (None, "", "1.", "-1", "\u0661", "9" * 17, ".".join(["1"] * (MAX_PARTS + 1)))] == [
        None
    ] * 7


def test_what_ends_the_waiting_is_above_every_move_and_below_every_later_attempt() -> None:
    waiting = attempt((100,), 0, 9)
    moved = [move(waiting, balancer, nth) for balancer in (2, 2**31) for nth in (1, 2)]
    in_order = [waiting, *moved, settled(waiting), attempt((100,), 1, 5), second_sending((100,))]
    assert in_order == sorted(in_order)


def test_what_is_moved_can_be_moved_again() -> None:
    moved = move(attempt((100,), 0, 9), 2, 1)
    assert moved < move(moved, 3, 1) < settled(moved) < move(attempt((100,), 0, 9), 2, 2)
