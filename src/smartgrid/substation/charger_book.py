"""A book with what edges ask for: cars that plug in and out, reports of what may be drawn, and what is offered.

A charger session is a session like any other, with key, number and place in the list; only its charger ends it, and
meters it. A car is plugged in whether there is room for it or not, so it is never refused: it waits, and draws what it
draws anyway. One that was asked for before is found by its vehicle: with a connector reserved, waiting, or charging
as far as the substation knew, where it began before any charger was known.

A session that somebody else ends (its driver, an operator, its energy) has ended for the waiting list and the shares,
but not for its charger, which may draw until it says that it does not: it stays booked, as *stopping*, until `unplug`,
or until another car is plugged in at its connector.

Everything here ends in a sharing (`Book._share`), which offers as much as is not booked. While several things belong
together, as the end of one session and the start of the next on a connector, nobody is offered more in between
(`_is_amid_change`): the power that the first gives up is not given away before the second has its part of it.

What is told to an edge must be booked after a crash too, so `report` and `offers` say whether the disk has to come
first; `charger_ledger` waits for it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from smartgrid.domain.charger_sessions import ChargerSession, Reading
from smartgrid.domain.held_power import Report, Sender
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason
from smartgrid.domain.substation import Connectors
from smartgrid.domain.waiting_list import WaitingCar
from smartgrid.protocol.numbers import Number
from smartgrid.substation.book import Book
from smartgrid.substation.chargers import Plug, PlugIn
from smartgrid.substation.holding import Holding, Live, to_waiting_car
from smartgrid.substation.refusals import StorageError


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What an edge says of one session."""

    session_id: str
    report: Report
    reading: Reading


@dataclass(frozen=True, slots=True)
class Reports:
    """What an edge says at once, `sequence` of it; `claims` are session ids with the number by which it knows them."""

    epoch: int
    edge: str
    sequence: int
    connectors: Connectors | None
    claims: Sequence[tuple[str, int]]
    sessions: Sequence[SessionReport]


class Offer(NamedTuple):
    """What one session is offered at one moment; `position` is its place in the list, if it waits. `is_lapsed`: nobody
    has asked for it for a lease."""

    plug: Plug
    session_id: str
    state: str
    number: int
    power_kw: float
    holder: str
    position: int | None
    is_lapsed: bool


