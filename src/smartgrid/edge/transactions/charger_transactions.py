"""Which transaction of a charger a message belongs to.

Messages come late, twice, in a wrong order and with ids that no one has given. The rules:

* A start that is repeated is known by its key, whatever its message id; or by the number that follows from the key, if
  another edge had it before and it was taken over. A new one on a connector ends the one before it there, as two cars
  cannot be on one plug; an *older* one (from a queue) does not, it is noted beside it.
* A stop or a value with an id is of the transaction with that id. With none (0, -1: chargers invent them offline) it
  is of the open one on its connector; a stop names no connector, so it is of the one with its tag and the nearest
  register below, or of the only one. If there is none it is an *orphan*: noted and logged, answered all the same.
* Nothing revives what has ended. A stop that comes after the end (of a stale one, or again) may raise its energy.
* 2.x: any event may be the first that is seen of its transaction, also its end. It begins with the first authorization
  and plug; an update of one that is not known must have begun before we came. One that only seemed to be over, as
  there was no car, goes on as another transaction where an update tells of a car.
* A substation tells of sessions that are not known here (the disk was lost, or another edge had the charger): they
  are taken over. An orphan whose id it tells is no orphan any more.

What has ended is remembered for a while, `REMEMBERED` of them a charger, so that what comes after knows its place.
Nothing here knows a clock, a disk or a socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smartgrid.edge.messages.values import EventKind, EventTold, StartTold, StopTold, ValuesTold
from smartgrid.edge.ports import ChargerId, OpenSession
from smartgrid.edge.transactions.transaction import Transaction, key_of, number_of
from smartgrid.protocol.offers import HAS_LEFT

REMEMBERED = 4
MOST = 200
"""Transactions of a charger that its substation does not know the end of yet: beyond, no more are taken."""
STOPPED_BY_SUCCESSOR = "Other"
_EARLIER_S = 1.0


class TooManyError(Exception):
    """The charger has too many transactions that could not be told to its substation."""


@dataclass(frozen=True, slots=True)
class Started:
    """The transaction of a start, and the one that it has ended."""

    transaction: Transaction
    ended: Transaction | None = None
    is_new: bool = False


class ChargerTransactions:
    """All that are known of one charger, in the order in which they were heard of.

    `most_kw` is what a connector can carry.
    """

    __slots__ = ("_all", "_most_kw", "charger")

    def __init__(self, charger: ChargerId, most_kw: Callable[[int], float] = lambda _: math.inf) -> None:
        self.charger, self._most_kw = charger, most_kw
        self._all: list[Transaction] = []

    def __iter__(self) -> Iterator[Transaction]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, transaction: Transaction) -> Transaction:
        """Also one from the disk. Raises TooManyError."""
        if len(self._all) >= MOST:
            raise TooManyError
        self._all.append(transaction)
        return transaction

    def open_on(self, connector: int) -> Transaction | None:
        """The one whose car is there now."""
        found: Transaction | None = None
        for each in self._all:
            is_there = each.connector == connector and each.is_open
            if is_there and (found is None or each.started_wall_s > found.started_wall_s):
                found = each
        return found

    def by_id(self, transaction_id: str) -> Transaction | None:
        """The last one of that id."""
        return next((each for each in reversed(self._all) if each.transaction_id == transaction_id), None)

    def by_session(self, session_id: str) -> Transaction | None:
        return next((each for each in reversed(self._all) if each.session_id == session_id), None)

    # ------------------------------------------------------------------ OCPP 1.6

    def knows_start(self, told: StartTold) -> bool:
        """Whether it is a repeat."""
        return self._of_start(key_of(self.charger, told.identity)) is not None

    def start(self, told: StartTold) -> Started:
        """Raises TooManyError."""
        key = key_of(self.charger, told.identity)
        known = self._of_start(key)
        if known is not None:
            known.started_wall_s = min(known.started_wall_s, told.wall_s)
            return Started(known)
        current = self.open_on(told.connector)
        new = self.add(
            Transaction(
                key=key,
                charger=self.charger,
                connector=told.connector,
                transaction_id=str(number_of(key)),
                vehicle_id=told.id_tag or self._name_of(told.connector),
                started_wall_s=told.wall_s,
                start_kwh=told.meter_kwh,
            )
        )
        new.bound.note(0.0, told.heard, self._most_kw(new.connector))
        return Started(new, self._succeeded(current, new), is_new=True)

    def stop(self, told: StopTold) -> tuple[Transaction, bool]:
        """The transaction, and whether there is news of it. Raises TooManyError."""
        register_kwh = told.meter_kwh
        found = self._of_stop(told)
        if found is None:
            orphan = self._orphan(told.transaction_id or "", told.id_tag, told.wall_s)
            found = next((each for each in self._all if each.key == orphan.key), None) or self.add(orphan)
        if register_kwh is None and told.readings:
            register_kwh = max((r.energy_kwh for r in told.readings if r.energy_kwh is not None), default=None)
        most_kw = self._most_kw(found.connector)
        return found, found.end(told.wall_s, told.reason, register_kwh, told.heard, most_kw)

    def of_values(self, told: ValuesTold) -> Transaction | None:
        """Whose they are; None if there is no such transaction (any more)."""
        if told.transaction_id is not None:
            found = self.by_id(told.transaction_id)
            return found if found is not None and found.is_open else None
        return self.open_on(told.connector)

    def found(self, connector: int, transaction_id: str, wall_s: float) -> Transaction:
        """One that is under way, and no one knows how it began. Raises TooManyError."""
        return self.add(
            Transaction(
                key=key_of(self.charger, f"{connector}|found|{transaction_id}|{wall_s}"),
                charger=self.charger,
                connector=connector,
                transaction_id=transaction_id,
                vehicle_id=self._name_of(connector),
                started_wall_s=wall_s,
            )
        )

    # ------------------------------------------------------------------ OCPP 2.x

    def event(self, told: EventTold, connector: int) -> tuple[Transaction, Transaction | None, bool]:
        """The event's transaction, the one that it has ended, and whether there is news. `connector` is where it is.

        Raises TooManyError.
        """
        found, ended, is_new = self.by_id(told.transaction_id), None, False
        if found is None:
            found, ended, is_new = *self._first_of(told, connector), True
        elif _is_back(found, told) and self.open_on(found.connector) is None:
            found, is_new = self._again(found, told), True
        elif found.is_orphan and told.kind is EventKind.STARTED:
            self._start_of_orphan(found, told, connector)
            return found, None, True
        is_news = is_new or ended is not None or self._learn(found, told)
        if told.kind is EventKind.ENDED:
            registers = [r.energy_kwh for r in told.readings if r.energy_kwh is not None]
            most_kw, last_kwh = self._most_kw(found.connector), max(registers, default=None)
            is_news = found.end(told.wall_s, told.reason, last_kwh, told.heard, most_kw) or is_news
        return found, ended, is_news

    def _first_of(self, told: EventTold, connector: int) -> tuple[Transaction, Transaction | None]:
        has_begun = told.kind is EventKind.UPDATED
        if told.kind is EventKind.ENDED:
            return self.add(self._orphan(told.transaction_id, told.id_tag or "", told.wall_s)), None
        current = self.open_on(connector)
        new = self.add(
            Transaction(
                key=key_of(self.charger, told.transaction_id),
                charger=self.charger,
                connector=connector,
                transaction_id=told.transaction_id,
                vehicle_id=told.id_tag or self._name_of(connector),
                started_wall_s=told.wall_s,
                is_authorized=told.is_authorized or has_begun,
                is_plugged=told.is_plugged or has_begun,
                seq_no=told.seq_no,
                car=told.car,
            )
        )
        if told.kind is EventKind.STARTED:
            new.bound.note(0.0, told.heard, self._most_kw(connector))
        return new, self._succeeded(current, new)

    def _again(self, before: Transaction, told: EventTold) -> Transaction:
        """The car of one that was taken as over is there, in the same transaction: for its substation it is another
        one, as the session of before has ended."""
        is_register = before.start_kwh is not None and not before.is_session_register
        new = self.add(
            Transaction(
                key=key_of(self.charger, f"{before.transaction_id}|{told.seq_no}|{told.wall_s}"),
                charger=self.charger,
                connector=before.connector,
                transaction_id=before.transaction_id,
                vehicle_id=before.vehicle_id,
                started_wall_s=told.wall_s,
                start_kwh=(before.start_kwh or 0.0) + (before.energy_kwh or 0.0) if is_register else None,
                is_authorized=before.is_authorized,
                is_refused=before.is_refused,
                seq_no=told.seq_no,
                car=told.car,
            )
        )
        new.bound.note(0.0, told.heard, self._most_kw(new.connector))
        return new

    def _start_of_orphan(self, found: Transaction, told: EventTold, connector: int) -> None:
        """Its start comes after its end, from a queue."""
        found.is_orphan = found.is_refused = False
        found.connector, found.started_wall_s = connector, told.wall_s
        found.vehicle_id = told.id_tag or self._name_of(connector)
        found.is_authorized, found.is_plugged = told.is_authorized, told.is_plugged
        registers = [r.energy_kwh for r in told.readings if r.energy_kwh is not None]
        if registers:
            found.started_at(min(registers))

    def _learn(self, found: Transaction, told: EventTold) -> bool:
        """From an event of one that is known; returns whether it has begun by it."""
        if not found.is_open:
            return False
        had_begun, before = found.has_begun, _told_once(found)
        if told.connector is not None and not had_begun:
            found.connector = told.connector
        if told.id_tag and not had_begun:
            found.vehicle_id = told.id_tag
        found.is_authorized |= told.is_authorized
        found.is_plugged = (found.is_plugged and (had_begun or not told.is_unplugged)) or told.is_plugged
        if told.seq_no >= found.seq_no:
            found.seq_no, found.car = told.seq_no, told.car or found.car
        if _told_once(found) != before:
            found.changes += 1  # to be kept
        return found.has_begun and not had_begun

    # ------------------------------------------------------------------ both

    def plugged_out(self, connector: int, wall_s: float) -> Transaction | None:
        """There is no car on it (any more): the open one is over, if its stop did not come."""
        found = self.open_on(connector)
        if found is not None:
            found.end(wall_s, HAS_LEFT)
            found.is_presumed_over = True
        return found

    def told_by_substation(self, session: OpenSession, wall_s: float) -> tuple[Transaction | None, bool]:
        """The transaction of a session, taken over if it is not known; and whether something was learnt.

        None: of a session that another has taken the place of here. Raises TooManyError.
        """
        found = self.by_session(session.session_id)
        if found is not None:
            return found, False
        found = self.by_id(session.transaction_id) if session.transaction_id else None
        if found is not None and not found.session_id:
            found.session_id, found.is_refused = session.session_id, False
            if found.is_orphan:
                found.connector = session.connector
                found.started_at(session.meter_kwh)
            return found, True
        if found is not None or self.open_on(session.connector) is not None:
            return None, False
        taken_over = Transaction(
            key=key_of(self.charger, f"session|{session.session_id}"),
            charger=self.charger,
            connector=session.connector,
            transaction_id=session.transaction_id or "",
            vehicle_id=session.vehicle_id,
            started_wall_s=wall_s,
            start_kwh=session.meter_kwh,
            session_id=session.session_id,
        )
        return self.add(taken_over), True

    def forget(self) -> list[Transaction]:
        """Those that are closed, but for the last few; returns what is forgotten."""
        closed = [each for each in self._all if each.is_closed]
        forgotten = closed[: max(0, len(closed) - REMEMBERED)]
        if forgotten:
            keys = {id(each) for each in forgotten}
            self._all = [each for each in self._all if id(each) not in keys]
        return forgotten

    def next_for_substation(self, connector: int) -> Transaction | None:
        """The one that its substation has to be told of next, on this connector: in the order of their starts.

        The start of one whose successor is there already waits for the successor's end, as it would end that.
        """
        there = sorted((t for t in self._all if t.connector == connector), key=lambda t: t.started_wall_s)
        has_later = False
        wanting = None
        for each in reversed(there):
            if each.wants_end or (each.wants_start and not has_later):
                wanting = each
            has_later = has_later or (bool(each.session_id) and not each.is_end_delivered)
        return wanting

    def _of_start(self, key: str) -> Transaction | None:
        number = str(number_of(key))
        mine = (each for each in self._all if each.key == key)
        others = (each for each in reversed(self._all) if each.transaction_id == number and not each.is_orphan)
        return next(mine, None) or next(others, None)

    def _of_stop(self, told: StopTold) -> Transaction | None:
        if told.transaction_id is not None:
            return self.by_id(told.transaction_id)
        if (again := self._stopped_then(told)) is not None:
            return again
        candidates = [each for each in self._all if each.is_open]
        if told.id_tag and any(each.vehicle_id == told.id_tag for each in self._all):
            candidates = [each for each in candidates if each.vehicle_id == told.id_tag]
        if told.meter_kwh is not None and len(candidates) > 1:
            stop_kwh = told.meter_kwh
            candidates = [each for each in candidates if (each.start_kwh or 0.0) <= stop_kwh] or candidates
            return max(candidates, key=lambda each: each.start_kwh or 0.0)
        return candidates[0] if len(candidates) == 1 else None

    def _stopped_then(self, told: StopTold) -> Transaction | None:
        """The one that this stop has ended before, if it is a repeat."""
        for each in reversed(self._all):
            is_then = each.ended_wall_s is not None and abs(each.ended_wall_s - told.wall_s) < _EARLIER_S
            if is_then and told.id_tag in ("", each.vehicle_id):
                return each
        return None

    def _succeeded(self, current: Transaction | None, new: Transaction) -> Transaction | None:
        if current is None or new.started_wall_s < current.started_wall_s - _EARLIER_S:
            return None
        current.end(new.started_wall_s, STOPPED_BY_SUCCESSOR)
        return current

    def _orphan(self, transaction_id: str, id_tag: str, wall_s: float) -> Transaction:
        return Transaction(
            key=key_of(self.charger, f"orphan|{transaction_id}|{wall_s}"),
            charger=self.charger,
            connector=0,
            transaction_id=transaction_id,
            vehicle_id=id_tag or self._name_of(0),
            started_wall_s=wall_s,
            is_orphan=True,
        )

    def _name_of(self, connector: int) -> str:
        return f"{self.charger.charger[:55]}/{connector}"


def _told_once(found: Transaction) -> tuple[object, ...]:
    """What events tell of it, and may not tell again."""
    return found.connector, found.vehicle_id, found.is_authorized, found.is_plugged


def _is_back(found: Transaction, told: EventTold) -> bool:
    """Whether the car of one that was taken as over is there, by its charger's word."""
    is_told = told.kind is EventKind.UPDATED and told.is_plugged
    return is_told and found.is_presumed_over and told.wall_s >= (found.ended_wall_s or 0.0) - _EARLIER_S
