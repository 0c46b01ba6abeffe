"""One substation: who charges there, with how much power, and how much energy each has had."""

from __future__ import annotations

from collections.abc import Iterable

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw
from smartgrid.domain.status import Status


class Substation:
    """Admits sessions while their minimums fit and shares the capacity max-min fairly among them.

    Between events (a start, a stop, a departure, a full battery, a new capacity) every power is constant, so metering
    is exact: `advance` steps from event to event and shares anew at each. Every method takes the present time and first
    advances to it; a time before the last one counts as the last one.
    """

    def __init__(self, capacity_kw: float, now_s: float, revision: int = 0) -> None:
        self.capacity_kw = capacity_kw
        self.now_s = now_s
        self.revision = revision
        self.draining = False
        self.meter_kwh = 0.0  # the integral of the load since this object was made
        self._active: dict[str, Session] = {}  # oldest first
        self._committed_kw = self._demand_kw = self._load_kw = 0.0
        self._next_event_s: float | None = None
        self._ended: list[Session] = []

    @property
    def active(self) -> Iterable[Session]:
        """The sessions that have not ended, oldest first."""
        return self._active.values()

    def find(self, session_id: str) -> Session | None:
        """The active session of this id."""
        return self._active.get(session_id)

    def room_for(self, power: PowerRange) -> bool:
        """Whether a session with this minimum would be admitted now."""
        return not self.draining and self._committed_kw + power.min_kw <= self.capacity_kw + TOLERANCE_KW

    def admit(self, session_id: str, request: ChargeRequest, now_s: float) -> Session | None:
        """Start a session, or None if its minimum does not fit."""
        self._step_to(now_s)
        if not self.room_for(request.power):
            return None
        session = Session(session_id, request, self.now_s)
        self._active[session_id] = session
        self._share()
        return session

    def stop(self, session_id: str, now_s: float, reason: EndReason = EndReason.STOPPED) -> Session | None:
        """End an active session on request; None if it is not active (any more)."""
        self._step_to(now_s)
        session = self._active.get(session_id)
        if session is not None:
            self._end(session, reason, self.now_s)
            self._share()
        return session

    def set_capacity(self, capacity_kw: float, now_s: float) -> None:
        """Change the limit: sessions are curtailed or resumed at once."""
        self._step_to(now_s)
        self.capacity_kw = capacity_kw
        self._share()

    def drain(self, now_s: float) -> None:
        """Admit no one any more; sessions go on."""
        self._step_to(now_s)
        self.draining = True
        self.revision += 1

    def advance(self, now_s: float) -> list[Session]:
        """Meter up to `now_s`; returns the sessions that ended since the last call, in the order of their ends."""
        self._step_to(now_s)
        ended, self._ended = self._ended, []
        return ended

    def restore(self, sessions: Iterable[Session]) -> None:
        """Take over active sessions as they stood at `now_s`, oldest first."""
        self._active.update((session.session_id, session) for session in sessions)
        self._share()

    def resume(self, now_s: float) -> None:
        """Go on after an outage that lasted until `now_s`: nothing was delivered in it.

        Cars that meant to leave in the meantime have left.
        """
        self.now_s = max(self.now_s, now_s)
        for session in list(self._active.values()):
            departure_s = session.request.departure_s
            if departure_s is not None and departure_s <= self.now_s:
                self._end(session, EndReason.POWER_LOSS, departure_s)
        self._share()

    def rebase(self, now_s: float) -> None:
        """Go on from a checkpoint taken now: `capacity_kw`, `now_s`, and of each active session, oldest first, its
        request, `started_s` and `delivered_kwh` as they are after this call.

        An event like a start or a stop, so a replay from an earlier checkpoint has to repeat it at the same time.
        """
        self._step_to(now_s)

    def next_event_s(self) -> float | None:
        """When the next session ends by itself, or None if none will as things stand."""
        return self._next_event_s

    def status(self) -> Status:
        """The state as of the last call that took a time."""
        room_kw = 0.0 if self.draining else max(0.0, self.capacity_kw - self._committed_kw)
        return Status(
            capacity_kw=self.capacity_kw,
            load_kw=self._load_kw,
            committed_kw=self._committed_kw,
            demand_kw=self._demand_kw,
            active_sessions=len(self._active),
            revision=self.revision,
            next_release_s=self._next_event_s,
            largest_free_kw=room_kw,
            draining=self.draining,
        )

    def _step_to(self, now_s: float) -> None:
        while self._next_event_s is not None and self._next_event_s <= now_s:
            self._meter_to(self._next_event_s)
            self._end_due()
            self._share()
        self._meter_to(now_s)

    def _meter_to(self, now_s: float) -> None:
        duration_s = now_s - self.now_s
        if duration_s <= 0:
            return
        self.meter_kwh += sum(session.meter(duration_s) for session in self._active.values())
        self.now_s = now_s

    def _end_due(self) -> None:
        for session in list(self._active.values()):
            full_s = session.full_s(self.now_s)
            if full_s is not None and full_s <= self.now_s + CLOCK_RESOLUTION_S:
                self._fill(session)
                self._end(session, EndReason.ENERGY_DELIVERED, self.now_s)
            elif session.request.departure_s is not None and session.request.departure_s <= self.now_s:
                self._end(session, EndReason.DEPARTED, self.now_s)

    def _fill(self, session: Session) -> None:
        """Meter what the clock was too coarse for, so that the books agree to the last digit."""
        self.meter_kwh += session.request.energy_kwh - session.delivered_kwh
        session.delivered_kwh = session.request.energy_kwh

    def _end(self, session: Session, reason: EndReason, ended_s: float) -> None:
        del self._active[session.session_id]
        session.end(ended_s, reason)
        self._ended.append(session)

    def _share(self) -> None:
        """Share the capacity anew. The newest sessions are suspended while the minimums do not fit."""
        sessions = list(self._active.values())
        ranges = [session.request.power for session in sessions]
        self._committed_kw = sum(power.min_kw for power in ranges)
        self._demand_kw = sum(power.max_kw for power in ranges)
        fitting = _how_many_fit(ranges, self._committed_kw, self.capacity_kw)
        powers_kw = share_kw(self.capacity_kw, ranges[:fitting]) + [0.0] * (len(ranges) - fitting)
        for session, power_kw in zip(sessions, powers_kw, strict=True):
            session.grant(power_kw)
        self._load_kw = min(sum(powers_kw), self.capacity_kw)
        self._next_event_s = min(self._event_times_s(), default=None)
        self.revision += 1

    def _event_times_s(self) -> Iterable[float]:
        for session in self._active.values():
            full_s = session.full_s(self.now_s)
            if full_s is not None:
                yield full_s
            if session.request.departure_s is not None:
                yield session.request.departure_s


CLOCK_RESOLUTION_S = 1e-4  # of a float that counts seconds since 1970, sped up a thousandfold: less is now


def _how_many_fit(ranges: list[PowerRange], committed_kw: float, capacity_kw: float) -> int:
    """How many of the oldest sessions fit with their minimums."""
    fitting = len(ranges)
    while fitting and committed_kw > capacity_kw + TOLERANCE_KW:
        fitting -= 1
        committed_kw -= ranges[fitting].min_kw
    while not _fit(ranges[:fitting], capacity_kw):  # the last digit of a difference is not that of the sum
        fitting -= 1
    return fitting


def _fit(ranges: list[PowerRange], capacity_kw: float) -> bool:
    return sum(power.min_kw for power in ranges) <= capacity_kw + TOLERANCE_KW
