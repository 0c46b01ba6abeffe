"""The book without threads and disk: what a commit takes, and what becomes of it."""

from __future__ import annotations

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.domain.substation import Substation
from smartgrid.runtime.clock import TimeScale
from smartgrid.substation import pending
from smartgrid.substation.book import Book
from smartgrid.substation.holding import Holding
from smartgrid.substation.limits import Limits
from smartgrid.substation.pending import Taken

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0
A_CAR = ChargeRequest("EV-1", 22.0, PowerRange(4.0, 11.0))


@pytest.fixture
def ended() -> list[Session]:
    return []


@pytest.fixture
def book(ended: list[Session]) -> Book:
    book = Book(Substation(100.0, NOW_S), TimeScale(), Limits(), NOW_S, on_end=ended.append)
    book.configure(None, NOW_S)
    commit(book)
    return book


def charge(book: Book, key: str, number: int = 1, wall_s: float = NOW_S) -> Holding:
    holding, _ = book.charge(A_CAR, key, (number,), "fingerprint", wall_s)
    return holding


def take(book: Book) -> Taken:
    taken = book.take()
    assert taken is not None
    return taken


def commit(book: Book) -> Taken:
    taken = take(book)
    book.written(taken)
    return taken


def told(book: Book) -> list[tuple[str, int]]:
    """The keys in the log, with their numbers."""
    return [(entry.digest, entry.number[0]) for entry in book.log]


def test_there_is_nothing_to_take_where_nothing_has_changed(book: Book) -> None:
    charge(book, "k")
    commit(book)
    assert book.take() is None


def test_a_key_is_told_once_it_is_written(book: Book) -> None:
    charge(book, "k")
    taken = take(book)
    assert told(book) == []
    book.written(taken)
    assert told(book) == [("k", 1)]


def test_it_is_told_as_it_was_written_and_not_as_it_is_by_then(book: Book) -> None:
    charge(book, "k", 1)
    taken = take(book)
    charge(book, "k", 2)
    book.written(taken)
    assert told(book) == [("k", 1)]
    commit(book)
    assert told(book) == [("k", 2)]


def test_who_starts_and_ends_before_the_commit_is_written_as_ended(book: Book, ended: list[Session]) -> None:
    holding = charge(book, "k")
    book.advance(NOW_S + 3 * HOUR_S)
    (record,) = commit(book).batch.records
    assert (record.end_reason, record.delivered_kwh) == ("EnergyDelivered", 22)
    assert [session.session_id for session in ended] == [holding.session_id]


def test_an_end_during_a_commit_goes_into_the_next(book: Book, ended: list[Session]) -> None:
    holding = charge(book, "k")
    taken = take(book)
    book.stop(holding.session_id, NOW_S + 60)
    book.written(taken)
    assert (taken.batch.records[0].end_reason, holding.live is not None, ended) == (None, True, [])
    assert commit(book).batch.records[0].end_reason == "Stopped"
    assert holding.live is None
    assert len(ended) == 1


def test_what_was_lost_before_it_was_ever_written_has_never_been(book: Book) -> None:
    kept = charge(book, "kept")
    commit(book)
    charge(book, "in flight")
    taken = take(book)
    charge(book, "since")
    book.lost(taken)
    assert told(book) == [("kept", 1)]
    assert book.status().active_sessions == 1
    assert [record.session_id for record in take(book).batch.records] == []
    assert book.find(kept.session_id) is kept


def test_the_key_of_a_session_that_was_taken_back_is_free(book: Book) -> None:
    first = charge(book, "k")
    book.lost(take(book))
    assert charge(book, "k").session_id != first.session_id


def test_what_has_happened_otherwise_stays_pending(book: Book, ended: list[Session]) -> None:
    stopped, raised = charge(book, "stopped"), charge(book, "raised")
    commit(book)
    book.stop(stopped.session_id, NOW_S)
    book.set_capacity(50, NOW_S)
    taken = take(book)
    charge(book, "raised", 2)
    book.lost(taken)
    assert (ended, book.is_pending(stopped), book.is_pending(raised)) == ([], True, True)
    again = commit(book).batch
    assert again.checkpoint is not None
    assert again.checkpoint.capacity_kw == 50
    assert {(record.session_id, record.end_reason) for record in again.records} == {
        (stopped.session_id, "Stopped"),
        (raised.session_id, None),
    }
    assert told(book) == [("stopped", 1), ("raised", 2)]


def test_of_an_ended_session_only_the_number_is_written(book: Book) -> None:
    holding = charge(book, "k")
    book.stop(holding.session_id, NOW_S)
    commit(book)
    charge(book, "k", 2)
    batch = commit(book).batch
    assert (list(batch.records), list(batch.marks)) == ([], [("2", "", holding.seq)])


def test_a_checkpoint_comes_after_so_many_events(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "CHECKPOINT_EVERY_EVENTS", 3)
    written = []
    for number in range(7):
        charge(book, f"k{number}")
        written.append(commit(book).batch.checkpoint is not None)
    assert written == [False, False, True, False, False, True, False]


def test_a_fault_shows_no_room_and_counts_as_a_change(book: Book) -> None:
    before = book.status()
    assert book.set_fault("full")
    assert not book.set_fault("full")
    assert (book.status().largest_free_kw, book.status().revision) == (0, before.revision + 1)
    assert book.set_fault(None)
    assert book.status().largest_free_kw == before.largest_free_kw