class Offers(NamedTuple):
    """All that are open."""

    epoch: int
    revision: int
    lease_s: float
    capacity_kw: float
    firm_capacity_kw: float
    offers: list[Offer]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of chargers, for metrics: what is offered, metered, booked beyond offers, booked of uncontrolled ones, and booked
    beyond the capacity."""

    offered_kw: float
    metered_kw: float
    beyond_offers_kw: float
    uncontrolled_kw: float
    overbooked_kw: float


class ChargerBook(Book):
    """See above, and `Book`."""

    @property
    def offers_revision(self) -> int:
        return self._chargers.sessions.revision

    def plug_in(
        self, request: ChargeRequest, found: PlugIn, digest: str, number: Number, wall_s: float
    ) -> tuple[Holding, bool]:
        """The session of a car that is plugged in, and whether its key had it before.

        Raises StorageError where it cannot be written down: then it is as if it had not been plugged in yet.
        """
        self.advance(wall_s)
        known = self._rows.of_key(digest)
        if known is not None:
            self._plugged_again(known, found)
            return known, True
        if self.fault is not None:
            raise StorageError(self.fault)
        self._is_amid_change = True
        earlier = self._chargers.at(found.charger, found.connector)
        if earlier is not None:
            self._unplug(earlier, EndReason.STOPPED, self.wall_s)
        holding = self._asked_for_before(request.vehicle_id)
        if holding is None:
            holding = self._new(request, digest, number)
        else:
            self._meter(holding, request.power)
            self._rows.plug_in(holding, digest)
            self._settle(holding)  # whoever would move it comes too late
        holding.charger, holding.connector = found.charger, found.connector
        self._start(holding, found)
        self._is_amid_change = False
        self._unwritten.note(holding)
        self._collect()
        return holding, False

    def unplug(
        self, session_id: str, energy_kwh: float | None, ended_wall_s: float | None, has_left: bool, wall_s: float
    ) -> Holding | None:
        """The charger has ended its session; None where that is not remembered. `energy_kwh` is the whole of it.

        Repeated, or after another end, it only corrects the energy.
        """
        self.advance(wall_s)
        charger = self._chargers.find(session_id)
        if energy_kwh is not None:
            if charger is not None:
                self._chargers.sessions.finish(charger, energy_kwh)
            self._chargers.correct(session_id, energy_kwh)
        if charger is not None:
            reason = EndReason.DEPARTED if has_left else EndReason.STOPPED
            ended_s = self.wall_s if ended_wall_s is None else min(ended_wall_s, self.wall_s)
            self._unplug(session_id, EndReason.ENERGY_DELIVERED if charger.is_satisfied else reason, ended_s)
            self._collect()
        return self.find(session_id)

    def report(self, reports: Reports, wall_s: float) -> tuple[list[str], bool]:
        """Take over what an edge says. Returns the sessions that are not open here, and whether something of it must be
        on the disk before the edge goes by it."""
        self.advance(wall_s)
        sessions, gone = self._chargers.sessions, []
        for session_id, number in reports.claims:
            if (charger := self._chargers.find(session_id)) is not None:
                sessions.claim(charger, reports.edge, number)
        lease_end_s = self._chargers.lease_end_s(self.wall_s)
        sender = Sender(reports.edge, reports.sequence, reports.epoch == self.epoch)
        for said in reports.sessions:
            charger = self._chargers.find(said.session_id)
            if charger is None:
                gone.append(said.session_id)
                continue
            sessions.report(charger, said.report, sender, lease_end_s)
            sessions.observe(charger, said.reading, self.wall_s)
            self._start_anyway(charger)
        if reports.connectors is not None:
            self._chargers.set_connectors(reports.connectors)
        must_be_written = self._chargers.is_untold(
            [*(said.session_id for said in reports.sessions), *(session_id for session_id, _ in reports.claims)]
        )
        self._start_due()
        return gone, must_be_written

    def offers(self, wall_s: float, edge: str | None = None) -> tuple[Offers, bool]:
        """All that is offered, told at this time to this edge, and whether it must be on the disk before."""
        self.advance(wall_s)
        self._chargers.renew(self.wall_s, edge)
        self._share()
        return self.told(), self._chargers.is_untold()

    def booked_kw(self, session_id: str) -> float:
        """The most that an open session may draw; 0 where there is none."""
        charger = self._chargers.find(session_id)
        return 0.0 if charger is None else charger.supply.booked_kw

    def is_untold(self, session_id: str) -> bool:
        """Whether the disk books less for it than is booked."""
        return self._chargers.is_untold([session_id])

    def told(self) -> Offers:
        """All that is offered."""
        capacity_kw = self._substation.capacity_kw
        return Offers(
            self.epoch,
            self.offers_revision,
            self._limits.lease_s,
            capacity_kw,
            self._limits.firm_kw(capacity_kw),
            [self._offer(plug, charger) for plug, charger in self._chargers],
        )

    def withdraw(self, wall_s: float, edge: str | None = None) -> Offers:
        """All that is offered by what is on the disk, told at this time to this edge: it does not take more."""
        self.advance(wall_s)
        self._chargers.withdraw()
        self._chargers.renew(self.wall_s, edge)  # it may be the holder only now
        return self.told()

    def totals(self) -> Totals:
        sessions = self._chargers.sessions
        over_kw = max(0.0, sessions.booked_kw - self._substation.capacity_kw)
        metered_kw = sessions.metered_kw_at(self.wall_s)
        return Totals(sessions.offered_kw, metered_kw, sessions.beyond_offers_kw, sessions.uncontrolled_kw, over_kw)

    # ------------------------------------------------------------------ within

    def _new(self, request: ChargeRequest, digest: str, number: Number) -> Holding:
        self._seq += 1
        live = Live(replace(request, departure_s=None, is_metered=True), None, math.inf)
        holding = Holding(self._seq, secrets.token_urlsafe(16), digest, number, "", live=live)
        self._rows.add(holding)
        return holding

    def _asked_for_before(self, vehicle_id: str) -> Holding | None:
        """The session that a driver has asked for, and that has not come to a charger yet: the oldest."""
        reserved = (session.session_id for session in self._substation.reserved if _is_of(session.request, vehicle_id))
        charging = (session.session_id for session in self._substation.active if _is_of(session.request, vehicle_id))
        waiting = (car.session_id for car in self._line if _is_of(car.request, vehicle_id))
        for session_id in chain(reserved, charging, waiting):
            holding = self._rows.find(session_id)
            if holding is not None and not holding.is_plugged_in:
                return holding
        return None

    def _meter(self, holding: Holding, power: PowerRange) -> None:
        """Its charger meters it from now on, within what both can."""
        live = holding.live
        assert live is not None, "it has not ended"
        asked = live.request.power
        most_kw = min(asked.max_kw, power.max_kw)
        both = PowerRange(min(max(asked.min_kw, power.min_kw), most_kw), most_kw)
        live.request = replace(live.request, power=both, departure_s=None, is_metered=True)
        live.leaves_wall_s, live.wait_until_wall_s = math.inf, None

    def _start(self, holding: Holding, found: PlugIn) -> None:
        """Let it begin if it may, else wait."""
        live, session_id = holding.live, holding.session_id
        assert live is not None, "it has just been made, or found among those that are open"
        request = live.request
        live.charger = charger = self._chargers.plug_in(
            holding.seq, session_id, request, found, request.power, self.wall_s
        )
        if live.session is not None:
            if not live.session.request.is_metered:
                self.want_checkpoint()  # others have shared with it, which no replay knows of any more
            self._substation.plug_in(live.session)
            self._chargers.sessions.begin(charger, live.session)
            return
        self._line.leave(session_id)  # where it has waited for a connector
        joined_s = self._scale.to_grid_s(live.joined_wall_s or self.wall_s)
        session = None
        if found.is_controlled:
            session = self._line.ask(WaitingCar(session_id, request, joined_s), self._substation)
        else:
            session = self._substation.admit_anyway(session_id, request, self._substation.now_s)
        if session is not None:
            self._begin(live, session, min(found.started_wall_s or self.wall_s, self.wall_s))
            return
        live.joined_wall_s = live.joined_wall_s or self.wall_s
        self._note_starts(self._line.join(to_waiting_car(session_id, live, self._scale), self._substation))
        self._substation.revision += 1

    def _start_anyway(self, charger: ChargerSession) -> None:
        """A charger that does not do what it is told does not wait either."""
        holding = self._rows.find(charger.session_id)
        if charger.supply.is_controlled or charger.session is not None or holding is None or not holding.waits:
            return
        assert holding.live is not None, "it waits"
        self._line.leave(charger.session_id)
        request = holding.live.request
        self._note_starts([self._substation.admit_anyway(charger.session_id, request, self._substation.now_s)])

    def _plugged_again(self, holding: Holding, found: PlugIn) -> None:
        """The edge has forgotten that it has asked: what it says now can only be more than what is booked."""
        charger = self._chargers.find(holding.session_id)
        if charger is None:
            return
        said = Report(0, found.held_kw, found.fallback_kw, found.rating_kw, found.is_controlled)
        lease_end_s = self._chargers.lease_end_s(self.wall_s)
        self._chargers.sessions.report(charger, said, Sender(found.edge, is_fresh=False), lease_end_s)
        self._start_anyway(charger)
        self._start_due()

    def _unplug(self, session_id: str, reason: EndReason, ended_wall_s: float) -> None:
        """Nothing is drawn for it any more."""
        holding = self._rows.find(session_id)
        self._chargers.unplug(session_id)
        if holding is not None and holding.live is not None and holding.ended_wall_s is None:
            begun_s = holding.live.started_wall_s or holding.live.joined_wall_s or 0.0
            holding.live.unplugged_wall_s = max(ended_wall_s, begun_s)
            self._end(holding, reason)

    def _offer(self, plug: Plug, charger: ChargerSession) -> Offer:
        waits = charger.session_id in self._line
        supply = charger.supply
        return Offer(
            plug,
            charger.session_id,
            charger.told_state,
            supply.number,
            supply.offer_kw,
            supply.holder,
            self._line.position(charger.session_id) if waits else None,
            not supply.has_lease,
        )


def _is_of(request: ChargeRequest, vehicle_id: str) -> bool:
    return request.vehicle_id == vehicle_id
