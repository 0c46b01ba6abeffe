"""The books: what is promised is kept, over restarts and crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.substation.ledger import (
    HEARTBEAT_S,
    DepartureError,
    DrainingError,
    KeyReusedError,
    KeyVoidedError,
    NoRoomError,
    StorageError,
)
from support.books import START_WALL_S, Books, SetClock, a_car
from support.processes import wait_until

HOUR_S = 3600.0


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def open_books(tmp_path: Path, clock: SetClock) -> Iterator[Callable[..., Books]]:
    opened: list[Books] = []

    def open_at(folder: Path = tmp_path / "data", **options: float) -> Books:
        opened.append(Books(folder, clock, **options))
        return opened[-1]

    yield open_at
    for books in opened:
        books.close()


@pytest.fixture
def books(open_books: Callable[..., Books]) -> Books:
    return open_books()


# ---------------------------------------------------------------------- bounds


def test_cars_that_want_next_to_nothing_do_not_fill_the_memory(books: Books) -> None:
    next_to_nothing = ChargeRequest("EV", 1, PowerRange(1e-9, 11))
    books.ledger._substation.restore(Session(str(n), next_to_nothing, books.clock.now_s()) for n in range(2000))
    assert books.refusal(a_car(), None) is NoRoomError


# ---------------------------------------------------------------------- keys


def test_the_same_key_is_the_same_session(books: Books) -> None:
    first = books.ledger.charge(a_car(), "k")
    again = books.ledger.charge(a_car(), "k")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.record.session_id == first.record.session_id
    assert books.ledger.status().active_sessions == 1


def test_a_key_belongs_to_one_request(books: Books) -> None:
    books.ledger.charge(a_car(), "k")
    assert books.refusal(a_car(energy_kwh=23), "k") is KeyReusedError


def test_a_key_outlives_its_session(books: Books) -> None:
    first = books.ledger.charge(a_car(), "k")
    books.ledger.stop(first.record.session_id)
    again = books.ledger.charge(a_car(), "k")
    assert (again.replayed, again.record.state) == (True, "Idle")


def test_a_key_outlives_its_departure(books: Books, clock: SetClock) -> None:
    car = a_car(departure_s=clock.now_s() + HOUR_S)
    first = books.ledger.charge(car, "k")
    clock.pass_s(2 * HOUR_S)
    assert books.ledger.charge(car, "k").record.session_id == first.record.session_id


def test_a_replay_shows_the_session_as_it_is_now(books: Books, clock: SetClock) -> None:
    books.ledger.charge(a_car(), "k")
    clock.pass_s(HOUR_S)
    assert books.ledger.charge(a_car(), "k").record.delivered_kwh == 11


def test_one_key_from_many_threads_at_once_is_one_session(books: Books) -> None:
    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(lambda _: books.ledger.charge(a_car(), "k").record.session_id, range(60)))
    assert len(found) == 1
    assert books.ledger.status().active_sessions == 1


def test_a_voided_key_is_refused(books: Books) -> None:
    assert books.ledger.void("k") is None
    assert books.refusal(a_car(), "k") is KeyVoidedError


def test_voiding_ends_the_session_and_refuses_the_key(books: Books) -> None:
    books.ledger.charge(a_car(), "k")
    ended = books.ledger.void("k")
    assert ended is not None
    assert (ended.state, ended.end_reason) == ("Idle", "Stopped")
    assert books.ledger.find_key("k") is None
    assert books.refusal(a_car(), "k") is KeyVoidedError


def test_voiding_twice_is_voiding_once(books: Books) -> None:
    first = books.ledger.charge(a_car(), "k").record.session_id
    books.ledger.void("k")
    assert books.ledger.void("k") is None
    found = books.ledger.find(first)
    assert found is not None
    assert (found.state, found.idempotency_key) == ("Idle", None)


def test_voiding_an_early_attempt_leaves_a_later_one_alone(books: Books) -> None:
    first = books.ledger.charge(a_car(), "k", attempt=1).record.session_id
    books.ledger.charge(a_car(), "k", attempt=3)
    assert books.ledger.void("k", before=2) is None
    found = books.ledger.find_key("k")
    assert found is not None
    assert (found.session_id, found.state) == (first, "Charging")


def test_a_late_request_of_a_voided_attempt_is_refused(books: Books) -> None:
    books.ledger.void("k", before=2)
    with pytest.raises(KeyVoidedError):
        books.ledger.charge(a_car(), "k", attempt=1)
    assert not books.ledger.charge(a_car(), "k", attempt=2).replayed


def test_keys_and_voids_survive_a_crash(books: Books, open_books: Callable[..., Books], tmp_path: Path) -> None:
    kept = books.ledger.charge(a_car(), "kept").record.session_id
    books.ledger.charge(a_car(), "ended")
    books.ledger.void("ended")
    books.ledger.void("never seen")
    after = open_books(books.crash(tmp_path / "after"))
    assert after.ledger.charge(a_car(), "kept").record.session_id == kept
    assert after.refusal(a_car(), "ended") is KeyVoidedError
    assert after.refusal(a_car(), "never seen") is KeyVoidedError


# ---------------------------------------------------------------------- refusals


def test_no_room_is_said_so(open_books: Callable[..., Books]) -> None:
    books = open_books(capacity_kw=11)
    books.ledger.charge(a_car(min_kw=11), None)
    assert books.refusal(a_car(min_kw=11)) is NoRoomError


def test_a_departure_must_be_to_come(books: Books, clock: SetClock) -> None:
    assert books.refusal(a_car(departure_s=clock.now_s())) is DepartureError


def test_a_draining_substation_admits_no_one_but_replays(books: Books) -> None:
    first = books.ledger.charge(a_car(), "k")
    books.ledger.drain()
    assert books.refusal(a_car()) is DrainingError
    assert books.ledger.charge(a_car(), "k").record.session_id == first.record.session_id


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
    session_id = books.ledger.charge(a_car(), None).record.session_id
    clock.pass_s(HOUR_S)
    books.ledger.set_capacity(99)  # notes the time
    folder = books.crash(tmp_path / "after")
    clock.pass_s(5 * HOUR_S)
    after = open_books(folder)
    found = after.ledger.find(session_id)
    assert found is not None
    assert (found.delivered_kwh, found.state, found.started_wall_s) == (11, "Charging", START_WALL_S)


def test_the_substation_notes_by_itself_that_it_lives(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    session_id = books.ledger.charge(a_car(), None).record.session_id
    clock.pass_s(HOUR_S)
    wait_until(lambda: (meta := books.store.meta()) is not None and meta.alive_wall_s >= START_WALL_S + HOUR_S)
    after = open_books(books.crash(tmp_path / "after"))
    found = after.ledger.find(session_id)
    assert found is not None
    assert found.delivered_kwh == 11


def test_who_left_in_an_outage_lost_power(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    session_id = books.ledger.charge(a_car(departure_s=clock.now_s() + HOUR_S), None).record.session_id
    folder = books.crash(tmp_path / "after")
    clock.pass_s(5 * HOUR_S)
    found = open_books(folder).ledger.find(session_id)
    assert found is not None
    assert (found.end_reason, found.delivered_kwh, found.ended_wall_s) == ("PowerLoss", 0, START_WALL_S + HOUR_S)


def test_an_end_in_order_keeps_the_last_watt_hour(
    books: Books, open_books: Callable[..., Books], clock: SetClock
) -> None:
    session_id = books.ledger.charge(a_car(), None).record.session_id
    clock.pass_s(HOUR_S)
    books.close()
    found = open_books().ledger.find(session_id)
    assert found is not None
    assert found.delivered_kwh == 11


def test_an_end_in_order_during_a_commit_keeps_it_too(
    books: Books, open_books: Callable[..., Books], clock: SetClock
) -> None:
    books.ledger.charge(a_car(energy_kwh=0.1), None)
    session_id = books.ledger.charge(a_car(), None).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        clock.pass_s(60)  # the first one is full, and the keeper writes that
        assert books.store.is_committing.wait(10)
        clock.pass_s(HOUR_S)
        closing = threads.submit(books.close)
        wait_until(lambda: books.ledger._stopping)
        books.store.may_commit.set()
        closing.result(10)
    found = open_books().ledger.find(session_id)
    assert found is not None
    assert found.delivered_kwh == pytest.approx(11 * (HOUR_S + 60) / HOUR_S)


def test_sessions_come_back_oldest_first(open_books: Callable[..., Books], tmp_path: Path) -> None:
    """The newest is the one to be suspended, also after a crash."""
    books = open_books(capacity_kw=33)
    ids = [books.ledger.charge(a_car(min_kw=11), None).record.session_id for _ in range(3)]
    after = open_books(books.crash(tmp_path / "after"))
    after.ledger.set_capacity(22)
    assert [found.state for i in ids if (found := after.ledger.find(i))] == ["Charging", "Charging", "SuspendedEVSE"]


def test_the_revision_never_goes_back(books: Books, open_books: Callable[..., Books], tmp_path: Path) -> None:
    books.ledger.charge(a_car(), None)
    before = books.ledger.status().revision
    after = open_books(books.crash(tmp_path / "after"))
    assert after.ledger.status().revision > before


def test_ended_sessions_are_told_once(books: Books, clock: SetClock) -> None:
    books.ledger.charge(a_car(energy_kwh=11), None)
    stopped = books.ledger.charge(a_car(), None).record.session_id
    clock.pass_s(HOUR_S)
    books.ledger.stop(stopped)
    books.ledger.stop(stopped)
    assert [session.end_reason for session in books.ended] == ["EnergyDelivered", "Stopped"]


# ---------------------------------------------------------------------- a disk that does not take it


def test_what_the_disk_does_not_take_is_not_acknowledged(books: Books) -> None:
    books.store.full = True
    assert books.refusal(a_car(), "k") is StorageError
    assert books.ledger.status().active_sessions == 0
    assert books.ledger.find_key("k") is None
    assert books.ledger.storage_fault() == "database or disk is full"


def wait_for_recovery(books: Books, clock: SetClock) -> None:
    """Time has to go on: the keeper tries the disk again with its next heartbeat."""

    def recovered() -> bool:
        clock.pass_s(HEARTBEAT_S)
        return books.ledger.storage_fault() is None

    wait_until(recovered)


def test_the_books_recover_by_themselves(books: Books, clock: SetClock) -> None:
    kept = books.ledger.charge(a_car(), "before").record.session_id
    books.store.full = True
    assert books.refusal(a_car(), "k") is StorageError
    books.store.full = False
    wait_for_recovery(books, clock)
    assert not books.ledger.charge(a_car(), "k").replayed
    assert books.ledger.charge(a_car(), "before").record.session_id == kept


def test_an_end_during_a_full_disk_is_recorded_later(
    books: Books, open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """Of two sessions in the same commit one is taken back; that the other is full must not be forgotten with it."""
    filling = books.ledger.charge(a_car(energy_kwh=11), None).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        refused = threads.submit(books.refusal, a_car(), "k")
        assert books.store.is_committing.wait(10)
        books.store.full = True
        clock.pass_s(2 * HOUR_S)  # the first one is full by now, and no one has looked
        books.store.may_commit.set()
        assert refused.result(10) is StorageError
    books.store.full = False
    wait_for_recovery(books, clock)
    found = books.ledger.find(filling)
    assert found is not None
    assert (found.state, found.end_reason, found.delivered_kwh) == ("Idle", "EnergyDelivered", 11)
    assert [session.session_id for session in books.ended] == [filling]
    after = open_books(books.crash(tmp_path / "after"))
    assert after.ledger.status().active_sessions == 0


def test_sessions_can_be_read_while_the_disk_is_full(books: Books) -> None:
    kept = books.ledger.charge(a_car(), None).record.session_id
    books.store.full = True
    with pytest.raises(StorageError):
        books.ledger.set_capacity(50)
    assert [record.session_id for _, record in books.ledger.page(10, None, None)] == [kept]
    assert books.ledger.find(kept) is not None


def test_no_one_hears_of_a_session_before_it_is_on_disk(books: Books) -> None:
    """A balancer that lost the answer asks by the key: what it is told, it acknowledges."""
    with books.store.held(), ThreadPoolExecutor(2) as threads:
        refused = threads.submit(books.refusal, a_car(), "k")
        assert books.store.is_committing.wait(10)
        asked = threads.submit(books.ledger.find_key, "k")
        assert not threads_done(asked)
        books.store.full = True
        books.store.may_commit.set()
        assert refused.result(10) is StorageError
        with pytest.raises(StorageError):
            asked.result(10)
    assert books.ledger.find_key("k") is None


def threads_done(future: object) -> bool:
    """Whether it has ended although a moment is all it would need."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())  # type: ignore[attr-defined]
    return done.wait(0.2)


# ---------------------------------------------------------------------- long polls


def test_a_change_ends_a_wait(books: Books) -> None:
    revision = books.ledger.status().revision
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(books.ledger.wait_for_change, revision, 30)
        books.ledger.charge(a_car(), None)
        assert waiting.result(10).revision > revision


def test_draining_ends_a_wait(books: Books) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(books.ledger.wait_for_change, 10**18, 30)
        books.ledger.drain()
        assert waiting.result(10).draining


def test_a_wait_without_change_ends_in_time(books: Books) -> None:
    before = books.ledger.status()
    assert books.ledger.wait_for_change(before.revision, 0.05) == before
