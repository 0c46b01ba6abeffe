"""The heap whose entries can be moved and taken out, against sorting."""

from __future__ import annotations

import weakref

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.priority_queue import SPARE_ENTRIES, PriorityQueue

MOVES = st.lists(st.tuples(st.integers(0, 8), st.none() | st.integers(0, 5)))
"""Which item goes to which key; None takes it out."""


def in_order(queue: PriorityQueue[int, int]) -> list[tuple[int, int]]:
    found = []
    while (first := queue.peek()) is not None:
        found.append(first)
        queue.discard(first[1])
    return found


@given(MOVES)
def test_gives_back_in_order_of_keys(moves: list[tuple[int, int | None]]) -> None:
    queue, plain = PriorityQueue[int, int](), dict[int, int]()
    for item, key in moves:
        if key is None:
            queue.discard(item)
            plain.pop(item, None)
        else:
            queue.push(item, key)
            plain[item] = key
        assert set(queue) == set(plain)
        assert queue.peek() is None or queue.peek()[0] == min(plain.values())  # type: ignore[index]
    popped = in_order(queue)
    assert [key for key, _ in popped] == sorted(plain.values())
    assert {item: key for key, item in popped} == plain


def test_equal_keys_come_in_the_order_in_which_they_were_pushed() -> None:
    queue = PriorityQueue[int, str]()
    for item in "ecadb":
        queue.push(item, 1)
    assert queue.peek() == (1, "e")
    queue.discard("e")
    assert queue.peek() == (1, "c")


@given(MOVES)
def test_all_keys_can_change_at_once(moves: list[tuple[int, int | None]]) -> None:
    queue = PriorityQueue[int, int]()
    for item, key in moves:
        queue.push(item, key or 0)
    queue.rekey(lambda item: -item)
    assert in_order(queue) == sorted((-item, item) for item in {item for item, _ in moves})


class Thing:
    pass


def test_does_not_hold_on_to_what_has_been_taken_out() -> None:
    queue, alive = PriorityQueue[int, Thing](), weakref.WeakSet[Thing]()
    for key in range(1000):
        thing = Thing()
        alive.add(thing)
        queue.push(thing, key)
        queue.discard(thing)
    assert len(alive) <= SPARE_ENTRIES + 2


def test_an_item_that_moves_for_ever_takes_no_more_room() -> None:
    queue = PriorityQueue[int, str]()
    for key in range(1000):
        queue.push("ever later", key)
    assert len(queue._heap) <= SPARE_ENTRIES + 2
    assert queue.peek() == (999, "ever later")
