"""The ledger of a substation: what a method has returned is on the disk.

A question or a change takes one lock, lets the time pass in the `Book`, and is done in memory within microseconds.
A change then waits, without the lock, for the commit that it has joined (`group_commit`); what the disk is
doing holds up no one else, and no status poll ever. What the waiter is told:

- written: the answer;
- failed: a session that was just started is taken back, and the car is told that surely nothing was started. What
  cannot be taken back holds: a session that was stopped has ended, a new limit is in force. Both are written as soon as
  the disk takes changes, and the caller is told that until then a crash would undo it;
- not known, as the disk does not answer: 504, and the session stays. If it is written after all, a repeat finds it.

While the last commit has failed, or one has been under way for longer than STALL_S, there is a `storage_fault`: no new
car is admitted, the status shows no room, and the service is not ready. The keeper's heart goes on trying, and the
first commit that succeeds ends it. A file that turns out to be damaged does not heal: that stays until the end.

Who waits starts in memory when power frees, by whoever lets the time pass, and the commit that comes next holds it: the
heart's at the latest. Nobody is told of that start before it is on the disk. When others will start is no business of
the lock: see `outlook`. What edges ask for is in `charger_ledger`.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SessionState
from smartgrid.domain.status import Status
from smartgrid.domain.waiting_list import WaitingCar
from smartgrid.protocol import keys
from smartgrid.protocol.keys import KeyPage
from smartgrid.protocol.numbers import Number, NumberSource, is_believable
from smartgrid.runtime.clock import GridClock
from smartgrid.substation.book import Copies
from smartgrid.substation.charger_book import ChargerBook
from smartgrid.substation.group_commit import GroupCommit, Outcome, Ticket
from smartgrid.substation.holding import Holding
from smartgrid.substation.keeper import Keeper
from smartgrid.substation.outlook import Outlook
from smartgrid.substation.pending import Taken
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import (
    LedgerError,
    NoRoomError,
    NotDurableError,
    StorageError,
    SupersededError,
    UnknownOutcomeError,
    UnreadableError,
)
from smartgrid.substation.store import Store, is_damage

STALL_S = 2.0
"""A disk that has not answered for so long takes no changes."""
KEEP_ENDED = 100_000
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """A session, and the status as of the same moment; `replayed` where the key had the session before."""

    record: Record
    status: Status
    replayed: bool = False


class Ledger:
    """Thread-safe."""

    def __init__(self, store: Store, clock: GridClock, book: ChargerBook, *, keep_ended: int = KEEP_ENDED) -> None:
        """Keep `book`, which is what the store has (`recovery.open_book`), and `keep_ended` ended sessions at least."""
        self._store, self._clock, self._book, self._keep_ended = store, clock, book, keep_ended
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # whoever waits for news
        self._commits: GroupCommit[Taken] = GroupCommit(
            self._lock, take=book.take, write=self._write, written=self._written, lost=self._lost
        )
        self._keeper = Keeper(self._lock, self._look_after, self._beat)
        self._outlook = Outlook(self._copies)
        self._numbers = NumberSource()
        self._damage: str | None = None
        self._ending = False
        self._beaten_s = 0.0  # of wall time, when there was the last sign of life

    # ------------------------------------------------------------------ life

    def start(self, configured_kw: float | None) -> None:
        """Begin to keep the books.

        A configured capacity that differs from the one at the last start takes effect; the same one does not undo
        what the grid operator has set since (`set_capacity`). Raises StorageError.
        """
        with self._lock:
            self._book.configure(configured_kw, self._clock.wall_s())
            ticket = self._commits.join()
        if self._commits.wait(ticket) is not Outcome.WRITTEN:
            raise StorageError(ticket.reason or "it does not answer")
        self._keeper.start()

    def drain(self) -> None:
        """Admit no one any more, and let go whoever waits for news: the process ends."""
        with self._lock:
            self._ending = True
            self._book.drain(self._clock.wall_s())
            self._changed.notify_all()

    def set_draining(self, draining: bool) -> Status:
        """Admit no one, or admit again, which a process about to end does not; sessions go on in any case."""
        with self._lock:
            wall_s = self._look()
            if draining:
                self._book.drain(wall_s)
            elif not self._ending:
                self._book.end_drain(wall_s)
            self._changed.notify_all()
            return self._book.status()

    def close(self) -> None:
        """Write what is left and end."""
        self._keeper.stop()
        with self._lock:
            self._book.advance(self._clock.wall_s())
            self._book.want_checkpoint()
            ticket = self._commits.join()
        if self._commits.wait(ticket) is not Outcome.WRITTEN:
            log.error("the last changes are not on disk: %s", ticket.reason)
        self._store.close()

    # ------------------------------------------------------------------ changes

    def charge(
        self,
        request: ChargeRequest,
        key: str | None = None,
        number: Number | None = None,
        fingerprint: str = "",
        owner: str | None = None,
        *,
        digest: str | None = None,
        waits_until_s: float | None = None,
    ) -> Told:
        """The session of the owner's key: the one that it has, or one that starts now, or waits.

        A request without key or number gets them here; `digest` stands for a key that only its client knows, of a car
        that a balancer moves; its number only means something beside that of the session that waits, so a number from
        too far ahead is refused, and not replaced.
        `waits_until_s` is until when the car waits if need be, in wall time: infinite for as long as it takes, None
        for one that does not. Raises NoRoomError, QuotaError, DrainingError, DepartureError,
        KeyReusedError, SupersededError, StorageError or UnknownOutcomeError.
        """
        is_move = digest is not None
        may_move = not is_move or number is None or is_believable(number, time.time())
        if digest is None:
            digest = secrets.token_urlsafe(16) if key is None else keys.digest(key, owner)
        number = self._believed(number)
        with self._lock:
            wall_s = self._look()
            try:
                if not may_move:
                    raise NoRoomError
                holding, replayed = self._book.charge(
                    request, digest, number, fingerprint, wall_s, owner, waits_until_s, is_move=is_move
                )
            except LedgerError as error:
                error.status = self._book.status()
                raise
            told = self._told(holding, replayed)
            ticket = self._join(holding)
        if ticket is not None:
            self._expect_session(ticket, holding)
        if holding.superseded_by:
            raise SupersededError(holding.superseded_by)
        return self._with_outlook(self._complete(holding, told))

    def stop(self, session_id: str, owner: str | None = None) -> Told | None:
        """End a session; stopping twice gives the same record. None if there is none, or none of the owner's.

        Raises NotDurableError, UnknownOutcomeError or UnreadableError.
        """
        return self._end(session_id, owner, lambda wall_s: self._book.stop(session_id, wall_s, owner))

    def supersede(self, session_id: str, before: Number, by: str, owner: str | None = None) -> Told | None:
        """End a session if its number is below `before`, as superseded by the session `by`; else show it as it is.

        None as for `stop`. Raises NotDurableError, UnknownOutcomeError or UnreadableError.
        """
        return self._end(session_id, owner, lambda wall_s: self._book.supersede(session_id, before, by, wall_s, owner))

    def set_capacity(self, capacity_kw: float) -> Status:
        """Change the limit. Raises NotDurableError or UnknownOutcomeError; it is in force all the same."""
        with self._lock:
            self._book.set_capacity(capacity_kw, self._clock.wall_s())
            status, ticket = self._book.status(), self._commits.join()
            self._expect_next_event()
            self._changed.notify_all()
        self._expect_written(ticket)
        return status

    # ------------------------------------------------------------------ questions

    def status(self) -> Status:
        with self._lock:
            self._look()
            return self._book.status()

    def release_in_s(self, status: Status) -> float | None:
        """Wall seconds until the next expected release."""
        if status.next_release_s is None:
            return None
        return max(0.0, self._clock.to_wall_s(status.next_release_s) - self._clock.wall_s())

    def news(
        self, epoch: int, revision: int | None, keys_position: int | None, wait_s: float
    ) -> tuple[Status, KeyPage | None]:
        """The status, and what has changed in the log of keys after a position, if one is named.

        Waits up to `wait_s` until the revision is past `revision` or there are other keys, where both are of this
        epoch. An `epoch` of 0 names none: then a revision is taken for one of this epoch, a position is not.
        """
        with self._lock:
            self._look()
            book, known = self._book, epoch == self._book.epoch
            if revision is not None and (known or epoch == 0):
                after = keys_position if known and keys_position is not None else None
                self._changed.wait_for(
                    lambda: (
                        book.revision > revision or self._ending or (after is not None and book.log.position > after)
                    ),
                    wait_s,
                )
                self._look()
            status = book.status()
            if keys_position is None:
                return status, None
            page = book.log.since(keys_position if known else 0)
        return status, page if known else page._replace(reset=True)

    def find(
        self,
        session_id: str,
        owner: str | None = None,
        wait_s: float = 0,
        known: SessionState = SessionState.WAITING,
    ) -> Told | None:
        """A session, waited for up to `wait_s` until its state is another than the known one; None as for `stop`.

        Raises UnreadableError.
        """
        with self._lock:
            self._look()
            holding = self._book.find(session_id, owner)
            if wait_s and holding is not None and holding.ended_wall_s is None:
                self._await_another_state(holding, known, wait_s)
                holding = self._book.find(session_id, owner)
            status = self._book.status()
            record = self._book.shown(holding) if holding is not None and holding.live is not None else None
            ticket = self._join_changes([record])
        if ticket is not None:
            self._commits.wait(ticket)
        record = record or self._from_disk(session_id, holding, owner)
        return None if record is None else self._with_outlook(Told(record, status))

    def waiting(self, limit: int) -> list[Record]:
        """The first in the list, in its order."""
        with self._lock:
            self._look()
            return [self._book.shown(holding) for holding in self._book.waiting(limit)]

    def forecast(self, request: ChargeRequest, waits_until_s: float) -> tuple[bool, float | None]:
        """Whether such a car may wait here, and in how many seconds of wall time it would start if it came now.

        None if that is not before it leaves; else as for `charge`.
        """
        until_s = None if waits_until_s == float("inf") else self._clock.to_grid_s(waits_until_s)
        with self._lock:
            now_s = self._clock.to_grid_s(self._look())
            car = WaitingCar(secrets.token_urlsafe(16), request, now_s, until_s)
            copies = self._book.copies() if self._book.takes(car) else None
        if copies is None:
            return False, None
        start_s = copies.line.expected_starts_s(copies.substation, car).get(car.session_id)
        return True, None if start_s is None else max(0.0, self._clock.to_wall_s(start_s - now_s))

    def page(
        self, limit: int, before_seq: int | None, state: SessionState | None, owner: str | None = None
    ) -> list[Record]:
        """Sessions, newest first, only the owner's if one is named; as far as they are on the disk while it is full.

        Of sessions that charge those in either state come. Raises UnreadableError.
        """
        with self._lock:
            self._look()
            ticket = self._commits.join() if self._book.is_dirty() else None
        if ticket is not None:
            self._commits.wait(ticket)
        records = self._guarded(lambda: self._store.page(limit, before_seq, state, owner))
        with self._lock:
            self._look()
            shown = [self._book.as_it_is(record) for record in records]
            ticket = self._join_changes(shown)
        if ticket is not None:
            self._commits.wait(ticket)
        found = [record or self._reread(read) for read, record in zip(records, shown, strict=True)]
        return self._with_starts(found)

    def storage_fault(self) -> str | None:
        """Why the disk does not take changes at present, or None."""
        stalled_s = self._commits.under_way_s()
        if stalled_s > STALL_S:
            return f"it has not answered for more than {STALL_S:g} s"
        return self._book.fault

    def metered_kwh(self) -> float:
        """Energy delivered since this process started."""
        with self._lock:
            self._look()
            return self._book.metered_kwh

    def suspended_sessions(self) -> int:
        """How many sessions get no power for want of capacity."""
        with self._lock:
            self._look()
            return self._book.suspended_sessions

    # ------------------------------------------------------------------ with the lock held

    def _look(self) -> float:
        """Let the time pass in the book; returns the wall time."""
        wall_s = self._clock.wall_s()
        revisions = self._book.revision, self._book.offers_revision
        self._book.advance(wall_s)
        if self._commits.under_way_s() > STALL_S:
            self._set_fault(self.storage_fault())
        if revisions != (self._book.revision, self._book.offers_revision):
            self._changed.notify_all()
        return wall_s

    def _told(self, holding: Holding, replayed: bool) -> Told | None:
        if holding.live is None:
            return None
        return Told(self._book.shown(holding), self._book.status(), replayed)

    def _join(self, holding: Holding) -> Ticket | None:
        """The commit that will hold all of it; None where it is on the disk."""
        self._expect_next_event()
        return self._commits.join() if self._book.is_pending(holding) else None

    def _join_changes(self, shown: Iterable[Record | None]) -> Ticket | None:
        """The commit that will hold the ends, and the starts from the list, that are about to be shown; None where they
        are on the disk.

        After a crash a session that was full a moment ago would charge again, for up to a heartbeat's energy, and one
        that had begun would wait again.
        """
        changed = (
            self._book.find(record.session_id)
            for record in shown
            if record and (record.ended_wall_s is not None or (record.joined_wall_s and record.started_wall_s))
        )
        if any(holding is not None and self._book.is_pending(holding) for holding in changed):
            return self._commits.join()
        return None

    def _await_another_state(self, holding: Holding, known: SessionState, wait_s: float) -> None:
        self._changed.wait_for(lambda: self._ending or holding.state is not known, wait_s)
        self._look()

    def _copies(self, surprises: int | None) -> Copies | None:
        with self._lock:
            self._look()
            return self._book.copies(surprises)

    def _expect_next_event(self) -> None:
        self._keeper.expect(self._book.next_event_in_s())

    def _written(self, taken: Taken) -> None:
        self._book.written(taken)
        self._set_fault(self._damage)
        self._book.forget()
        self._changed.notify_all()

    def _lost(self, taken: Taken, error: Exception) -> None:
        if not isinstance(error, sqlite3.Error):
            log.error("a commit failed unexpectedly", exc_info=error)
        self._look()  # until now it took its share of the power
        self._book.lost(taken)
        self._note_damage(error)
        self._set_fault(str(error))
        self._changed.notify_all()

    def _set_fault(self, fault: str | None) -> None:
        if self._book.set_fault(fault):
            log.log(logging.ERROR if fault else logging.INFO, "storage: %s", fault or "works again")

    def _note_damage(self, error: Exception) -> None:
        if is_damage(error):
            self._damage = str(error)

    def _look_after(self) -> float:
        self._look()
        return self._book.next_event_in_s()

    # ------------------------------------------------------------------ without it

    def _believed(self, number: Number | None) -> Number:
        """The number of the try; the time of this machine's clock in place of one that is too far ahead of it."""
        if number is None:
            return self._numbers.next()
        if is_believable(number, time.time()):
            return number
        return (*self._numbers.next(), *number[1:])

    def _end(self, session_id: str, owner: str | None, change: Callable[[float], Holding | None]) -> Told | None:
        with self._lock:
            wall_s = self._look()
            holding = change(wall_s)
            status = self._book.status()
            told = self._told(holding, replayed=False) if holding is not None else None
            ticket = self._join(holding) if holding is not None else None
            self._changed.notify_all()
        if ticket is not None:
            self._expect_written(ticket)
        record = told.record if told is not None else self._from_disk(session_id, holding, owner)
        return None if record is None else self._with_outlook(Told(record, status))

    def _expect_session(self, ticket: Ticket, holding: Holding) -> None:
        """Return once what a car is to be told is on the disk."""
        outcome = self._commits.wait(ticket)
        if outcome is Outcome.WRITTEN:
            return
        if outcome is Outcome.FAILED and not holding.saved:
            raise StorageError(ticket.reason)  # taken back
        raise UnknownOutcomeError  # it may be here, or surely is, with an older number: no one else should take the car

    def _expect_written(self, ticket: Ticket) -> None:
        outcome = self._commits.wait(ticket)
        if outcome is Outcome.FAILED:
            raise NotDurableError(ticket.reason)
        if outcome is Outcome.UNKNOWN:
            raise UnknownOutcomeError

    def _complete(self, holding: Holding, told: Told | None) -> Told:
        if told is not None:
            return told
        status = self.status()
        try:
            record = self._from_disk(holding.session_id, holding)
        except UnreadableError as error:
            raise UnknownOutcomeError from error  # there is a session, so no one else should take the car
        if record is None:
            raise UnknownOutcomeError
        return Told(record, status, replayed=True)

    def _with_outlook(self, told: Told) -> Told:
        if told.record.position is None:
            return told
        return replace(told, record=self._with_starts([told.record])[0])

    def _with_starts(self, records: list[Record]) -> list[Record]:
        """Those who wait with when they are expected to start."""
        if all(record.position is None for record in records):
            return records
        starts_s = self._outlook.starts_s()
        return [
            record._replace(expected_start_wall_s=self._clock.first_wall_s(starts_s[record.session_id]))
            if record.position is not None and record.session_id in starts_s
            else record
            for record in records
        ]

    def _from_disk(self, session_id: str, holding: Holding | None, owner: str | None = None) -> Record | None:
        record = self._guarded(lambda: self._store.find(session_id))
        if record is not None and owner is not None and owner != record.owner:
            return None
        if record is None or holding is None:
            return record
        return record._replace(superseded_by=holding.superseded_by)

    def _reread(self, record: Record) -> Record:
        return self._from_disk(record.session_id, None) or record

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except sqlite3.Error as error:
            with self._lock:
                self._note_damage(error)
                self._set_fault(self._damage or self._book.fault)
                self._changed.notify_all()
            raise UnreadableError(str(error)) from error

    def _write(self, taken: Taken) -> None:
        self._store.commit(taken.batch)
        if taken.batch.checkpoint is not None:
            try:
                self._store.prune(self._keep_ended, self._clock.wall_s(), self._book.key_life_s)
            except Exception as error:  # what was to be written is on the disk
                log.warning("cannot forget old sessions: %s", error)

    def _beat(self) -> None:
        """Write what is not on the disk, or else a sign of life if there is anyone whose metering depends on it."""
        with self._lock:
            wall_s, book = self._look(), self._book
            book.forget()
            if wall_s > self._beaten_s and (book.fault is not None or book.status().active_sessions):
                book.want_sign_of_life()
                self._beaten_s = wall_s
            ticket = self._commits.join() if book.is_dirty() else None
        if ticket is not None:
            self._commits.wait(ticket)
