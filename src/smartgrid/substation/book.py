"""The book of a substation, in memory: who charges, by which key and number, and what of it is not on the disk yet.

It knows no lock, no disk and no thread; wall time comes in as an argument. One row a session, a `Holding`, ties the
session that the domain meters to what the protocol knows of it (docs/protocol.md): the digest of its key, the number
of its latest try, the fingerprint of its request, whose it is, and the session that counts in its place. Rows of ended
sessions stay for as long as their keys are to be remembered (`rows`), so a repeat is known without asking the disk.

For whom there is no room may wait: then the row is there, and in place of the session a car in the waiting list. List
and substation go through time together (`advance`), and whatever frees power starts those whose turn it is at once.
Nobody starts while the disk takes no changes, while the substation drains, or before the book has begun.

What has changed since the last commit is kept apart (`pending.Unwritten`). A commit takes it (`take`) and then tells
what has become of it. `written`: the rows are saved, and their keys may be told to others, in `log`. `lost`: sessions
that were never on the disk are taken back, as if they had never been; all else has happened, and stays to be written.

Every start, end and new limit gets the next place in the order of events, and the wall time from which its grid time
was reckoned. So the course of things can be replayed from the last checkpoint with the very same numbers
(`recovery`), and a commit need not write what each session has been delivered.

Sessions with a charger (`chargers`) are not replayed but written down as they are. To the others what is booked for
them is a change of the limit, an event of its own. `charger_book` has what edges ask for.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from smartgrid.domain.quotas import use_of
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session
from smartgrid.domain.status import Status
from smartgrid.domain.substation import Connectors, Substation
from smartgrid.domain.waiting_list import RULES, WaitingCar, WaitingList
from smartgrid.protocol.keys import KeyLog
from smartgrid.protocol.numbers import MAX_PARTS, Number, settled
from smartgrid.runtime.clock import TimeScale
from smartgrid.substation.charger_rows import ChargerRow
from smartgrid.substation.chargers import Chargers
from smartgrid.substation.holding import Holding, Live, to_record, to_waiting_car
from smartgrid.substation.limits import Limits
from smartgrid.substation.pending import Taken, Unwritten, taken
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import (
    DepartureError,
    DrainingError,
    KeyReusedError,
    NoRoomError,
    QuotaError,
    StorageError,
)
from smartgrid.substation.rows import Rows
from smartgrid.substation.store import Checkpoint

WAITING_RULE = RULES["spare-backfill"]
NOTHING = PowerRange(0.0, 0.0)


class Copies(NamedTuple):
    """A list and its substation to look ahead with; good as long as nothing unforeseen has happened since."""

    line: WaitingList
    substation: Substation
    surprises: int


class Book:
    """See above. Every method that takes a time first advances to it; a time before the last one counts as the last."""

    def __init__(
        self,
        substation: Substation,
        scale: TimeScale,
        limits: Limits,
        wall_s: float,
        *,
        on_end: Callable[[Session], None] = lambda _: None,
        on_start: Callable[[float], None] = lambda _: None,
        holdings: Iterable[Holding] = (),
        changed: Iterable[Holding] = (),
        last_seq: int = 0,
        last_event: int = 0,
        configured_kw: float | None = None,
        chargers: Iterable[ChargerRow] = (),
        connectors: Connectors | None = None,
    ) -> None:
        """`holdings` are those of active sessions, waiting ones and ended ones, oldest first, all on the disk, and so
        are `chargers`.

        Those of them that are `changed` are not there as they are now. `on_end` hears of each session that has charged
        and whose end is on the disk, `on_start` of each start from the list: how long it has waited, in grid time.
        """
        self._substation, self._scale, self._limits = substation, scale, limits
        self._on_end, self._on_start = on_end, on_start
        self._line = WaitingList(
            WAITING_RULE, limits.max_waiting, most_active=limits.most_active, first_time_s=self._first_time_s
        )
        self._line.held = True  # until `configure`
        self._has_begun = False
        self.key_life_s = limits.key_life_s(scale)
        self.wall_s, self.configured_kw = wall_s, configured_kw
        self.epoch = secrets.randbelow(2**53 - 1) + 1
        self.fault: str | None = None
        self._rows = Rows()
        self._seq = last_seq
        self._unwritten = Unwritten(last_event)
        self.surprises = 0
        """How often something has happened that was not to be foreseen."""
        substation.reservation_s = scale.to_grid_s(limits.reservation_s)
        self._chargers = Chargers(substation, limits.booked_lease_s)
        self._shared_revision = -1
        self._is_amid_change = False
        """Whether what is known so far is not all that has happened: then nobody is offered more yet."""
        for holding in holdings:
            self._take_over(holding)
        for row in chargers:
            self._take_over_charger(row)
        self._chargers.set_connectors(connectors, changed=False)
        for holding in changed:
            self._unwritten.note(holding)

    # ------------------------------------------------------------------ changes

    def charge(
        self,
        request: ChargeRequest,
        digest: str,
        number: Number,
        fingerprint: str,
        wall_s: float,
        owner: str | None = None,
        waits_until_s: float | None = None,
        *,
        is_move: bool = False,
    ) -> tuple[Holding, bool]:
        """The session of the key, maybe superseded, and whether the key had it before; else one that starts or waits.

        `digest` is of owner and key together (`protocol.keys`). `waits_until_s` is until when the car waits where it
        finds no room, in wall time: infinite for as long as it takes, None for one that does not. `is_move` is of a
        balancer that moves a waiting car: a session that the key has here already keeps its number. Raises
        KeyReusedError, DepartureError, StorageError, DrainingError, QuotaError or NoRoomError.
        """
        self.advance(wall_s)
        known = self._rows.of_key(digest)
        if known is not None:
            self._repeat(known, known.number if is_move else number, fingerprint)
            return known, True
        if request.departure_s is not None and request.departure_s <= self._substation.now_s:
            raise DepartureError
        if self.fault is not None:
            raise StorageError(self.fault)
        if self._substation.draining:
            raise DrainingError
        return self._admit(request, digest, number, fingerprint, owner, waits_until_s), False

    def stop(self, session_id: str, wall_s: float, owner: str | None = None) -> Holding | None:
        """End a session, if it has not ended; None where it is not remembered, or is another owner's."""
        self.advance(wall_s)
        holding = self.find(session_id, owner)
        if holding is not None:
            self._end(holding, EndReason.STOPPED)
        return holding

    def supersede(
        self, session_id: str, before: Number, by: str, wall_s: float, owner: str | None = None
    ) -> Holding | None:
        """End a session if its number is below `before`, and note by which it was superseded; else leave it alone.

        It stays with the first that is told: that one knows by which it was superseded itself. None as for `stop`.
        """
        self.advance(wall_s)
        holding = self.find(session_id, owner)
        if holding is not None and holding.number < before and not holding.superseded_by:
            self._end(holding, EndReason.SUPERSEDED)
            holding.superseded_by = by
            self._unwritten.note(holding)
        return holding

    def set_capacity(self, capacity_kw: float, wall_s: float) -> None:
        self.advance(wall_s)
        self._substation.set_capacity(capacity_kw, self._substation.now_s)
        self._note_capacity()
        self._collect()

    def configure(self, configured_kw: float | None, wall_s: float) -> None:
        """Begin with this capacity in the settings: it holds if it is another than at the last start.

        Only from now on may anyone start who waits.
        """
        self.advance(wall_s)  # who has left in an outage is gone
        if configured_kw is not None and configured_kw != self.configured_kw:
            self.set_capacity(configured_kw, wall_s)
        self.configured_kw, self._has_begun = configured_kw, True
        self._hold_or_start()
        self.want_checkpoint()

    def drain(self, wall_s: float) -> None:
        """Admit no one any more."""
        self.advance(wall_s)
        self._substation.drain(self._substation.now_s)
        self.surprises += 1
        self._share()

    def end_drain(self, wall_s: float) -> None:
        """Admit again."""
        self.advance(wall_s)
        self._substation.end_drain(self._substation.now_s)
        self._start_due()

    def advance(self, wall_s: float) -> None:
        """Let time pass: sessions that are full or have left by then end, and those whose turn it is start."""
        self.wall_s = max(self.wall_s, wall_s)
        now_s = self._scale.to_grid_s(self.wall_s)
        if not self._line:
            ended = self._substation.advance(now_s)
        else:
            changes = self._line.advance(self._substation, now_s)
            self._note_starts(changes.started)
            for car in changes.left:
                self._note_end_of_wait(car.session_id)
            ended = changes.ended
        for session in ended:
            self._note_end(session.session_id, self._scale.to_wall_s(session.ended_s or 0.0))
        if self._chargers.sessions.pass_time(self.wall_s):
            self._start_due()
        elif self._substation.revision != self._shared_revision:
            self._share()

    def set_fault(self, fault: str | None) -> bool:
        """Why the disk takes no changes at present: then no one starts. Returns whether that has changed."""
        changed, turns = fault != self.fault, (fault is None) != (self.fault is None)
        self.fault = fault
        if turns:
            self._substation.revision += 1  # the room that the status tells is another
            self._hold_or_start()
        return changed

    def forget(self) -> None:
        """Forget the keys that were remembered for long enough, and the oldest of too many."""
        while (oldest := self._rows.next_to_forget(self.wall_s - self.key_life_s)) is not None:
            if oldest.live is not None or self.is_pending(oldest):
                return  # its end is not on the disk yet
            self._rows.drop(oldest)

    # ------------------------------------------------------------------ questions

    @property
    def log(self) -> KeyLog:
        """Of the keys that are on the disk."""
        return self._rows.log

    @property
    def revision(self) -> int:
        return self._substation.revision

    @property
    def draining(self) -> bool:
        return self._substation.draining

    @property
    def metered_kwh(self) -> float:
        """Energy delivered since this process started."""
        return self._substation.meter_kwh + self._chargers.sessions.delivered_kwh

    @property
    def suspended_sessions(self) -> int:
        return self._substation.suspended_sessions + self._chargers.sessions.suspended

    def status(self) -> Status:
        """As of the last advance. There is no room where no one is admitted, for whatever reason."""
        found = self._substation.status()
        full = found.active_sessions >= self._limits.most_active(found.capacity_kw)
        has_room = not full and self.fault is None and not self._line.holds_room(self._substation)
        if self._chargers or found.connectors is not None:
            found = replace(
                found,
                booked_kw=self._substation.booked_kw,
                metered_kw=self._chargers.sessions.metered_kw_at(self.wall_s),
                overbooked_kw=max(0.0, self._substation.booked_kw - found.capacity_kw),
            )
        return replace(
            found,
            epoch=self.epoch,
            largest_free_kw=found.largest_free_kw if has_room else 0.0,
            waiting_sessions=len(self._line),
            waiting_kw=self._line.power_kw,
            waiting_kwh=self._line.energy_kwh,
        )

    def next_event_in_s(self) -> float:
        """In how many seconds of wall time the next session ends, or leaves the list, or a lease is over, as things
        stand."""
        event_s = self._line.next_event_s(self._substation) if self._line else self._substation.next_event_s()
        expiry_in_s = self._chargers.sessions.next_expiry_s() - self.wall_s
        return expiry_in_s if event_s is None else min(expiry_in_s, self._scale.to_wall_s(event_s) - self.wall_s)

    def find(self, session_id: str, owner: str | None = None) -> Holding | None:
        """None where it is not remembered, or is another owner's than the one that is named."""
        holding = self._rows.find(session_id)
        return holding if holding is not None and holding.is_for(owner) else None

    def shown(self, holding: Holding) -> Record:
        """A session as it is now; it is in memory."""
        return to_record(holding, self.wall_s, self._line.position(holding.session_id) if holding.waits else None)

    def waiting(self, limit: int) -> list[Holding]:
        """The first in the list, as far as they are on the disk; none while it takes no changes: that they have been
        moved could not be noted, and after a crash they would start here."""
        if self.fault is not None:
            return []
        found = (self._rows.find(car.session_id) for car in self._line if not car.request.is_metered)
        return list(islice((holding for holding in found if holding and not self.is_pending(holding)), limit))

    def copies(self, surprises: int | None = None) -> Copies | None:
        """To look ahead with; None if nothing unforeseen has happened since there were so many surprises."""
        if surprises == self.surprises:
            return None
        substation = self._substation.copy()
        substation.expect(
            {
                charger.session_id: self._scale.to_grid_s(self.wall_s + full_in_s)
                for charger in self._chargers.sessions
                if (full_in_s := charger.full_in_s) is not None
            }
        )
        return Copies(self._line.copy(), substation, self.surprises)

    def takes(self, car: WaitingCar) -> bool:
        """Whether such a car may wait here, as things stand."""
        return self.fault is None and self._line.takes(car, self._substation)

    def is_pending(self, holding: Holding) -> bool:
        """Whether something of it is not on the disk yet."""
        return self._unwritten.has(holding)

    def as_it_is(self, record: Record) -> Record | None:
        """A record read from the disk, with what is newer here; None where the disk has a newer one by now."""
        holding = self._rows.find(record.session_id)
        if holding is not None and holding.live is not None:
            return self.shown(holding)
        if record.ended_wall_s is None:
            return None
        return record if holding is None else record._replace(superseded_by=holding.superseded_by)

    # ------------------------------------------------------------------ commits

    def is_dirty(self) -> bool:
        """Whether there is something that no commit has taken."""
        return bool(self._unwritten) or self._chargers.is_dirty()

    def want_sign_of_life(self) -> None:
        self._unwritten.want_sign_of_life()

    def want_checkpoint(self) -> None:
        self._unwritten.want_checkpoint()

    def take(self) -> Taken | None:
        """All that is to be written now, or None; `written` or `lost` is to follow before the next."""
        pending = self._unwritten.take()
        if not pending and not self._chargers.is_dirty():
            return None
        checkpoint = self._checkpoint() if pending.checkpoint else None
        return taken(pending, checkpoint, self.wall_s, self._chargers.take())

    def written(self, taken: Taken) -> None:
        """It is on the disk."""
        self._unwritten.written()
        self._chargers.written(taken.batch.chargers)
        for holding in taken.pending.changed.values():
            holding.saved = True
        for holding in taken.over:
            if holding.live is not None and holding.live.session is not None:
                self._on_end(holding.live.session)
            holding.live = None
        for entry in taken.entries:
            if self.log.get(entry.session_id) != entry:
                self.log.note(entry)

    def lost(self, taken: Taken) -> None:
        """It is not on the disk, and neither is what has happened since."""
        never_saved = self._unwritten.lost()
        self._chargers.lost(taken.batch.chargers)
        self._take_back(never_saved)

    # ------------------------------------------------------------------ within

    def _repeat(self, known: Holding, number: Number, fingerprint: str) -> None:
        """A try that asks for another car raises the number too: an attempt of it that went astray must not count."""
        if number > known.number and not known.superseded_by:
            known.number = number
            self._unwritten.note(known)
            self._rows.want(known)
        if known.fingerprint != fingerprint:
            raise KeyReusedError

    def _admit(
        self,
        request: ChargeRequest,
        digest: str,
        number: Number,
        fingerprint: str,
        owner: str | None,
        waits_until_s: float | None,
    ) -> Holding:
        substation, scale, quota = self._substation, self._scale, self._limits.quota
        if owner is not None and not quota.allows(self._rows.used(owner).plus(use_of(request.power.max_kw))):
            raise QuotaError(quota)
        departure_wall_s = None if request.departure_s is None else scale.to_wall_s(request.departure_s)
        leaves_wall_s = self.wall_s + scale.to_wall_s(self._limits.max_session_s)
        if departure_wall_s is not None:
            leaves_wall_s = min(leaves_wall_s, departure_wall_s)
        session_id = secrets.token_urlsafe(16)
        limited = ChargeRequest(request.vehicle_id, request.energy_kwh, request.power, scale.to_grid_s(leaves_wall_s))
        live = Live(limited, departure_wall_s, leaves_wall_s)
        session = self._line.ask(WaitingCar(session_id, limited, substation.now_s), substation)
        if session is not None:
            self._begin(live, session, self.wall_s)
        elif waits_until_s is None:
            raise NoRoomError
        else:
            self._join(session_id, live, waits_until_s)
        self.surprises += 1
        self._seq += 1
        holding = Holding(self._seq, session_id, digest, number, fingerprint, owner=owner, live=live)
        self._rows.add(holding)
        self._unwritten.note(holding)
        self._share()
        return holding

    def _begin(self, live: Live, session: Session, started_wall_s: float) -> None:
        live.session, live.started_wall_s, live.started_event = session, started_wall_s, self._unwritten.next_event()
        if live.charger is not None:
            self._chargers.sessions.begin(live.charger, session)
        elif session.request.is_metered:
            live.request = session.request  # reserved
            live.leaves_wall_s = self._scale.to_wall_s(session.request.departure_s or 0.0)

    def _join(self, session_id: str, live: Live, waits_until_s: float) -> None:
        live.joined_wall_s = self.wall_s
        live.wait_until_wall_s = waits_until_s if waits_until_s < math.inf else None
        car = to_waiting_car(session_id, live, self._scale)
        if not self._line.takes(car, self._substation):
            raise NoRoomError
        started = self._line.join(car, self._substation)
        assert not started, "it has asked, and so would all others have started before"
        self._substation.revision += 1

    def _end(self, holding: Holding, reason: EndReason) -> None:
        if holding.ended_wall_s is not None:
            return
        if holding.waits:
            self._leave(holding, self.wall_s, reason)
        else:
            self._substation.stop(holding.session_id, self._substation.now_s, reason)
        self._collect()

    def _leave(self, holding: Holding, ended_wall_s: float, reason: EndReason) -> None:
        """It waits no more, and has never begun."""
        self._line.leave(holding.session_id)  # where it has not done so by itself
        self._substation.revision += 1
        if holding.live is not None:
            holding.live.end_reason = reason
        if reason is not EndReason.SUPERSEDED:
            self._settle(holding)
        self._note_end(holding.session_id, ended_wall_s)

    def _collect(self) -> None:
        """After something that was not to be foreseen: note what has ended, and let those start whose turn it is."""
        self._note_ends()
        self._start_due()

    def _note_ends(self) -> None:
        for session in self._substation.advance(self._substation.now_s):
            self._note_end(session.session_id, self.wall_s)

    def _start_due(self) -> None:
        self.surprises += 1
        self._note_starts(self._line.start_due(self._substation))
        self._share()

    def _hold_or_start(self) -> None:
        self._line.held = self.fault is not None or not self._has_begun
        self._start_due()

    def _note_starts(self, sessions: Iterable[Session]) -> None:
        """Those have begun who waited."""
        for session in sessions:
            holding = self._rows.find(session.session_id)
            live = None if holding is None else holding.live
            assert holding is not None
            assert live is not None, "it has waited until now"
            started_wall_s = self._scale.first_wall_s(session.started_s)
            self._begin(live, session, started_wall_s)
            self._settle(holding)
            self._unwritten.note(holding)
            self._on_start(session.started_s - self._scale.to_grid_s(live.joined_wall_s or started_wall_s))

    def _settle(self, holding: Holding) -> None:
        """What ends the waiting here counts, and not a move that some balancer has under way."""
        if len(holding.number) < MAX_PARTS:
            holding.number = settled(holding.number)

    def _note_end_of_wait(self, session_id: str) -> None:
        holding = self._rows.find(session_id)
        if holding is not None and holding.live is not None:
            self._leave(holding, *holding.live.end_of_wait())

    def _note_end(self, session_id: str, ended_wall_s: float) -> None:
        holding = self._rows.find(session_id)
        if holding is None or holding.live is None:
            return  # taken back
        holding.live.ended_event = self._unwritten.next_event()
        if holding.live.charger is not None:
            self._chargers.stop(holding.live.charger)
        self._rows.end(holding, holding.live.unplugged_wall_s or ended_wall_s)
        self._unwritten.note(holding)

    def _first_time_s(self, grid_s: float) -> float:
        """Starts from the list are at grid times that a wall time stands for, so that they can be replayed."""
        return self._scale.to_grid_s(self._scale.first_wall_s(grid_s))

    def _share(self) -> None:
        """Offer chargers what they may have now, and leave the others what is left of it."""
        chargers, substation = self._chargers, self._substation
        if chargers or substation.booked_kw:
            may_rise = self._has_begun and self.fault is None and not self._is_amid_change
            chargers.sessions.share(may_rise=may_rise)
            booked_kw = chargers.sessions.booked_kw
            if booked_kw != substation.booked_kw:
                substation.set_booked(booked_kw, substation.now_s)
                self._note_capacity()
                self.surprises += 1
        self._shared_revision = substation.revision

    def _note_capacity(self) -> None:
        self._unwritten.note_capacity(self.wall_s, self._substation.capacity_kw, self._substation.booked_kw)

    def _checkpoint(self) -> Checkpoint:
        event = self._unwritten.begin_checkpoint()
        self._substation.rebase(self._substation.now_s)
        delivered_kwh = {
            holding.seq: session.delivered_kwh
            for session in self._substation.active
            if (holding := self._rows.find(session.session_id)) is not None
        }
        return Checkpoint(
            event,
            self.wall_s,
            self._scale.time_scale,
            self._substation.capacity_kw,
            self.configured_kw,
            delivered_kwh,
            self._substation.booked_kw,
        )

    def _take_back(self, holdings: list[Holding]) -> None:
        for holding in holdings:
            self._rows.take_back(holding)
            self._chargers.unplug(holding.session_id)
            if self._line.leave(holding.session_id) is None:
                self._substation.stop(holding.session_id, self._substation.now_s)
            else:
                self._substation.revision += 1
        self.surprises += 1
        self._share()
        self._note_ends()  # nobody starts in their place as long as the disk takes no changes

    def _take_over(self, holding: Holding) -> None:
        """Remember what is on the disk."""
        holding.saved = True
        self._rows.add(holding)
        if holding.live is not None and holding.waits:
            self._line.join(to_waiting_car(holding.session_id, holding.live, self._scale), self._substation)
        self.log.note(holding.entry)

    def _take_over_charger(self, row: ChargerRow) -> None:
        """Book what is on the disk. A session that has ended for all others waits for its charger to end it."""
        holding = self._rows.find(row.session_id)
        live = None if holding is None or holding.ended_wall_s is not None else holding.live
        if live is None:
            self._chargers.restore(row, NOTHING, math.inf, self.wall_s).is_stopping = True
            return
        live.charger = self._chargers.restore(row, live.request.power, live.request.energy_kwh, self.wall_s)
        if live.session is not None:
            self._chargers.sessions.begin(live.charger, live.session)
