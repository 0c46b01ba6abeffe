"""A session as the book of a substation has it: what the domain meters, tied to what the protocol knows of it.

It begins to charge at once, or it waits: then it has no `Session` in the domain yet, but a place in the waiting list
(`domain.waiting_list`), and maybe it never gets one. In all else it is a session like any other, from when it joined.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.domain.charger_sessions import ChargerSession
from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import EndReason, Session, SessionState
from smartgrid.domain.waiting_list import WaitingCar
from smartgrid.protocol.keys import KeyEntry, OwnUse
from smartgrid.protocol.numbers import Number, encode
from smartgrid.runtime.clock import TimeScale
from smartgrid.substation.record import Metered, Record


@dataclass(slots=True, eq=False)
class Live:
    """A session until its end is on the disk, with what its record needs besides (`record.Record`).

    `session`, `started_wall_s` and `started_event` are None as long as it waits, and stay so if it ends without having
    begun; then its `end_reason` is here. `joined_wall_s` is None of one that has never waited.
    """

    request: ChargeRequest
    departure_wall_s: float | None
    leaves_wall_s: float
    session: Session | None = None
    started_wall_s: float | None = None
    started_event: int | None = None
    joined_wall_s: float | None = None
    wait_until_wall_s: float | None = None
    ended_event: int | None = None
    end_reason: EndReason | None = None
    charger: ChargerSession | None = None
    """Of one that is plugged in; what its charger has metered is what it has been delivered."""
    unplugged_wall_s: float | None = None
    """When its charger has ended it."""

    def end_of_wait(self) -> tuple[float, EndReason]:
        """When it leaves the list by itself, in wall time, and why."""
        if self.wait_until_wall_s is not None and self.wait_until_wall_s < self.leaves_wall_s:
            return self.wait_until_wall_s, EndReason.WAIT_EXPIRED
        return self.leaves_wall_s, EndReason.DEPARTED


@dataclass(slots=True, eq=False)
class Holding:
    """A session by its key. There may be 100,000 of them, most of sessions that ended long ago.

    `live` is None once its end is on the disk: who wants to see it reads its record there. `saved` is whether it is on
    the disk at all.
    """

    seq: int
    session_id: str
    digest: str
    number: Number
    fingerprint: str
    superseded_by: str = ""
    ended_wall_s: float | None = None
    owner: str | None = None
    live: Live | None = None
    saved: bool = False
    charger: str | None = None
    connector: int | None = None
    start_digest: str | None = None

    @property
    def entry(self) -> KeyEntry:
        return KeyEntry(self.digest, self.number, self.session_id, bool(self.superseded_by), self.use)

    @property
    def use(self) -> OwnUse | None:
        """What it takes of its owner's quota, while it has not ended, waiting or charging."""
        if self.owner is None or self.live is None or self.ended_wall_s is not None:
            return None
        return OwnUse(self.owner, self.live.request.power.max_kw)

    @property
    def waits(self) -> bool:
        """Whether it waits for power."""
        return self.live is not None and self.live.session is None and self.ended_wall_s is None

    @property
    def is_plugged_in(self) -> bool:
        return self.charger is not None

    @property
    def state(self) -> SessionState:
        if self.waits:
            return SessionState.WAITING
        if self.live is None or self.live.session is None:
            return SessionState.IDLE
        return self.live.session.state

    def is_for(self, owner: str | None) -> bool:
        """Whether who is bound to an owner's sessions may see and stop it; None is bound to no one's."""
        return owner is None or owner == self.owner

    def last_wanted_s(self) -> float:
        """Its end or its latest try, in wall time. A number begins with the microseconds of its try."""
        return max(self.ended_wall_s or 0.0, self.number[0] / 1e6)


def to_waiting_car(session_id: str, live: Live, scale: TimeScale) -> WaitingCar:
    """As the waiting list has it."""
    until_s = None if live.wait_until_wall_s is None else scale.to_grid_s(live.wait_until_wall_s)
    return WaitingCar(session_id, live.request, scale.to_grid_s(live.joined_wall_s or 0.0), until_s)


def to_record(holding: Holding, wall_s: float, position: int | None = None) -> Record:
    """A session as it is at this time; it is in memory. `position` is its place in the list, if it waits."""
    live = holding.live
    assert live is not None, "only the disk has its record"
    session, request, charger = live.session, live.request, live.charger
    delivered_kwh = 0.0 if session is None else session.delivered_kwh
    reason = live.end_reason if session is None else session.end_reason
    return Record(
        holding.seq,
        holding.session_id,
        holding.digest,
        encode(holding.number),
        holding.fingerprint,
        holding.superseded_by,
        request.vehicle_id,
        request.energy_kwh,
        request.power.min_kw,
        request.power.max_kw,
        live.departure_wall_s,
        live.leaves_wall_s,
        live.started_wall_s,
        live.started_event,
        delivered_kwh if charger is None else charger.energy_kwh,
        holding.ended_wall_s,
        live.ended_event,
        reason.value if reason else None,
        holding.owner,
        live.joined_wall_s,
        live.wait_until_wall_s,
        int(request.is_metered),
        holding.charger,
        holding.connector,
        holding.start_digest,
        holding.state.value,
        0.0 if session is None else session.power_kw,
        position,
        metered=_metered(charger, wall_s) if charger is not None and holding.ended_wall_s is None else None,
    )


def _metered(charger: ChargerSession, wall_s: float) -> Metered:
    return Metered(charger.supply.booked_kw, charger.metered_kw_at(wall_s), charger.supply.is_controlled)
