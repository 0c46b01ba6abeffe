"""Who finds no room may wait: the books with a list, on a real file, with a clock that the test sets.

Cars are rigid unless said otherwise, at a substation of 100 kW; an hour at 80 kW is 80 kWh.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smartgrid.domain.quotas import Quota
from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SessionState
from smartgrid.protocol import keys
from smartgrid.substation.charger_ledger import ChargerLedger
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.recovery import open_book
from smartgrid.substation.refusals import (
    DrainingError,
    KeyReusedError,
    NoRoomError,
    QuotaError,
    StorageError,
    SupersededError,
)
from smartgrid.substation.store import Store
from support.books import START_WALL_S, Books, SetClock, a_car
from support.processes import wait_until

HOUR_S = 3600.0


def rigid(kw: float = 80.0, hours: float = 1.0, departure_s: float | None = None) -> ChargeRequest:
    return a_car(kw, kw, kw * hours, departure_s)


def line(books: Books) -> list[str]:
    return [record.session_id for record in books.ledger.waiting(200)]


def states(books: Books, *session_ids: str) -> list[str]:
    return [record.state if (record := books.record(i)) else "" for i in session_ids]


def found(books: Books, session_id: str) -> Record:
    record = books.record(session_id)
    assert record is not None
    return record


# ---------------------------------------------------------------------- joining


def test_who_finds_room_does_not_wait(books: Books) -> None:
    told = books.wait(rigid())
    assert (told.record.state, told.record.joined_wall_s) == ("Charging", None)


def test_who_finds_none_joins_the_list(books: Books) -> None:
    books.charge(rigid(hours=2))
    record = books.wait(rigid()).record
    assert (record.state, record.power_kw, record.delivered_kwh) == ("Waiting", 0, 0)
    assert (record.started_wall_s, record.joined_wall_s) == (None, START_WALL_S)
    assert (record.position, record.expected_start_wall_s) == (1, START_WALL_S + 2 * HOUR_S)
    assert books.wait(rigid()).record.position == 2


def test_who_does_not_want_to_wait_is_refused_and_overtakes_nobody(books: Books) -> None:
    books.charge(rigid())
    books.wait(rigid(90))
    assert books.refusal(rigid(20, hours=2)) is NoRoomError  # it would still be there when the first is to start
    assert books.refusal(rigid(20, hours=0.5)) is None  # it is gone by then


def test_a_list_that_is_full_takes_no_one(open_books: Callable[..., Books]) -> None:
    books = open_books(limits=Limits(max_waiting=1))
    books.charge(rigid())
    books.wait(rigid())
    with pytest.raises(NoRoomError):
        books.wait(rigid())


def test_a_list_of_no_places_is_none_at_all(open_books: Callable[..., Books]) -> None:
    books = open_books(limits=Limits(max_waiting=0))
    assert books.wait(rigid()).record.state == "Charging"
    with pytest.raises(NoRoomError):
        books.wait(rigid())


def test_a_car_that_is_larger_than_the_substation_does_not_wait_for_ever(books: Books) -> None:
    with pytest.raises(NoRoomError):
        books.wait(rigid(101))


def test_nobody_joins_whose_patience_has_ended(books: Books) -> None:
    books.charge(rigid())
    with pytest.raises(NoRoomError):
        books.wait(rigid(), until_wall_s=START_WALL_S)


def test_nobody_joins_where_the_substation_drains(books: Books) -> None:
    books.charge(rigid())
    books.ledger.set_draining(True)
    with pytest.raises(DrainingError):
        books.wait(rigid())


# ---------------------------------------------------------------------- starting


def test_the_next_starts_the_moment_the_other_ends(books: Books, clock: SetClock) -> None:
    books.charge(rigid(hours=1))
    second, third = (books.wait(rigid(hours=1)).record.session_id for _ in range(2))
    clock.pass_s(2.5 * HOUR_S)
    assert states(books, second, third) == ["Idle", "Charging"]
    assert found(books, second).started_wall_s == START_WALL_S + HOUR_S
    assert found(books, third).started_wall_s == START_WALL_S + 2 * HOUR_S
    assert found(books, third).delivered_kwh == 40
    assert books.waited_s == [HOUR_S, 2 * HOUR_S]


@pytest.mark.parametrize("how", ["stop", "supersede", "limit", "drain is over"])
def test_whatever_frees_power_starts_the_next(books: Books, how: str) -> None:
    first = books.charge(rigid(hours=9)).record.session_id
    second = books.wait(rigid()).record.session_id
    match how:
        case "stop":
            books.ledger.stop(first)
        case "supersede":
            books.ledger.supersede(first, (2**60,), "../s1.x")
        case "limit":
            books.ledger.set_capacity(160)
        case "drain is over":
            books.ledger.set_draining(True)
            books.ledger.stop(first)
            assert states(books, second) == ["Waiting"]
            books.ledger.set_draining(False)
    assert states(books, second) == ["Charging"]


def test_who_leaves_may_have_held_another_back(books: Books) -> None:
    books.charge(rigid(50, hours=9))
    large = books.wait(rigid(100)).record.session_id
    small = books.wait(rigid(50, hours=9.5)).record.session_id
    assert states(books, large, small) == ["Waiting", "Waiting"]
    books.ledger.stop(large)
    assert states(books, small) == ["Charging"]


def test_nobody_starts_beyond_the_bound_on_sessions(open_books: Callable[..., Books]) -> None:
    books = open_books(limits=Limits(max_active=1))
    first = books.charge(rigid(10)).record.session_id
    waiting = [books.wait(rigid(10)).record.session_id for _ in range(2)]
    assert states(books, *waiting) == ["Waiting", "Waiting"]
    books.ledger.stop(first)
    assert states(books, *waiting) == ["Charging", "Waiting"]


def test_a_direct_charge_that_frees_nothing_leaves_the_expected_starts_true(books: Books, clock: SetClock) -> None:
    books.charge(rigid(50, hours=1))
    books.charge(rigid(50, hours=2))
    large = books.wait(rigid(100)).record.session_id
    clock.pass_s(1.25 * HOUR_S)
    books.charge(rigid(50, hours=0.5))  # ahead of it, as it is gone by then
    assert found(books, large).expected_start_wall_s == START_WALL_S + 2 * HOUR_S
    clock.pass_s(HOUR_S)
    assert found(books, large).started_wall_s == START_WALL_S + 2 * HOUR_S


def test_who_will_not_start_as_things_stand_expects_nothing(books: Books) -> None:
    books.charge(rigid(hours=2))
    record = books.wait(rigid(departure_s=START_WALL_S + HOUR_S)).record
    assert (record.position, record.expected_start_wall_s) == (1, None)


# ---------------------------------------------------------------------- leaving


def test_a_car_leaves_at_its_departure(books: Books, clock: SetClock) -> None:
    books.charge(rigid(hours=9))
    waiting = books.wait(rigid(departure_s=START_WALL_S + HOUR_S)).record.session_id
    clock.pass_s(2 * HOUR_S)
    record = found(books, waiting)
    assert (record.state, record.end_reason, record.ended_wall_s) == ("Idle", "Departed", START_WALL_S + HOUR_S)
    assert (record.started_wall_s, record.delivered_kwh) == (None, 0)


def test_a_car_leaves_when_its_patience_ends(books: Books, clock: SetClock) -> None:
    books.charge(rigid(hours=9))
    waiting = books.wait(rigid(), until_wall_s=START_WALL_S + 60).record.session_id
    clock.pass_s(61)
    record = found(books, waiting)
    assert (record.end_reason, record.ended_wall_s, record.wait_until_wall_s) == (
        "WaitExpired",
        START_WALL_S + 60,
        START_WALL_S + 60,
    )
    assert line(books) == []


def test_waiting_counts_towards_the_longest_stay(open_books: Callable[..., Books], clock: SetClock) -> None:
    books = open_books(limits=Limits(max_session_s=2 * HOUR_S))
    books.charge(rigid(80, hours=1))
    waiting = books.wait(rigid(80, hours=5)).record.session_id
    clock.pass_s(9 * HOUR_S)
    record = found(books, waiting)
    assert (record.end_reason, record.ended_wall_s) == ("Departed", START_WALL_S + 2 * HOUR_S)
    assert record.delivered_kwh == 80


def test_a_stop_takes_it_off_the_list(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid()).record.session_id
    told = books.ledger.stop(waiting)
    assert told is not None
    assert (told.record.state, told.record.end_reason, told.record.started_wall_s) == ("Idle", "Stopped", None)
    assert (told.status.waiting_sessions, line(books)) == (0, [])
    again = books.ledger.stop(waiting)
    assert again is not None
    assert again.record.end_reason == "Stopped"


def test_of_those_that_have_never_charged_no_duration_is_noted(books: Books) -> None:
    books.charge(rigid())
    books.ledger.stop(books.wait(rigid()).record.session_id)
    assert (books.ended, books.waited_s) == ([], [])


# ---------------------------------------------------------------------- what the status says


def test_the_status_says_who_waits_and_shows_no_room(books: Books) -> None:
    books.charge(rigid(50, hours=9))
    before = books.ledger.status()
    waiting = books.wait(rigid(100, hours=1)).record.session_id
    books.wait(a_car(60, 70, 35))
    status = books.ledger.status()
    assert (status.waiting_sessions, status.waiting_kw, status.waiting_kwh) == (2, 170, 135)
    assert (status.active_sessions, status.demand_kw, status.largest_free_kw) == (1, 50, 0)
    assert status.revision > before.revision
    books.ledger.stop(waiting)
    assert books.ledger.status().revision > status.revision


# ---------------------------------------------------------------------- keys and owners


def test_a_repeat_finds_the_session_as_it_is(books: Books) -> None:
    first = books.charge(rigid()).record.session_id
    waiting = books.wait(rigid(), "k").record.session_id
    again = books.wait(rigid(), "k")
    assert (again.record.session_id, again.replayed, again.record.state) == (waiting, True, "Waiting")
    assert books.charge(rigid(), "k").record.session_id == waiting  # whether it waits is no part of the request
    assert books.ledger.status().waiting_sessions == 1
    books.ledger.stop(first)
    assert books.wait(rigid(), "k").record.state == "Charging"
    with pytest.raises(KeyReusedError):
        books.wait(rigid(70), "k")


def test_a_digest_stands_for_owner_and_key(books: Books) -> None:
    told = books.ledger.charge(rigid(), owner="ann", digest=keys.digest("k", "ann"), fingerprint=repr(rigid()))
    assert books.charge(rigid(), "k", owner="ann").record.session_id == told.record.session_id


def test_what_ends_the_waiting_has_a_greater_number_than_any_move(books: Books, clock: SetClock) -> None:
    """A balancer may be moving the car that starts, leaves or is stopped here: of two sessions this one counts then."""
    books.charge(rigid(hours=1))
    starting = books.wait(rigid(), "starting", (5, 0, 7)).record.session_id
    leaving = books.wait(rigid(), "leaving", (6,), until_wall_s=START_WALL_S + 60).record.session_id
    stopped = books.wait(rigid(), "stopped", (7,)).record.session_id
    superseded = books.wait(rigid(), "superseded", (8,)).record.session_id
    books.ledger.stop(stopped)
    books.ledger.supersede(superseded, (9,), "../s1.x")
    clock.pass_s(1.5 * HOUR_S)
    assert [found(books, i).number for i in (starting, leaving, stopped, superseded)] == ["5.0.7.1", "6.1", "7.1", "8"]


def test_a_move_raises_no_number_and_starts_nothing_where_the_key_is(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid(), "k", (5,)).record.session_id
    moved = books.ledger.charge(rigid(), None, (5, 0, 9, 1), repr(rigid()), digest=keys.digest("k"))
    assert (moved.replayed, moved.record.session_id, moved.record.number) == (True, waiting, "5")


def test_whoever_is_not_on_the_disk_is_not_offered_to_others(books: Books) -> None:
    books.charge(rigid())
    kept = books.wait(rigid(), "kept").record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        joining = threads.submit(books.wait, rigid())
        assert books.store.is_committing.wait(10)
        assert books.ledger.status().waiting_sessions == 2
        assert line(books) == [kept]
        books.store.may_commit.set()
        joining.result(10)
    assert len(line(books)) == 2


def test_one_that_is_superseded_waits_no_more(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid(), "k", (5,)).record.session_id
    told = books.ledger.supersede(waiting, (6,), "../s1.x")
    assert told is not None
    assert (told.record.end_reason, told.record.superseded_by, line(books)) == ("Superseded", "../s1.x", [])
    with pytest.raises(SupersededError):
        books.wait(rigid(), "k", (7,))


def test_one_that_is_not_superseded_is_shown_as_it_waits(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid(), "k", (7,)).record
    told = books.ledger.supersede(waiting.session_id, (6,), "../s1.x")
    assert told is not None
    assert told.record == waiting


def test_whoever_waits_has_a_part_of_the_quota(open_books: Callable[..., Books]) -> None:
    books = open_books(limits=Limits(quota=Quota(sessions=2)))
    books.charge(rigid())
    waiting = [books.wait(rigid(), owner="ann").record.session_id for _ in range(2)]
    with pytest.raises(QuotaError):
        books.wait(rigid(), owner="ann")
    assert books.wait(rigid(), owner="bob").record.state == "Waiting"
    books.ledger.stop(waiting[0])
    assert books.wait(rigid(), owner="ann").record.state == "Waiting"


def test_the_log_of_keys_says_what_it_takes_of_a_quota(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid(), "k", (5,), "ann").record.session_id
    _, page = books.ledger.news(0, None, 0, 0)
    assert page is not None
    assert page.entries[-1] == (keys.digest("k", "ann"), (5,), waiting, False, ("ann", 80))


# ---------------------------------------------------------------------- looking


def test_a_list_of_those_that_wait(books: Books) -> None:
    charging = books.charge(rigid()).record.session_id
    waiting = [books.wait(rigid(), owner=owner).record.session_id for owner in ("ann", "bob")]
    gone = books.wait(rigid()).record.session_id
    books.ledger.stop(gone)
    page = books.ledger.page(10, None, SessionState.WAITING)
    assert [(record.session_id, record.position) for record in page] == [(waiting[1], 2), (waiting[0], 1)]
    assert all(record.expected_start_wall_s for record in page)
    assert [r.session_id for r in books.ledger.page(10, None, SessionState.WAITING, "ann")] == waiting[:1]
    assert [r.session_id for r in books.ledger.page(10, None, SessionState.CHARGING)] == [charging]


def test_a_look_may_wait_until_it_starts(books: Books) -> None:
    first = books.charge(rigid()).record.session_id
    waiting = books.wait(rigid()).record.session_id
    began = threading.Event()

    def look() -> str:
        began.set()
        told = books.ledger.find(waiting, wait_s=30)
        assert told is not None
        return told.record.state

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(look)
        assert began.wait(10)
        books.wait(rigid())  # a change, but not of its state
        assert not answer.done()
        books.ledger.stop(first)
        assert answer.result(30) == "Charging"


def test_a_look_that_waits_is_answered_when_its_time_is_up(books: Books) -> None:
    books.charge(rigid())
    waiting = books.wait(rigid()).record.session_id
    told = books.ledger.find(waiting, wait_s=0.01)
    assert told is not None
    assert told.record.state == "Waiting"


def test_a_forecast_is_what_a_car_would_be_told_that_joined(books: Books) -> None:
    assert books.ledger.forecast(rigid(), float("inf")) == (True, 0)
    books.charge(rigid(hours=1))
    books.wait(rigid(hours=1))
    takes, start_in_s = books.ledger.forecast(rigid(), float("inf"))
    assert (takes, start_in_s) == (True, 2 * HOUR_S)
    assert books.ledger.forecast(rigid(), START_WALL_S + HOUR_S) == (True, None)
    assert books.ledger.forecast(rigid(101), float("inf")) == (False, None)
    assert books.ledger.status().waiting_sessions == 1


# ---------------------------------------------------------------------- the disk


def test_the_list_outlives_a_crash_in_its_order(
    open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    books = open_books()
    books.charge(rigid(hours=1))
    waiting = [books.wait(rigid(hours=1), f"k{i}", until_wall_s=START_WALL_S + 9999 * i).record for i in range(1, 4)]
    clock.pass_s(60)
    again = open_books(books.crash(tmp_path / "again"))
    assert line(again) == [record.session_id for record in waiting]
    for before in waiting:
        after = found(again, before.session_id)
        assert after._replace(expected_start_wall_s=None) == before._replace(expected_start_wall_s=None)
    told = again.wait(rigid(hours=1), "k1")
    assert (told.replayed, told.record.session_id) == (True, waiting[0].session_id)


def test_a_start_is_where_it_was_after_a_crash(
    open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    books = open_books()
    books.charge(rigid(hours=1))
    waiting = [books.wait(rigid(hours=1)).record.session_id for _ in range(2)]
    clock.pass_s(1.5 * HOUR_S)
    books.ledger.set_capacity(100)  # a sign of life
    before = found(books, waiting[0])
    again = open_books(books.crash(tmp_path / "again"))
    assert found(again, waiting[0]) == before
    assert line(again) == waiting[1:]


def test_a_start_that_was_not_written_has_not_been(
    open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """On the disk the car waits, and starts as soon as the substation is back."""
    books = open_books()
    books.charge(rigid(hours=1))
    waiting = books.wait(rigid(hours=1)).record.session_id
    with books.store.held():
        clock.pass_s(1.5 * HOUR_S)
        assert books.ledger.status().waiting_sessions == 0
        folder = tmp_path / "again"
        folder.mkdir()
        for name in ("substation.db", "substation.db-wal"):
            (folder / name).write_bytes((books.folder / name).read_bytes())
    again = open_books(folder)
    record = found(again, waiting)
    assert (record.state, record.joined_wall_s) == ("Waiting", START_WALL_S)  # the first charges on, unmetered so far
    clock.pass_s(1.5 * HOUR_S)
    assert states(again, waiting) == ["Charging"]


def test_nobody_is_told_of_a_start_before_it_is_on_the_disk(books: Books, clock: SetClock) -> None:
    books.charge(rigid(hours=1))
    waiting = books.wait(rigid(hours=1)).record.session_id
    with books.store.held(), ThreadPoolExecutor(1) as threads:
        clock.pass_s(1.5 * HOUR_S)
        look = threads.submit(found, books, waiting)
        assert books.store.is_committing.wait(10)
        assert not look.done()
        books.store.may_commit.set()
        assert look.result(10).state == "Charging"


def test_who_leaves_in_an_outage_has_left(open_books: Callable[..., Books], clock: SetClock) -> None:
    books = open_books()
    books.charge(rigid(hours=5))
    leaving = books.wait(rigid(departure_s=START_WALL_S + HOUR_S)).record.session_id
    impatient = books.wait(rigid(), until_wall_s=START_WALL_S + 2 * HOUR_S).record.session_id
    staying = books.wait(rigid()).record.session_id
    books.close()
    clock.pass_s(3 * HOUR_S)
    again = open_books()
    ends = [(found(again, i).end_reason, found(again, i).ended_wall_s) for i in (leaving, impatient)]
    assert ends == [("Departed", START_WALL_S + HOUR_S), ("WaitExpired", START_WALL_S + 2 * HOUR_S)]
    assert line(again) == [staying]


def test_who_has_left_in_an_outage_does_not_start_although_there_is_room_by_now(
    open_books: Callable[..., Books], clock: SetClock
) -> None:
    books = open_books()
    books.charge(rigid(hours=9, departure_s=START_WALL_S + 2 * HOUR_S))
    leaving = books.wait(rigid(departure_s=START_WALL_S + HOUR_S)).record.session_id
    books.close()
    clock.pass_s(3 * HOUR_S)
    record = found(open_books(), leaving)
    assert (record.end_reason, record.started_wall_s) == ("Departed", None)


def test_a_car_whose_joining_was_not_written_has_never_been(books: Books) -> None:
    books.charge(rigid())
    kept = books.wait(rigid()).record.session_id
    books.store.full = True
    with pytest.raises(StorageError):
        books.wait(rigid(), "k")
    books.store.full = False
    wait_until(lambda: line(books) == [kept])
    wait_until(lambda: books.ledger.storage_fault() is None)
    assert books.wait(rigid(), "k").replayed is False


def test_nobody_starts_while_the_disk_takes_no_changes(books: Books, clock: SetClock) -> None:
    books.charge(rigid(hours=1))
    waiting = books.wait(rigid()).record.session_id
    books.store.full = True
    with pytest.raises(StorageError):
        books.charge(rigid(10, hours=0.1))
    clock.pass_s(1.5 * HOUR_S)
    assert (books.ledger.status().active_sessions, books.ledger.status().waiting_sessions) == (0, 1)
    books.store.full = False
    wait_until(lambda: books.ledger.storage_fault() is None)
    assert states(books, waiting) == ["Charging"]
    assert found(books, waiting).started_wall_s == START_WALL_S + 1.5 * HOUR_S


def test_sessions_are_as_old_as_their_starts_and_not_as_their_joining(
    open_books: Callable[..., Books], tmp_path: Path, clock: SetClock
) -> None:
    """When power is short the newest goes without; which one that is survives the file."""
    books = open_books()
    books.charge(rigid(50, hours=1))
    large = books.wait(rigid(90, hours=5)).record.session_id
    small = books.charge(rigid(10, hours=5)).record.session_id  # beside both, so it went ahead
    clock.pass_s(1.5 * HOUR_S)
    assert states(books, large, small) == ["Charging", "Charging"]
    for folder in ("crashed", "restarted"):
        books = open_books(books.crash(tmp_path / folder))
        books.ledger.set_capacity(95)
        assert states(books, large, small) == ["SuspendedEVSE", "Charging"]
        books.ledger.set_capacity(100)


def test_a_substation_that_was_drained_starts_nobody_when_it_comes_back(
    open_books: Callable[..., Books], clock: SetClock
) -> None:
    books = open_books()
    books.charge(rigid(hours=1, departure_s=START_WALL_S + HOUR_S))
    waiting = books.wait(rigid()).record.session_id
    books.close()
    clock.pass_s(2 * HOUR_S)
    store = Store(books.folder)
    ledger = ChargerLedger(store, clock, open_book(store, clock, drawn_capacity_kw=100.0))
    ledger.set_draining(True)
    ledger.start(None)
    told = ledger.find(waiting)
    ledger.close()
    assert told is not None
    assert told.record.state == "Waiting"


# ---------------------------------------------------------------------- clocks, faults and limits


def test_a_join_of_the_future_is_put_right_on_the_disk_too(open_books: Callable[..., Books], clock: SetClock) -> None:
    """The clock is set back; else the file would say again and again that it was alive later than now."""
    books = open_books()
    books.charge(rigid(hours=10))
    waiting = books.wait(rigid(), "k").record.session_id
    books.close()
    clock.pass_s(-500)
    open_books().close()
    again = open_books()
    joined_s = found(again, waiting).joined_wall_s
    assert joined_s is not None
    assert joined_s <= clock.wall_s()
    assert sum(r.delivered_kwh for r in again.ledger.page(10, None, SessionState.CHARGING)) < 1


def test_a_move_by_a_number_that_cannot_be_believed_is_refused_and_not_numbered_anew(books: Books) -> None:
    ahead = int((START_WALL_S + 10**6) * 10**6)
    with pytest.raises(NoRoomError) as refused:
        books.ledger.charge(rigid(), number=(ahead, 0, 77, 1), digest=keys.digest("k"), fingerprint=repr(rigid()))
    assert refused.value.status is not None


def test_nobody_is_offered_to_others_while_the_disk_takes_no_changes(books: Books) -> None:
    """A move could not be noted here."""
    books.charge(rigid())
    waiting = books.wait(rigid()).record.session_id
    books.store.full = True
    with pytest.raises(StorageError):
        books.charge(rigid(10))
    assert line(books) == []
    books.store.full = False
    wait_until(lambda: line(books) == [waiting])


def test_a_car_that_can_never_start_any_more_keeps_no_room(books: Books) -> None:
    books.charge(rigid(30))
    books.wait(rigid(80))
    assert books.ledger.status().largest_free_kw == 0
    books.ledger.set_capacity(60)
    assert books.ledger.status().largest_free_kw == 30
