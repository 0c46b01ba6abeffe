"""The substation's books: the domain under one lock, and a keeper thread that puts every change on disk."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import Session
from smartgrid.domain.status import Status
from smartgrid.domain.substation import Substation
from smartgrid.protocol.attempts import NEVER, AttemptNumbers
from smartgrid.runtime.clock import GridClock
from smartgrid.substation.record import Record, is_same_request, to_record, to_session
from smartgrid.substation.store import Batch, Meta, Store

HEARTBEAT_S = 1.0  # so much metering at most is lost to a kill -9
MIN_PAUSE_S = 0.05  # between two rounds of the keeper; who asks in between gets the exact state all the same
COMMIT_TIMEOUT_S = 10.0
LEAST_MAX_ACTIVE = 2000  # and one more for every kW beyond: so many cars of 1 W are no cars, and each costs time
PRUNE_EVERY_COMMITS = 1000
VOIDED_KEY_LIFE_S = 7 * 86400.0
log = logging.getLogger(__name__)


class LedgerError(Exception):
    """The operation was not done."""


class NoRoomError(LedgerError):
    """The minimum does not fit."""


class DrainingError(LedgerError):
    """No new sessions: the substation is about to end."""


class DepartureError(LedgerError):
    """The departure is not in the future."""


class KeyReusedError(LedgerError):
    """The idempotency key belongs to a different request."""


class KeyVoidedError(LedgerError):
    """The idempotency key has been voided."""


class StorageError(LedgerError):
    """The disk does not take it; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Charged:
    """The answer to a request to charge; `replayed` where the key had been seen before."""

    record: Record
    replayed: bool


@dataclass(slots=True)
class Ticket:
    """The commit that will hold a change: not done yet, done, or failed."""

    done: bool = False
    error: StorageError | None = None


