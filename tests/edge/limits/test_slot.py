"""What may stand in one place of a charger after orders and lost answers."""

from __future__ import annotations

from smartgrid.edge.limits.slot import MOST_LOST, Slot, Written
from smartgrid.edge.ports import RateUnit

A, W = RateUnit.AMPERES, RateUnit.WATTS


def limits(slot: Slot, now_s: float = 0.0) -> set[float | None]:
    return {written.at(now_s) for written in slot.possible()}


def test_at_first_nothing_is_known() -> None:
    assert not Slot().is_known


def test_an_order_without_answer_leaves_two_possibilities_until_a_later_one_is_accepted() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 100))
    slot.accepted(1, 0)
    slot.sent(2, Written(10, A, 100))
    slot.lost(2, 0)
    assert limits(slot) == {16, 10}
    slot.sent(3, Written(8, A, 100))
    slot.accepted(3, 0)
    assert limits(slot) == {8}
    assert slot.is_certain


def test_an_accepted_order_says_nothing_of_one_that_was_sent_after_it() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 100))
    slot.sent(2, Written(20, A, 100))
    slot.accepted(1, 0)
    assert limits(slot) == {16, 20}
    assert slot.in_flight == Written(20, A, 100)


def test_a_refused_order_leaves_what_was_there() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 100))
    slot.accepted(1, 0)
    slot.sent(2, Written(10, A, 100))
    slot.refused(2)
    assert limits(slot) == {16}


def test_what_comes_late_ends_late() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 120, late_s=20))  # 100 s, from when the charger takes it
    slot.lost(1, 50)
    assert limits(slot, 149) == {16}
    slot.forget_ended(151)
    assert limits(slot, 151) == set()


def test_what_was_lost_early_may_still_begin_as_late_as_was_reckoned_with() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 120, late_s=20))
    slot.lost(1, 5)
    assert limits(slot, 119) == {16}


def test_what_was_taken_early_ends_early() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 120, late_s=20))
    slot.accepted(1, 5)
    assert (limits(slot, 104), limits(slot, 106)) == ({16}, {None})


def test_a_profile_of_two_periods_goes_on_after_its_end() -> None:
    slot = Slot()
    slot.sent(1, Written(16, A, 100, then_limit=6))
    slot.accepted(1, 0)
    slot.forget_ended(200)
    assert (limits(slot, 99), limits(slot, 200)) == ({16}, {6})


def test_a_charger_that_never_answers_costs_no_more_memory_and_is_held_by_all_it_may_have() -> None:
    slot = Slot()
    for sequence in range(1, 100):
        slot.sent(sequence, Written(sequence % 17, A if sequence % 2 else W, 1000 - sequence, then_limit=sequence % 7))
        slot.lost(sequence, 0)
    assert len(list(slot.possible())) <= MOST_LOST + 1
    assert max(written.at(0) or 0 for written in slot.possible() if written.unit is A) == 16
    assert max(written.at(5000) or 0 for written in slot.possible() if written.unit is A) == 6


def test_what_lost_orders_go_on_with_is_kept_when_they_are_merged() -> None:
    slot = Slot()
    for sequence in range(1, MOST_LOST + 2):
        slot.sent(sequence, Written(16, A, 1000, then_limit=6 if sequence == 1 else 0))
        slot.lost(sequence, 0)
    assert {written.at(5000) for written in slot.possible()} == {6}
