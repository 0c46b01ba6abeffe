"""A substation that walks over all its sessions for every event: what `domain.substation` is measured against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SECONDS_PER_HOUR
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw
from smartgrid.domain.status import Status


@dataclass(slots=True)
class Charging:
    """A session with its own meter."""

    request: ChargeRequest
    power_kw: float = 0.0
    delivered_kwh: float = 0.0


class PlainWalk:
    """Admits, stops and meters as a substation whose capacity is never cut, by going through all sessions each time."""

    def __init__(self, capacity_kw: float, now_s: float) -> None:
        self.capacity_kw, self.now_s, self.revision = capacity_kw, now_s, 0
        self._active: dict[str, Charging] = {}
        self._committed_kw = self._demand_kw = self._load_kw = 0.0
        self._next_event_s: float | None = None

    def fill(self, requests: Iterable[ChargeRequest]) -> None:
        """Let cars be there: one by one they would take the square of the time."""
        self._active.update((str(number), Charging(request)) for number, request in enumerate(requests))
        self._share()

    def admit(self, session_id: str, request: ChargeRequest, now_s: float) -> Charging | None:
        self._step_to(now_s)
        if self._committed_kw + request.power.min_kw > self.capacity_kw + TOLERANCE_KW:
            return None
        session = self._active[session_id] = Charging(request)
        self._share()
        return session

    def stop(self, session_id: str, now_s: float) -> Charging | None:
        self._step_to(now_s)
        session = self._active.pop(session_id, None)
        self._share()
        return session

    def status(self) -> Status:
        room_kw = max(0.0, self.capacity_kw - self._committed_kw)
        return Status(
            capacity_kw=self.capacity_kw,
            load_kw=self._load_kw,
            committed_kw=self._committed_kw,
            demand_kw=self._demand_kw,
            active_sessions=len(self._active),
            revision=self.revision,
            next_release_s=self._next_event_s,
            largest_free_kw=room_kw,
        )

    def _step_to(self, now_s: float) -> None:
        while self._next_event_s is not None and self._next_event_s <= now_s:
            self._meter_to(self._next_event_s)
            for session_id, session in list(self._active.items()):
                end_s = self._end_s(session)
                if end_s is not None and end_s <= self.now_s:
                    del self._active[session_id]
            self._share()
        self._meter_to(now_s)

    def _meter_to(self, now_s: float) -> None:
        for session in self._active.values():
            gained_kwh = session.power_kw * (now_s - self.now_s) / SECONDS_PER_HOUR
            session.delivered_kwh = min(session.request.energy_kwh, session.delivered_kwh + gained_kwh)
        self.now_s = now_s

    def _share(self) -> None:
        ranges = [session.request.power for session in self._active.values()]
        self._committed_kw = sum(power.min_kw for power in ranges)
        self._demand_kw = sum(power.max_kw for power in ranges)
        powers_kw = share_kw(self.capacity_kw, ranges)
        for session, power_kw in zip(self._active.values(), powers_kw, strict=True):
            session.power_kw = power_kw
        self._load_kw = sum(powers_kw)
        ends_s = [end_s for session in self._active.values() if (end_s := self._end_s(session)) is not None]
        self._next_event_s = min(ends_s, default=None)
        self.revision += 1

    def _end_s(self, session: Charging) -> float | None:
        if not session.power_kw:
            return session.request.departure_s
        left_kwh = session.request.energy_kwh - session.delivered_kwh
        full_s = self.now_s + left_kwh / session.power_kw * SECONDS_PER_HOUR
        return full_s if session.request.departure_s is None else min(full_s, session.request.departure_s)