class Ledger:
    """Thread-safe. What a method returned is on the disk.

    Changes of concurrent callers are committed together: the first to get the commit lock writes what all have changed
    so far, and the others find theirs written, so a burst pays for a few writes and not one each. The keeper thread
    ends sessions when they are due, and notes once a second that the substation is alive, so that after a crash the
    time of the outage is known and not counted as delivered.
    """

    def __init__(
        self,
        store: Store,
        clock: GridClock,
        *,
        on_end: Callable[[Session], None],
        keep_ended: int,
        drawn_capacity_kw: float,
    ) -> None:
        """A new file gets `drawn_capacity_kw`; `on_end` hears of every session that ends."""
        self._store, self._clock, self._on_end, self._keep_ended = store, clock, on_end, keep_ended
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # whoever waits for a new revision
        self._alarm = threading.Condition(lock)  # the keeper, which sleeps until the next event
        self._alarm_s = 0.0
        self._beat_s = 0.0  # when the keeper next writes, in wall time
        self._commit_lock = threading.Lock()  # taken before `_changed`, never after
        self._keys: dict[str, str] = {}  # session id -> idempotency key, of all sessions held in memory
        self._by_key: dict[str, str] = {}
        self._unsaved: set[str] = set()  # admitted, and not on disk yet
        self._saving: set[str] = set()  # those of them in the commit under way
        self._ended: dict[str, Session] = {}  # ended, and not on disk yet
        self._voided: dict[str, tuple[int, float]] = {}  # key -> before which attempt, and when it was voided
        self._detached: set[str] = set()  # sessions whose keys were voided, until that is on disk
        self._attempts: dict[str, int] = {}  # session id -> latest attempt, of all sessions held in memory
        self._adopted: dict[str, int] = {}  # the same for all whose latest attempt is not on disk yet
        self._numbers = AttemptNumbers()
        self._dirty = False
        self._batch: Ticket = Ticket()
        self._storage_fault: str | None = None
        self._commits = 0
        self._stopping = False
        self._configured_kw: float | None = None
        self._substation = self._recover(drawn_capacity_kw)
        self._keeper = threading.Thread(target=self._keep, name="ledger-keeper", daemon=True)

    # ------------------------------------------------------------------ life

    def start(self, configured_kw: float | None) -> None:
        """Begin to keep the books.

        A configured capacity that differs from the one at the last start takes effect; the same one does not undo
        what the grid operator has set since (`set_capacity`). Raises StorageError.
        """
        with self._changed:
            if configured_kw is not None and configured_kw != self._configured_kw:
                self._substation.set_capacity(configured_kw, self._clock.now_s())
            self._configured_kw = configured_kw
            batch = self._mark()
        self._keeper.start()
        self._wait(batch)

    def drain(self) -> None:
        """Admit no one any more."""
        with self._changed:
            self._substation.drain(self._clock.now_s())
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._stopping = True
            self._alarm.notify()
            self._advance()
            batch = self._mark()
        self._keeper.join(COMMIT_TIMEOUT_S)
        try:
            self._wait(batch)
        except StorageError as error:
            log.error("the last changes are not on disk: %s", error)
        self._store.close()

    # ------------------------------------------------------------------ changes

    def charge(self, request: ChargeRequest, key: str | None, attempt: int | None = None) -> Charged:
        """Admit a car, once for each idempotency key.

        A session belongs to the latest attempt that was answered with it: `void` of an earlier one leaves it alone,
        as someone has been promised it since. Without an `attempt` it is one made now.

        Raises NoRoomError, DrainingError, DepartureError, KeyReusedError, KeyVoidedError or StorageError.
        """
        attempt = self._numbers.next() if attempt is None else attempt
        with self._changed:
            self._advance()
            known = self._find_key(key) if key else None
            if known is None:
                self._check_admission(request, key, attempt)
                charged = Charged(self._admit(request, key, attempt), replayed=False)
            elif is_same_request(known, request, self._clock):
                self._adopt(known, attempt)
                charged = Charged(known, replayed=True)
            else:
                raise KeyReusedError
            batch = self._mark()
        self._wait(batch)
        return charged

    def stop(self, session_id: str) -> Record | None:
        """End a session; stopping twice gives the same record. None if there is none. Raises StorageError."""
        with self._changed:
            self._advance()
            session = self._substation.stop(session_id, self._clock.now_s())
            if session is not None:
                self._note_ended()
            record, batch = self._find(session_id), self._mark()
        self._wait(batch)
        return record

    def void(self, key: str, before: int = NEVER) -> Record | None:
        """See to it that no attempt before this one has a session by this key, now or later.

        Returns the session that it had, ended; it has no key any more. Raises StorageError.
        """
        with self._changed:
            self._advance()
            known = self._find_key(key)
            record = None
            if known is None or known.attempt < before:
                record = known and self._end_voided(key, known.session_id)
                earlier, _ = self._voided.get(key, (0, 0.0))
                self._voided[key] = max(before, earlier), self._clock.wall_s()
            batch = self._mark()
        self._wait(batch)
        return record

    def set_capacity(self, capacity_kw: float) -> None:
        """Change the limit. Raises StorageError if it could not be recorded; it holds all the same."""
        with self._changed:
            self._advance()
            self._substation.set_capacity(capacity_kw, self._clock.now_s())
            batch = self._mark()
        self._wait(batch)

    # ------------------------------------------------------------------ questions

    def status(self) -> Status:
        with self._changed:
            self._advance()
            return self._substation.status()

    def release_in_s(self, status: Status) -> float | None:
        """Wall seconds until the next expected release."""
        if status.next_release_s is None:
            return None
        return max(0.0, self._clock.to_wall_s(status.next_release_s) - self._clock.wall_s())

    def wait_for_change(self, revision: int, timeout_s: float) -> Status:
        """The status as soon as its revision is past `revision`, or after `timeout_s`."""
        with self._changed:
            self._advance()
            self._changed.wait_for(lambda: self._substation.revision > revision or self._substation.draining, timeout_s)
            self._advance()
            return self._substation.status()

    def find(self, session_id: str) -> Record | None:
        with self._changed:
            self._advance()
            return self._find(session_id)

    def find_key(self, key: str) -> Record | None:
        """The session of this key, once it is on the disk: who asks for it may promise it on. Raises StorageError."""
        with self._changed:
            self._advance()
            record = self._find_key(key)
            unsaved = record is not None and record.session_id in self._unsaved | self._saving
            batch = self._mark() if unsaved else None
        if batch is not None:
            self._wait(batch)
        return record

    def page(self, limit: int, before_seq: int | None, active: bool | None) -> list[tuple[int, Record]]:
        """Sessions with their sequence numbers, newest first; as far as they are on the disk while it is full."""
        with self._changed:
            self._advance()
            batch = self._mark() if self._dirty else None
        if batch is not None:
            with suppress(StorageError):
                self._wait(batch)
        rows = self._store.page(limit, before_seq, active)
        with self._changed:
            return [(seq, self._live(record)) for seq, record in rows]

    def storage_fault(self) -> str | None:
        """Why the disk does not take changes at present, or None."""
        return self._storage_fault

    def metered_kwh(self) -> float:
        """Energy delivered since this process started."""
        with self._changed:
            self._advance()
            return self._substation.meter_kwh

    def active_count(self, state: str) -> int:
        with self._changed:
            return sum(1 for session in self._substation.active if session.state == state)

    # ------------------------------------------------------------------ with the lock held

    def _check_admission(self, request: ChargeRequest, key: str | None, attempt: int) -> None:
        if request.departure_s is not None and request.departure_s <= self._clock.now_s():
            raise DepartureError
        if self._storage_fault is not None:
            raise StorageError(self._storage_fault)
        if self._substation.draining:
            raise DrainingError
        if key is not None and attempt < max(self._voided.get(key, (0, 0.0))[0], self._store.voided_before(key)):
            raise KeyVoidedError

    def _adopt(self, known: Record, attempt: int) -> None:
        if attempt > known.attempt:
            self._adopted[known.session_id] = attempt
            if known.session_id in self._attempts:
                self._attempts[known.session_id] = attempt

    def _end_voided(self, key: str, session_id: str) -> Record | None:
        if self._substation.stop(session_id, self._clock.now_s()) is not None:
            self._note_ended()
        record = self._find(session_id)
        self._keys.pop(session_id, None)
        self._by_key.pop(key, None)
        self._detached.add(session_id)
        return record

    def _admit(self, request: ChargeRequest, key: str | None, attempt: int) -> Record:
        session_id = secrets.token_urlsafe(16)
        most = max(LEAST_MAX_ACTIVE, self._substation.capacity_kw)
        has_place = self._substation.status().active_sessions < most
        session = self._substation.admit(session_id, request, self._clock.now_s()) if has_place else None
        if session is None:
            raise NoRoomError
        self._unsaved.add(session_id)
        if key is not None:
            self._keys[session_id], self._by_key[key] = key, session_id
        self._attempts[session_id] = attempt
        return to_record(session, key, self._clock, attempt)

    def _advance(self) -> None:
        revision = self._substation.revision
        self._note_ended()
        if self._substation.revision != revision:
            self._mark()

    def _note_ended(self, except_for: Collection[str] = ()) -> None:
        for session in self._substation.advance(self._clock.now_s()):
            if session.session_id not in except_for:
                self._ended[session.session_id] = session
                self._on_end(session)

    def _mark(self) -> Ticket:
        """Note a change; returns the commit that will hold all changes up to here."""
        self._dirty = True
        self._changed.notify_all()
        next_event_s = self._substation.next_event_s()
        if next_event_s is not None and next_event_s < self._alarm_s:
            self._alarm.notify()
        return self._batch

    def _find(self, session_id: str) -> Record | None:
        session = self._substation.find(session_id) or self._ended.get(session_id)
        if session is not None:
            return self._frozen(session)
        return self._store.find(session_id)

    def _find_key(self, key: str) -> Record | None:
        session_id = self._by_key.get(key)
        if session_id is not None:
            return self._find(session_id)
        found = self._store.find_key(key)
        if found is None or found.session_id in self._detached:
            return None
        return replace(found, attempt=self._adopted.get(found.session_id, found.attempt))

    def _frozen(self, session: Session) -> Record:
        session_id = session.session_id
        return to_record(session, self._keys.get(session_id), self._clock, self._attempts.get(session_id, 0))

    def _live(self, record: Record) -> Record:
        return (record.ended_wall_s is None and self._find(record.session_id)) or record

    # ------------------------------------------------------------------ the keeper

    def _keep(self) -> None:
        while not self._stopping:
            try:
                self._tend()
            except StorageError:
                threading.Event().wait(HEARTBEAT_S)  # it is tried again then; a full disk does not empty in between
            except Exception:
                log.exception("the keeper goes on after an unexpected error")
                threading.Event().wait(HEARTBEAT_S)

    def _tend(self) -> None:
        with self._changed:
            if not self._stopping:
                self._alarm.wait(self._pause_s())
            self._advance()
            now_s = self._clock.wall_s()
            if now_s < self._beat_s:
                return  # what ended by itself waits for the next commit: no one was promised anything by it
            self._beat_s = now_s + HEARTBEAT_S
            batch = self._batch if self._dirty else None
            idle = self._storage_fault is None and not self._substation.status().active_sessions
        if batch is not None:
            self._wait(batch)
        elif not idle:
            self._touch()

    def _pause_s(self) -> float:
        event_s = self._substation.next_event_s()
        event_in_s = HEARTBEAT_S if event_s is None else self._clock.to_wall_s(event_s) - self._clock.wall_s()
        beat_in_s = min(HEARTBEAT_S, self._beat_s - self._clock.wall_s())
        pause_s = max(MIN_PAUSE_S, min(beat_in_s, event_in_s))
        self._alarm_s = self._clock.to_grid_s(self._clock.wall_s() + pause_s)
        return pause_s

    def _take_batch(self) -> Batch:
        self._batch, self._dirty = Ticket(), False
        self._saving, self._unsaved = self._unsaved, set()
        sessions = [*self._substation.active, *self._ended.values()]
        voided = [(key, before, wall_s) for key, (before, wall_s) in self._voided.items()]
        adopted = [(attempt, session_id) for session_id, attempt in self._adopted.items()]
        return Batch(self._meta(), [*map(self._frozen, sessions)], voided, list(self._detached), adopted)

    def _meta(self) -> Meta:
        metered_wall_s = self._clock.to_wall_s(self._substation.now_s)
        revision, capacity_kw = self._substation.revision, self._substation.capacity_kw
        return Meta(capacity_kw, self._configured_kw, revision, metered_wall_s, metered_wall_s)

    def _commit(self) -> None:
        """Write all changes so far; the commit lock is held."""
        with self._changed:
            batch, content = self._batch, self._take_batch()
        try:
            self._store.commit(content)
        except sqlite3.Error as error:
            self._undo(batch, StorageError(str(error)))
            return
        self._note_committed(content)
        batch.done = True
        self._commits += 1
        if self._commits % PRUNE_EVERY_COMMITS == 0:
            self._prune()

    def _note_committed(self, content: Batch) -> None:
        with self._changed:
            self._set_fault(None)
            self._saving = set()
            for record in content.records:
                if record.ended_wall_s is not None:
                    self._forget(record.session_id)
            for key, before, wall_s in content.voided_keys:
                if self._voided.get(key) == (before, wall_s):  # else it has been voided again since
                    del self._voided[key]
            self._detached.difference_update(content.detached)
            for attempt, session_id in content.adopted:
                if self._adopted.get(session_id) == attempt:
                    del self._adopted[session_id]

    def _undo(self, batch: Ticket, error: StorageError) -> None:
        """Take back the sessions that no one has been promised yet; all else is written with the next commit."""
        with self._changed:
            self._set_fault(str(error))
            self._take_back(self._saving | self._unsaved)
            self._saving, self._unsaved = set(), set()
            later, self._batch, self._dirty = self._batch, Ticket(), True
            for ticket in (batch, later):
                ticket.error, ticket.done = error, True

    def _take_back(self, session_ids: set[str]) -> None:
        for session_id in session_ids:
            self._substation.stop(session_id, self._clock.now_s())
        self._note_ended(except_for=session_ids)
        for session_id in session_ids:
            self._forget(session_id)

    def _prune(self) -> None:
        try:
            self._store.prune(self._keep_ended, self._clock.wall_s() - VOIDED_KEY_LIFE_S)
        except sqlite3.Error as error:
            log.warning("cannot forget old sessions: %s", error)

    def _touch(self) -> None:
        with self._commit_lock:
            try:
                self._store.touch(self._clock.wall_s())
                self._set_fault(None)
            except sqlite3.Error as error:
                self._set_fault(str(error))

    def _set_fault(self, fault: str | None) -> None:
        if fault != self._storage_fault:
            log.log(logging.ERROR if fault else logging.INFO, "storage: %s", fault or "works again")
        self._storage_fault = fault

    def _forget(self, session_id: str) -> None:
        self._ended.pop(session_id, None)
        self._attempts.pop(session_id, None)
        key = self._keys.pop(session_id, None)
        if key is not None and self._by_key.get(key) == session_id:
            del self._by_key[key]

    def _wait(self, batch: Ticket) -> None:
        """Return once the batch is on the disk, by whoever's hand. Raises StorageError."""
        if not self._commit_lock.acquire(timeout=COMMIT_TIMEOUT_S):
            raise StorageError(f"the disk did not answer within {COMMIT_TIMEOUT_S:g} s")
        try:
            if not batch.done:
                self._commit()
        finally:
            self._commit_lock.release()
        if batch.error is not None:
            raise batch.error

    # ------------------------------------------------------------------ recovery

    def _recover(self, drawn_capacity_kw: float) -> Substation:
        """The substation as the file has it: metered up to its last sign of life, and no further."""
        now_s = self._clock.now_s()
        boot_revision = int(self._clock.wall_s() * 1000)  # so that it grows even where the file was lost
        meta = self._store.meta()
        if meta is None:
            return Substation(drawn_capacity_kw, now_s, boot_revision)
        self._configured_kw = meta.configured_kw
        revision = max(boot_revision, meta.revision + 1)
        substation = Substation(meta.capacity_kw, self._clock.to_grid_s(meta.metered_wall_s), revision)
        records = self._store.active()
        self._keys = {r.session_id: r.idempotency_key for r in records if r.idempotency_key}
        self._by_key = {key: session_id for session_id, key in self._keys.items()}
        self._attempts = {r.session_id: r.attempt for r in records}
        substation.restore(to_session(record, self._clock) for record in records)
        ended = substation.advance(self._clock.to_grid_s(meta.alive_wall_s))
        substation.resume(now_s)
        for session in ended + substation.advance(now_s):
            self._ended[session.session_id] = session
        return substation
