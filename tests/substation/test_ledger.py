"""The books: what is promised is kept, over restarts and crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smartgrid.protocol import keys
from smartgrid.protocol.keys import KEY_LIFE_S, KeyEntry
from smartgrid.runtime.start_error import StartError
from smartgrid.substation import group_commit, ledger, rows
from smartgrid.substation.keeper import HEARTBEAT_S
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import (
    DepartureError,
    DrainingError,
    KeyReusedError,
    NoRoomError,
    NotDurableError,
    StorageError,
    SupersededError,
    UnknownOutcomeError,
    UnreadableError,
)
from support.books import START_WALL_S, Books, SetClock, a_car, alive_wall_s
from support.processes import wait_until

HOUR_S = 3600.0


# ---------------------------------------------------------------------- bounds


def test_a_full_book_says_so(open_books: Callable[..., Books]) -> None:
    """There would be power left, but no balancer is to send a car for it."""
    books = open_books(limits=Limits(max_active=2))
    first = books.charge(a_car(energy_kwh=1)).record.session_id
    assert books.ledger.status().largest_free_kw == 96
    books.charge(a_car())
    assert books.ledger.status().largest_free_kw == 0
    assert books.refusal(a_car()) is NoRoomError
    books.ledger.stop(first)
    assert books.ledger.status().largest_free_kw == 96
    assert books.refusal(a_car()) is None


@pytest.mark.parametrize(("capacity_kw", "most"), [(100, 2000), (2000, 2000), (5000, 5000)])
def test_by_default_there_is_a_place_for_each_kw_and_2000_at_least(capacity_kw: float, most: int) -> None:
    assert Limits().most_active(capacity_kw) == most


def test_no_session_lasts_longer_than_the_limit(open_books: Callable[..., Books], clock: SetClock) -> None:
    books = open_books(limits=Limits(max_session_s=2 * HOUR_S))
    endless = books.charge(a_car(min_kw=0.1, max_kw=0.1, energy_kwh=500)).record.session_id
    staying = books.charge(a_car(energy_kwh=500, departure_s=clock.now_s() + 1000 * HOUR_S)).record.session_id
    leaving = books.charge(a_car(energy_kwh=500, departure_s=clock.now_s() + HOUR_S)).record.session_id
    clock.pass_s(10 * HOUR_S)
    found = [books.record(session_id) for session_id in (endless, staying, leaving)]
    assert [(r.end_reason, r.ended_wall_s) for r in found if r] == [
        ("Departed", START_WALL_S + 2 * HOUR_S),
        ("Departed", START_WALL_S + 2 * HOUR_S),
        ("Departed", START_WALL_S + HOUR_S),
    ]


def test_the_limit_is_in_hours_of_the_substations_own_clock(tmp_path: Path) -> None:
    clock = SetClock(60)
    books = Books(tmp_path, clock, limits=Limits(max_session_s=2 * HOUR_S))
    session_id = books.charge(a_car(energy_kwh=500)).record.session_id
    clock.pass_s(121)
    found = books.record(session_id)
    books.close()
    assert found is not None
    assert (found.end_reason, found.ended_wall_s) == ("Departed", START_WALL_S + 120)


# ---------------------------------------------------------------------- keys


def test_the_same_key_is_the_same_session(books: Books) -> None:
    first = books.charge(a_car(), "k")
    again = books.charge(a_car(), "k")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.record.session_id == first.record.session_id
    assert books.ledger.status().active_sessions == 1


def test_a_key_belongs_to_one_request(books: Books) -> None:
    books.charge(a_car(), "k")
    assert books.refusal(a_car(energy_kwh=23), "k") is KeyReusedError


def test_a_key_outlives_its_session(books: Books) -> None:
    first = books.charge(a_car(), "k")
    books.ledger.stop(first.record.session_id)
    again = books.charge(a_car(), "k")
    assert (again.replayed, again.record.state) == (True, "Idle")


def test_a_key_outlives_its_departure(books: Books, clock: SetClock) -> None:
    car = a_car(departure_s=clock.now_s() + HOUR_S)
    first = books.charge(car, "k")
    clock.pass_s(2 * HOUR_S)
    assert books.charge(car, "k").record.session_id == first.record.session_id


def test_a_replay_shows_the_session_as_it_is_now(books: Books, clock: SetClock) -> None:
    books.charge(a_car(), "k")
    clock.pass_s(HOUR_S)
    assert books.charge(a_car(), "k").record.delivered_kwh == 11


def test_one_key_from_many_threads_at_once_is_one_session(books: Books) -> None:
    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(lambda _: books.charge(a_car(), "k").record.session_id, range(60)))
    assert len(found) == 1
    assert books.ledger.status().active_sessions == 1


def log_of(books: Books) -> list[KeyEntry]:
    """What whoever knows nothing is told of the keys."""
    _, page = books.ledger.news(0, None, 0, 0)
    assert page is not None
    return page.entries


def test_a_repeat_raises_the_number_and_a_late_one_does_not(books: Books) -> None:
    session_id = books.charge(a_car(), "k", (10,)).record.session_id
    for number, told in [((20, 1, 7), (20, 1, 7)), ((20, 0, 7), (20, 1, 7)), ((15,), (20, 1, 7)), ((21,), (21,))]:
        assert books.charge(a_car(), "k", number).replayed
        assert log_of(books) == [KeyEntry(keys.digest("k"), told, session_id)]


def test_a_number_that_is_not_greater_costs_no_commit(books: Books) -> None:
    books.charge(a_car(), "k", (10,))
    before = len(books.store.committed)
    books.charge(a_car(), "k", (10,))
    books.charge(a_car(), "k", (9, 5, 7))
    assert len(books.store.committed) == before


def test_a_raised_number_is_on_the_disk_before_the_answer(
    books: Books, open_books: Callable[..., Books], tmp_path: Path
) -> None:
    books.charge(a_car(), "active", (10,))
    ended = books.charge(a_car(), "ended", (10,)).record.session_id
    books.ledger.stop(ended)
    books.charge(a_car(), "active", (20,))
    books.charge(a_car(), "ended", (21,))
    after = open_books(books.crash(tmp_path / "after"))
    assert {entry.number for entry in log_of(after)} == {(20,), (21,)}


def test_superseding_ends_what_has_a_lower_number(books: Books) -> None:
    session_id = books.charge(a_car(), "k", (10,)).record.session_id
    told = books.ledger.supersede(session_id, (10, 0, 7), "../s1.x")
    assert told is not None
    assert (told.record.end_reason, told.record.superseded_by) == ("Superseded", "../s1.x")
    assert [entry.superseded for entry in log_of(books)] == [True]
    with pytest.raises(SupersededError) as refusal:
        books.charge(a_car(), "k", (30,))
    assert refusal.value.extensions == {"superseded_by": "../s1.x"}


def test_superseding_leaves_alone_what_a_later_try_was_told_of(books: Books) -> None:
    session_id = books.charge(a_car(), "k", (10,)).record.session_id
    books.charge(a_car(), "k", (30,))
    told = books.ledger.supersede(session_id, (20,), "../s1.x")
    assert told is not None
    assert (told.record.state, told.record.superseded_by) == ("Charging", "")


def test_a_key_is_remembered_for_a_time_after_its_session_and_its_latest_try(
    open_books: Callable[..., Books], clock: SetClock
) -> None:
    limits = Limits(max_session_s=2 * HOUR_S)
    books = open_books(limits=limits)
    assert limits.key_life_s(clock) == KEY_LIFE_S
    first = books.charge(a_car(), "k", (int(START_WALL_S * 1e6),)).record.session_id
    books.ledger.stop(first)
    clock.pass_s(KEY_LIFE_S - HOUR_S)
    assert books.charge(a_car(), "k", (int(clock.wall_s() * 1e6),)).record.session_id == first
    clock.pass_s(KEY_LIFE_S - HOUR_S)
    assert books.charge(a_car(), "k", (1,)).record.session_id == first
    clock.pass_s(2 * HOUR_S)
    books.ledger.set_capacity(99)  # what is too old is forgotten with the next commit
    assert not books.charge(a_car(), "k").replayed


def test_a_key_outlives_every_session_that_may_have_it_elsewhere(books: Books, clock: SetClock) -> None:
    """The model checker's counterexample `remember`: else a double at a substation that was away would live on."""
    longest_s = Limits().max_session_s
    first = books.charge(a_car(), "k", (int(START_WALL_S * 1e6),)).record.session_id
    books.ledger.stop(first)
    clock.pass_s(longest_s)
    books.ledger.set_capacity(99)
    assert books.charge(a_car(), "k").record.session_id == first


