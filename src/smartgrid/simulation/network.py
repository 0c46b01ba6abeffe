"""Substations and balancers as they see each other: messages that take their time, and views that grow old."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from time import perf_counter
from typing import Protocol

from smartgrid.domain.fleet import Fleet, Reservation
from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.routing import make_policy
from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status
from smartgrid.domain.substation import Substation

Reply = Callable[[bool], None]


class Clock:
    """Virtual time: does what is due, in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time_s, next(self._numbers), action))

    def run_until(self, end_s: float) -> None:
        """Do all that is due until then; it is `end_s` afterwards."""
        while self._due and self._due[0][0] <= end_s:
            self.now_s, _, action = heapq.heappop(self._due)
            action()
        self.now_s = end_s


class Wire:
    """Carries messages between two nodes; each takes `delay_s` of virtual time."""

    def __init__(self, clock: Clock, delay_s: float) -> None:
        self._clock = clock
        self._delay_s = delay_s

    def carry(self, message: Callable[[], None]) -> None:
        self._clock.at(self._clock.now_s + self._delay_s, message)


class Node(Protocol):
    """Whatever takes cars: a substation, or a balancer of more."""

    name: str

    def ask(self, car: int, request: ChargeRequest, reply: Reply) -> None:
        """Ask whether this car may charge here; the answer comes by `reply`."""

    def status(self) -> Status:
        """What the node says of itself at this moment of virtual time."""


class SubstationNode:
    """A substation, who wants to hear of its changes, and what became of its sessions."""

    def __init__(self, clock: Clock, index: int, capacity_kw: float, on_admitted: Callable[[int, int], None]) -> None:
        self.name = f"substation-{index}"
        self.index = index
        self.substation = Substation(capacity_kw, 0.0)
        self.load_kw = 0.0  # as of the last change
        self.delivered_kwh = 0.0
        self.shortfall_kwh = 0.0
        self.over_capacity_s = 0.0
        self._clock = clock
        self._on_admitted = on_admitted
        self._changed_s = 0.0
        self._waits_for: float | None = None
        self._listeners: list[Callable[[Status], None]] = []

    def tell(self, listener: Callable[[Status], None]) -> None:
        """Tell of every change at once, as a long poll does."""
        self._listeners.append(listener)

    def ask(self, car: int, request: ChargeRequest, reply: Reply) -> None:
        self.catch_up()
        admitted = self.substation.admit(str(car), request, self._clock.now_s) is not None
        if admitted:
            self._on_admitted(car, self.index)
            self._note_load(self._clock.now_s)
            self._announce()
        reply(admitted)

    def status(self) -> Status:
        self.catch_up()
        return self.substation.status()

    def catch_up(self) -> None:
        """Let happen what was due until now: sessions end, the others get their power."""
        while (due_s := self._next_event_s()) is not None and due_s <= self._clock.now_s:
            self._end_due(due_s)

    def drain(self) -> None:
        """Let all sessions go on to their ends."""
        while (due_s := self.substation.next_event_s()) is not None:
            self._end_due(due_s)

    def meter_kwh(self) -> float:
        """The energy given out until now."""
        self.catch_up()
        self.substation.advance(self._clock.now_s)
        return self.substation.meter_kwh

    def _next_event_s(self) -> float | None:
        return self.substation.next_event_s()

    def _end_due(self, due_s: float) -> None:
        for session in self.substation.advance(due_s):
            self.delivered_kwh += session.delivered_kwh
            self.shortfall_kwh += session.request.energy_kwh - session.delivered_kwh
        self._note_load(due_s)

    def _note_load(self, now_s: float) -> None:
        if self.load_kw > self.substation.capacity_kw + TOLERANCE_KW:
            self.over_capacity_s += now_s - self._changed_s
        self._changed_s = now_s
        self.load_kw = sum(session.power_kw for session in self.substation.active)

    def _announce(self) -> None:
        if self._listeners:
            status = self.substation.status()
            for listener in self._listeners:
                listener(status)
            self._wait_for_next()

    def _wait_for_next(self) -> None:
        due_s = self._next_event_s()
        if due_s is not None and due_s != self._waits_for:
            self._waits_for = due_s
            self._clock.at(due_s, lambda: self._on_due(due_s))

    def _on_due(self, due_s: float) -> None:
        if due_s == self._waits_for:
            self._waits_for = None
            self.catch_up()
            self._announce()


class BalancerNode:
    """A balancer over substations or over other balancers, with the same `Fleet` as the service."""

    def __init__(self, name: str, policy: str, members: Sequence[Node], clock: Clock, wire: Wire, rng: Random) -> None:
        self.name = name
        self.decisions = 0
        self.deciding_s = 0.0
        self._clock = clock
        self._wire = wire
        self._rng = rng
        self._members = {member.name: member for member in members}
        self._fleet = Fleet(make_policy(policy, rng), rng)
        for member in members:
            self._fleet.join(member.name)
            self._fleet.update(member.name, member.status(), clock.now_s)

    def ask(self, car: int, request: ChargeRequest, reply: Reply) -> None:
        self._attempt(car, request, (), reply)

    def status(self) -> Status:
        return self._fleet.totals()

    def hear(self, name: str, status: Status) -> None:
        """A status that came by itself."""
        self._fleet.update(name, status, self._clock.now_s)

    def poll_every(self, interval_s: float) -> None:
        """Ask each member for its status once an interval, each at its own moment."""
        for member in self._members.values():
            self._poll_at(self._clock.now_s + self._rng.uniform(0, interval_s), member, interval_s)

    def _poll_at(self, time_s: float, member: Node, interval_s: float) -> None:
        def poll() -> None:
            self._wire.carry(lambda: self._send_status(member))
            self._poll_at(time_s + interval_s, member, interval_s)

        self._clock.at(time_s, poll)

    def _send_status(self, member: Node) -> None:
        status = member.status()
        self._wire.carry(lambda: self.hear(member.name, status))

    def _attempt(self, car: int, request: ChargeRequest, tried: tuple[str, ...], reply: Reply) -> None:
        started_s = perf_counter()
        reservation = self._fleet.reserve(request.power, self._clock.now_s, tried)
        self.deciding_s += perf_counter() - started_s
        self.decisions += 1
        if reservation is None:
            reply(False)
            return
        member = self._members[reservation.name]

        def answered(admitted: bool) -> None:
            status = member.status()  # every answer carries it
            self._wire.carry(lambda: self._on_answer(car, request, tried, reply, reservation, admitted, status))

        self._wire.carry(lambda: member.ask(car, request, answered))

    def _on_answer(
        self,
        car: int,
        request: ChargeRequest,
        tried: tuple[str, ...],
        reply: Reply,
        reservation: Reservation,
        admitted: bool,
        status: Status,
    ) -> None:
        self._fleet.confirm(reservation, status, self._clock.now_s)
        if admitted:
            reply(True)
        else:
            self._attempt(car, request, (*tried, reservation.name), reply)