def test_an_active_sessions_key_is_remembered_however_old(books: Books, clock: SetClock) -> None:
    first = books.charge(a_car(min_kw=0.1, max_kw=0.1), "k", (1,)).record.session_id
    clock.pass_s(KEY_LIFE_S + HOUR_S)
    assert books.charge(a_car(min_kw=0.1, max_kw=0.1), "k", (2,)).record.session_id == first


def test_of_too_many_ended_sessions_the_oldest_keys_are_forgotten(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_KEYS", 2)
    books.charge(a_car(energy_kwh=500), "active")
    for number in range(3):
        books.ledger.stop(books.charge(a_car(), f"k{number}").record.session_id)
    books.ledger.set_capacity(99)
    assert [entry.digest for entry in log_of(books)] == [keys.digest(key) for key in ("active", "k1", "k2")]


def test_a_forgotten_key_can_be_used_again_and_again_after_a_restart(
    books: Books, open_books: Callable[..., Books], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Then there are two sessions of it on the disk, and the later one counts."""
    monkeypatch.setattr(rows, "MAX_KEYS", 0)
    books.ledger.stop(books.charge(a_car(), "k").record.session_id)
    books.ledger.set_capacity(99)
    monkeypatch.undo()
    second = books.charge(a_car(), "k").record.session_id
    after = open_books(books.crash(tmp_path / "after"))
    assert after.charge(a_car(), "k").record.session_id == second
    assert [entry.session_id for entry in log_of(after)] == [second]


def test_an_end_that_was_shown_is_on_the_disk(
    books: Books, open_books: Callable[..., Books], clock: SetClock, tmp_path: Path
) -> None:
    """Also one that no one asked for: a session that was full would charge again after a crash."""
    session_id = books.charge(a_car(energy_kwh=1)).record.session_id
    clock.pass_s(HOUR_S)
    shown = books.record(session_id)

    after = open_books(books.crash(tmp_path / "after"))

    assert shown is not None
    assert shown.end_reason == "EnergyDelivered"
    assert after.record(session_id) == shown


def test_an_end_that_comes_while_a_page_is_read_is_on_the_disk_too(
    books: Books, open_books: Callable[..., Books], clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = books.charge(a_car(energy_kwh=1)).record.session_id
    read = books.store.page

    def read_slowly(*asked: Any) -> list[Record]:
        found = read(*asked)
        clock.pass_s(HOUR_S)
        return found

    monkeypatch.setattr(books.store, "page", read_slowly)
    (shown,) = books.ledger.page(10, None, None)

    after = open_books(books.crash(tmp_path / "after"))

    assert shown.end_reason == "EnergyDelivered"
    assert after.record(session_id) == shown


def test_keys_survive_a_crash(books: Books, open_books: Callable[..., Books], tmp_path: Path) -> None:
    kept = books.charge(a_car(), "kept").record.session_id
    ended = books.charge(a_car(), "ended").record.session_id
    books.ledger.stop(ended)
    superseded = books.charge(a_car(), "superseded", (10,)).record.session_id
    books.ledger.supersede(superseded, (11,), "../s1.x")
    before = sorted(log_of(books))
    after = open_books(books.crash(tmp_path / "after"))
    assert sorted(log_of(after)) == before
    assert after.charge(a_car(), "kept").record.session_id == kept
    assert after.charge(a_car(), "ended").record.session_id == ended
    assert after.refusal(a_car(), "superseded") is SupersededError
    assert after.refusal(a_car(energy_kwh=23), "ended") is KeyReusedError


def test_every_start_draws_another_epoch(books: Books, open_books: Callable[..., Books], tmp_path: Path) -> None:
    """So a lost file, or a clock that was set back, is no old news to a balancer."""
    before = books.ledger.status()
    after = open_books(books.crash(tmp_path / "after")).ledger.status()
    assert 0 < before.epoch < 2**53
    assert after.epoch != before.epoch


# ---------------------------------------------------------------------- refusals


def test_no_room_is_said_so(open_books: Callable[..., Books]) -> None:
    books = open_books(capacity_kw=11)
    books.charge(a_car(min_kw=11))
    assert books.refusal(a_car(min_kw=11)) is NoRoomError


def test_a_departure_must_be_to_come(books: Books, clock: SetClock) -> None:
    assert books.refusal(a_car(departure_s=clock.now_s())) is DepartureError


def test_a_draining_substation_admits_no_one_but_replays(books: Books) -> None:
    first = books.charge(a_car(), "k")
    books.ledger.drain()
    assert books.refusal(a_car()) is DrainingError
    assert books.charge(a_car(), "k").record.session_id == first.record.session_id


def test_many_at_once_never_get_more_than_there_is(open_books: Callable[..., Books]) -> None:
    books = open_books(capacity_kw=55)
    with ThreadPoolExecutor(20) as threads:
        refusals = list(threads.map(lambda _: books.refusal(a_car(min_kw=11)), range(40)))
    assert refusals.count(None) == 5
    assert refusals.count(NoRoomError) == 35


# ---------------------------------------------------------------------- capacity


def test_a_capacity_is_drawn_once_and_kept(books: Books, open_books: Callable[..., Books], tmp_path: Path) -> None:
    after = open_books(books.crash(tmp_path / "after"), drawn_kw=81.0)
    assert after.ledger.status().capacity_kw == 100


def test_what_the_operator_set_outlives_the_old_setting(open_books: Callable[..., Books], tmp_path: Path) -> None:
    books = open_books(capacity_kw=90)
    books.ledger.set_capacity(40)
    after = open_books(books.crash(tmp_path / "after"), capacity_kw=90)
    assert after.ledger.status().capacity_kw == 40


def test_a_new_setting_counts(open_books: Callable[..., Books], tmp_path: Path) -> None:
    books = open_books(capacity_kw=90)
    books.ledger.set_capacity(40)
    after = open_books(books.crash(tmp_path / "after"), capacity_kw=91)
    assert after.ledger.status().capacity_kw == 91


# ---------------------------------------------------------------------- outages


def test_an_outage_is_not_delivered(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    session_id = books.charge(a_car()).record.session_id
    clock.pass_s(HOUR_S)
    books.ledger.set_capacity(99)  # notes the time
    folder = books.crash(tmp_path / "after")
    clock.pass_s(5 * HOUR_S)
    after = open_books(folder)
    found = after.record(session_id)
    assert found is not None
    assert (found.delivered_kwh, found.state, found.started_wall_s) == (11, "Charging", START_WALL_S)


def test_the_substation_notes_by_itself_that_it_lives(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    session_id = books.charge(a_car()).record.session_id
    clock.pass_s(HOUR_S)
    wait_until(lambda: alive_wall_s(books.folder) >= START_WALL_S + HOUR_S)
    after = open_books(books.crash(tmp_path / "after"))
    found = after.record(session_id)
    assert found is not None
    assert found.delivered_kwh == 11


def test_who_left_in_an_outage_lost_power(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    session_id = books.charge(a_car(departure_s=clock.now_s() + HOUR_S)).record.session_id
    folder = books.crash(tmp_path / "after")
    clock.pass_s(5 * HOUR_S)
    found = open_books(folder).record(session_id)
    assert found is not None
    assert (found.end_reason, found.delivered_kwh, found.ended_wall_s) == ("PowerLoss", 0, START_WALL_S + HOUR_S)


def test_an_end_in_order_keeps_the_last_watt_hour(
    books: Books, open_books: Callable[..., Books], clock: SetClock
) -> None:
    session_id = books.charge(a_car()).record.session_id
    clock.pass_s(HOUR_S)
    books.close()
    found = open_books().record(session_id)
    assert found is not None
    assert found.delivered_kwh == 11


def test_an_end_in_order_during_a_commit_keeps_it_too(
    books: Books, open_books: Callable[..., Books], clock: SetClock
) -> None:
    books.charge(a_car(energy_kwh=0.1))
    session_id = books.charge(a_car()).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        clock.pass_s(60)  # the first one is full, and the keeper writes that
        assert books.store.is_committing.wait(10)
        clock.pass_s(HOUR_S)
        closing = threads.submit(books.close)
        books.store.may_commit.set()
        closing.result(10)
    found = open_books().record(session_id)
    assert found is not None
    assert found.delivered_kwh == pytest.approx(11 * (HOUR_S + 60) / HOUR_S)


def test_sessions_come_back_oldest_first(open_books: Callable[..., Books], tmp_path: Path) -> None:
    """The newest is the one to be suspended, also after a crash."""
    books = open_books(capacity_kw=33)
    ids = [books.charge(a_car(min_kw=11)).record.session_id for _ in range(3)]
    after = open_books(books.crash(tmp_path / "after"))
    after.ledger.set_capacity(22)
    assert [found.state for i in ids if (found := after.record(i))] == ["Charging", "Charging", "SuspendedEVSE"]


def test_ended_sessions_are_told_once(books: Books, clock: SetClock) -> None:
    books.charge(a_car(energy_kwh=11))
    stopped = books.charge(a_car()).record.session_id
    clock.pass_s(HOUR_S)
    books.ledger.stop(stopped)
    books.ledger.stop(stopped)
    assert [session.end_reason for session in books.ended] == ["EnergyDelivered", "Stopped"]


# ---------------------------------------------------------------------- a disk that does not take it


def test_what_the_disk_does_not_take_is_not_acknowledged(books: Books) -> None:
    books.store.full = True
    assert books.refusal(a_car(), "k") is StorageError
    assert books.ledger.status().active_sessions == 0
    assert log_of(books) == []
    assert books.ledger.storage_fault() == "database or disk is full"


def wait_for_recovery(books: Books, clock: SetClock) -> None:
    """Time has to go on: the keeper tries the disk again with its next heartbeat."""

    def recovered() -> bool:
        clock.pass_s(HEARTBEAT_S)
        return books.ledger.storage_fault() is None

    wait_until(recovered)


def test_the_books_recover_by_themselves(books: Books, clock: SetClock) -> None:
    kept = books.charge(a_car(), "before").record.session_id
    books.store.full = True
    assert books.refusal(a_car(), "k") is StorageError
    books.store.full = False
    wait_for_recovery(books, clock)
    assert not books.charge(a_car(), "k").replayed
    assert books.charge(a_car(), "before").record.session_id == kept


def test_an_end_during_a_full_disk_is_recorded_later(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """Of two sessions in the same commit one is taken back; that the other is full must not be forgotten with it."""
    filling = books.charge(a_car(energy_kwh=11)).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        refused = threads.submit(books.refusal, a_car(), "k")
        assert books.store.is_committing.wait(10)
        books.store.full = True
        clock.pass_s(2 * HOUR_S)  # the first one is full by now, and no one has looked
        books.store.may_commit.set()
        assert refused.result(10) is StorageError
    books.store.full = False
    wait_for_recovery(books, clock)
    found = books.record(filling)
    assert found is not None
    assert (found.state, found.end_reason, found.delivered_kwh) == ("Idle", "EnergyDelivered", 11)
    assert [session.session_id for session in books.ended] == [filling]
    after = open_books(books.crash(tmp_path / "after"))
    assert after.ledger.status().active_sessions == 0


def test_sessions_can_be_read_while_the_disk_is_full(books: Books) -> None:
    kept = books.charge(a_car()).record.session_id
    books.store.full = True
    with pytest.raises(NotDurableError):
        books.ledger.set_capacity(50)
    assert [record.session_id for record in books.ledger.page(10, None, None)] == [kept]
    assert books.record(kept) is not None


def test_what_has_happened_holds_and_is_written_when_the_disk_takes_it(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """An end and a limit are not taken back: whoever asked is told that they are not durable yet."""
    session_id = books.charge(a_car()).record.session_id
    books.store.full = True
    for change in (lambda: books.ledger.stop(session_id), lambda: books.ledger.set_capacity(50)):
        with pytest.raises(NotDurableError):
            change()
        with pytest.raises(NotDurableError):
            change()
    found, status = books.record(session_id), books.ledger.status()
    assert found is not None
    assert (found.state, status.capacity_kw, status.active_sessions) == ("Idle", 50, 0)
    books.store.full = False
    wait_for_recovery(books, clock)
    after = open_books(books.crash(tmp_path / "after"))
    assert (after.record(session_id), after.ledger.status().capacity_kw) == (found, 50)


def test_while_the_disk_takes_nothing_the_status_shows_no_room(books: Books, clock: SetClock) -> None:
    revision = books.ledger.status().revision
    books.store.full = True
    assert books.refusal(a_car()) is StorageError
    full = books.ledger.status()
    assert full.largest_free_kw == 0
    assert full.revision > revision  # so that long polls tell it
    books.store.full = False
    wait_for_recovery(books, clock)
    assert books.ledger.status().largest_free_kw == 100


def test_a_repeat_whose_number_cannot_be_written_must_not_be_placed_elsewhere(books: Books) -> None:
    """Its session is here, so it is not `surely none`."""
    books.charge(a_car(), "k", (10,))
    books.store.full = True
    assert books.refusal(a_car(), "k", (11,)) is UnknownOutcomeError
    assert log_of(books)[0].number == (10,)


def test_after_a_failure_the_next_commit_is_a_checkpoint(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """While the session that was taken back was there, the other one got less: no replay knows of that."""
    kept = books.charge(a_car(min_kw=1, max_kw=100, energy_kwh=500)).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        refused = threads.submit(books.refusal, a_car(min_kw=80, max_kw=80, energy_kwh=500))
        assert books.store.is_committing.wait(10)
        clock.pass_s(HOUR_S)
        books.store.full = True
        books.store.may_commit.set()
        assert refused.result(10) is StorageError
    books.store.full = False
    books.ledger.set_capacity(90)
    found = books.record(kept)
    assert found is not None
    assert found.delivered_kwh == 20
    after = open_books(books.crash(tmp_path / "after")).record(kept)
    assert after == found


def test_no_one_hears_of_a_session_before_it_is_on_disk(books: Books) -> None:
    """Neither by its key, nor in the log: what a balancer is told, it acknowledges."""
    with books.store.held(), ThreadPoolExecutor(2) as threads:
        refused = threads.submit(books.refusal, a_car(), "k")
        assert books.store.is_committing.wait(10)
        asked = threads.submit(books.refusal, a_car(), "k")
        assert not is_done_soon(asked)
        assert log_of(books) == []
        books.store.full = True
        books.store.may_commit.set()
        assert (refused.result(10), asked.result(10)) == (StorageError, StorageError)
    assert log_of(books) == []


def is_done_soon(future: Future[Any]) -> bool:
    """Whether it ends although a moment is all it would need."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(0.2)


# ---------------------------------------------------------------------- a disk that does not answer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second without an answer is long."""
    monkeypatch.setattr(group_commit, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(ledger, "STALL_S", 0.5)


@pytest.mark.usefixtures("impatient")
def test_what_is_under_way_for_too_long_has_an_unknown_outcome_and_stays(open_books: Callable[..., Books]) -> None:
    """It is not refused: it may be written yet, and then a repeat finds it."""
    books = open_books()
    with books.store.held(), ThreadPoolExecutor(2) as threads:
        first = threads.submit(books.charge, a_car(), "first")
        assert books.store.is_committing.wait(10)
        assert books.refusal(a_car(), "second") is UnknownOutcomeError
        assert books.ledger.status().active_sessions == 2
        assert log_of(books) == []
        books.store.may_commit.set()
        first.result(10)
    assert books.charge(a_car(), "second").replayed
    assert len(log_of(books)) == 2


@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_that_turns_out_a_failure_is_taken_back(open_books: Callable[..., Books]) -> None:
    books = open_books()
    with books.store.held(), ThreadPoolExecutor(2) as threads:
        first = threads.submit(books.refusal, a_car(), "first")
        assert books.store.is_committing.wait(10)
        assert books.refusal(a_car(), "second") is UnknownOutcomeError
        books.store.full = True
        books.store.may_commit.set()
        assert first.result(10) is StorageError
    assert books.ledger.status().active_sessions == 0
    assert log_of(books) == []


@pytest.mark.usefixtures("impatient")
def test_a_disk_that_hangs_stops_no_question_and_admits_no_one(open_books: Callable[..., Books]) -> None:
    books = open_books()
    kept = books.charge(a_car(), "kept").record.session_id
    with books.store.held(), ThreadPoolExecutor(2) as threads:
        first = threads.submit(books.charge, a_car(), "first")
        assert books.store.is_committing.wait(10)
        revision = books.ledger.status().revision
        told = threads.submit(books.ledger.news, 0, revision, None, 60)
        status, _ = told.result(30)  # the keeper notices, and the long poll tells it
        assert (status.largest_free_kw, status.active_sessions) == (0, 2)
        assert "has not answered" in str(books.ledger.storage_fault())
        assert books.refusal(a_car(), "late") is StorageError
        assert books.charge(a_car(), "kept", (1,)).record.session_id == kept
        assert [record.session_id for record in books.ledger.page(10, None, None)] == [kept]
        with pytest.raises(UnknownOutcomeError):
            books.ledger.stop(kept)
        books.store.may_commit.set()
        first.result(10)
    found = books.ledger.stop(kept)
    assert found is not None
    assert found.record.state == "Idle"


def test_what_cannot_be_read_is_said_so(books: Books) -> None:
    session_id = books.charge(a_car(), "k", (1,)).record.session_id
    books.ledger.stop(session_id)
    books.store.unreadable = True
    for question in (
        lambda: books.ledger.find(session_id),
        lambda: books.ledger.find("unknown"),
        lambda: books.ledger.stop(session_id),
        lambda: books.ledger.page(10, None, None),
    ):
        with pytest.raises(UnreadableError):
            question()
    assert books.refusal(a_car(), "k", (1,)) is UnknownOutcomeError  # there is a session, though none can be shown


def test_a_read_that_hangs_stops_no_question(books: Books) -> None:
    session_id = books.charge(a_car(), "k").record.session_id
    books.ledger.stop(session_id)
    books.store.may_read.clear()
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(books.ledger.find, session_id)
        repeating = threads.submit(books.charge, a_car(), "k")
        assert not is_done_soon(reading)
        assert books.ledger.status().active_sessions == 0
        assert books.refusal(a_car(), "other") is None
        books.store.may_read.set()
        assert reading.result(10) is not None
        assert repeating.result(10).record.session_id == session_id


def test_keys_are_never_asked_of_the_disk(books: Books) -> None:
    """Who is refused or repeats while the session charges needs no reading."""
    books.store.unreadable = True
    first = books.charge(a_car(), "k").record.session_id
    assert books.charge(a_car(), "k").record.session_id == first
    assert books.refusal(a_car(min_kw=101, max_kw=101), "large") is NoRoomError


# ---------------------------------------------------------------------- clocks


def test_a_clock_that_was_set_back_does_not_stop_the_meter(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """The file is from the future then: the sessions go on from now."""
    session_id = books.charge(a_car(energy_kwh=11)).record.session_id
    clock.pass_s(600)
    books.ledger.set_capacity(99)
    folder = books.crash(tmp_path / "after")
    clock.pass_s(-500)
    after = open_books(folder)
    clock.pass_s(HOUR_S)
    found = after.record(session_id)
    assert found is not None
    assert (found.end_reason, found.delivered_kwh) == ("EnergyDelivered", 11)
    assert found.started_wall_s == START_WALL_S
    assert found.ended_wall_s == pytest.approx(START_WALL_S + 100 + HOUR_S - 600)


def test_a_clock_that_is_far_behind_is_for_the_operator_to_look_at(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    clock.pass_s(24 * HOUR_S)
    session_id = books.charge(a_car()).record.session_id
    folder = books.crash(tmp_path / "after")
    clock.pass_s(-24 * HOUR_S)
    with pytest.raises(StartError) as refusal:
        open_books(folder)
    assert str(refusal.value) == (
        f"{folder}/substation.db was last written at 2027-01-16T08:00:00.000Z, "
        "and this machine's clock says 2027-01-15T08:00:00.000Z: set the clock right; "
        "if it was wrong before and is right now, start once with SMARTGRID_MAX_CLOCK_BACK_S=86460"
    )
    after = open_books(folder, max_clock_back_s=86460)
    found = after.record(session_id)
    assert found is not None
    assert (found.state, found.started_wall_s) == ("Charging", START_WALL_S)


def test_a_clock_that_goes_back_moves_nothing(books: Books, clock: SetClock) -> None:
    session_id = books.charge(a_car()).record.session_id
    clock.pass_s(HOUR_S)
    before = books.record(session_id)
    clock.pass_s(-HOUR_S / 2)
    assert books.record(session_id) == before


# ---------------------------------------------------------------------- long polls


def test_a_change_ends_a_wait(books: Books) -> None:
    revision = books.ledger.status().revision
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(books.ledger.news, 0, revision, None, 30)
        books.charge(a_car())
        assert waiting.result(10)[0].revision > revision


def test_draining_ends_a_wait(books: Books) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(books.ledger.news, 0, 10**18, None, 30)
        books.ledger.drain()
        assert waiting.result(10)[0].draining


def test_a_wait_without_change_ends_in_time(books: Books) -> None:
    before = books.ledger.status()
    assert books.ledger.news(0, before.revision, None, 0.05) == (before, None)
