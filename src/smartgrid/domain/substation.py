"""One substation: who charges there, with how much power, and how much energy each has had.

Powers change only at **events**: a start, a stop, a full battery, a departure, a new capacity, a restart. Between two
of them every power is constant, so metering is exact: `advance` goes from event to event and shares anew at each.
Sharing and metering are `domain.water_level`'s; here is who takes part. The oldest sessions whose minimums fit into the
capacity are *fed*; the newer ones are *suspended*, which happens only when the capacity has been cut. That boundary
moves session by session. What each does itself comes out of two queues: who is full next, and who departs next.
So an event costs O(log n) at n sessions, and a session that no event concerns is not touched.

**Looking changes nothing.** Powers and times of ends are whole-number functions of the events before. So whoever
repeats the events at the same times has the same sessions, to the last bit, however often `advance`, `status` or a
session have been asked in between. The ledger stands on that: it writes events, and after a crash plays them again
from a **checkpoint**: `capacity_kw`, `now_s`, and of each active session, oldest first, its request, start and
delivered energy. That is written as a float, which is not quite what was metered. So to take a checkpoint is an event
too, `rebase`: from then on each session has had just that float, here as in the file. A replay from an earlier
checkpoint has to `rebase` at the same time.

**Chargers.** A session with a charger is metered by that, and limited from outside (`domain.charger_sessions`): here it
only takes its minimum from the room for others. What all chargers may draw is *booked* (`set_booked`): the sessions
that are metered here share the rest, at once. To them it is as if the capacity had changed, and it is played again like
that; who is behind it need not be. Where there are `connectors`, a car that asks without a charger gets one *reserved*,
with its minimum and no power, for `reservation_s`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from smartgrid.domain import quanta
from smartgrid.domain.priority_queue import PriorityQueue
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason, Session
from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status
from smartgrid.domain.water_level import WaterLevel

CLOCK_RESOLUTION_S = 1e-4  # of a float that counts seconds since 1970, sped up a thousandfold: less is now
TOLERANCE = quanta.of_kw(TOLERANCE_KW)
RESERVATION_S = 900.0


@dataclass(frozen=True, slots=True)
class Connectors:
    """How many a substation has, and how many of them have neither a car nor a fault."""

    total: int
    free: int


class Substation:
    """Admits sessions while their minimums fit and shares the capacity max-min fairly among them.

    Every method that takes the present time first advances to it; a time before the last one counts as the last one.
    The sessions that it returns show themselves as they are at `now_s`, also later.
    """

    def __init__(self, capacity_kw: float, now_s: float, revision: int = 0) -> None:
        self.capacity_kw = capacity_kw
        self.now_s = now_s
        self.revision = revision
        self.draining = False
        self.booked_kw = 0.0
        self.connectors: Connectors | None = None
        """None where no chargers are known: then cars need none."""
        self.reservation_s = RESERVATION_S
        self._capacity = quanta.of_kw(capacity_kw)
        self._water = WaterLevel(self._capacity, quanta.of_s(now_s))
        self._fed: dict[str, Session] = {}  # both oldest first, and all of these before all of those
        self._suspended: OrderedDict[str, Session] = OrderedDict()
        self._metered: dict[str, Session] = {}  # by their chargers
        self._reserved: dict[str, Session] = {}
        self._aside: dict[str, int] = {}  # what chargers draw anyway whose cars have not been admitted, in quanta
        self._departures: PriorityQueue[float, Session] = PriorityQueue()
        self._committed = self._demand = 0  # the sums of the minimums and of the maximums, in quanta
        self._aside_sum = 0
        self._corrected = 0  # what sessions have been delivered beyond what the meter says, in quanta
        self._taken_in = 0
        self._next_event_s: float | None = None
        self._expected: Mapping[str, float] | None = None
        self._ended: list[Session] = []

    @property
    def active(self) -> Iterable[Session]:
        """The sessions that are metered here and have not ended, oldest first."""
        return chain(self._fed.values(), self._suspended.values())

    @property
    def reserved(self) -> Iterable[Session]:
        """The sessions for which a connector is kept."""
        return self._reserved.values()

    @property
    def active_sessions(self) -> int:
        """How many have not ended, whoever meters them."""
        return len(self._fed) + len(self._suspended) + len(self._metered) + len(self._reserved)

    @property
    def suspended_sessions(self) -> int:
        """How many of them get no power, as the minimums of the older ones take all of it."""
        return len(self._suspended)

    @property
    def meter_kwh(self) -> float:
        """The integral of the load since this object was made."""
        return quanta.to_kwh(self._water.given() + self._corrected)

    def find(self, session_id: str) -> Session | None:
        """The active session of this id."""
        return (
            self._fed.get(session_id)
            or self._suspended.get(session_id)
            or self._metered.get(session_id)
            or self._reserved.get(session_id)
        )

    @property
    def free_connectors(self) -> int | None:
        """How many can still be promised; None where cars need none."""
        return None if self.connectors is None else max(0, self.connectors.free - len(self._reserved))

    def room_for(self, power: PowerRange) -> bool:
        """Whether a session without a charger and with this minimum would be admitted now."""
        return self.free_connectors != 0 and self._fits(quanta.of_kw(power.min_kw))

    def may_begin(self, session_id: str, request: ChargeRequest) -> bool:
        """Whether this one would be admitted now."""
        if not request.is_metered:
            return self.room_for(request.power)
        anyway = self._aside.get(session_id, 0)
        return self._fits(max(0, quanta.of_kw(request.power.min_kw) - anyway))

    def admit(self, session_id: str, request: ChargeRequest, now_s: float) -> Session | None:
        """Start a session, or None if its minimum does not fit."""
        self._step_to(now_s)
        if not self.may_begin(session_id, request):
            return None
        if self.connectors is not None and not request.is_metered:
            request = self._reservation(request)
        return self.admit_anyway(session_id, request, self.now_s)

    def admit_anyway(self, session_id: str, request: ChargeRequest, now_s: float) -> Session:
        """Start a session that is a fact, whether there is room or not."""
        self._step_to(now_s)
        session = Session(session_id, request, self.now_s)
        self._take_in(session)
        self._share()
        return session

    def stop(self, session_id: str, now_s: float, reason: EndReason = EndReason.STOPPED) -> Session | None:
        """End an active session on request; None if it is not active (any more)."""
        self._step_to(now_s)
        session = self.find(session_id)
        if session is not None:
            self._end(session, reason, self.now_s)
            self._share()
        return session

    def set_capacity(self, capacity_kw: float, now_s: float) -> None:
        """Change the limit: sessions are curtailed or resumed at once."""
        self._step_to(now_s)
        self.capacity_kw, self._capacity = capacity_kw, quanta.of_kw(capacity_kw)
        self._water.capacity = max(0, self._capacity - quanta.of_kw(self.booked_kw))
        self._share()

    def set_booked(self, booked_kw: float, now_s: float) -> None:
        """Leave the sessions that are metered here what is left beside so much."""
        self._step_to(now_s)
        self.booked_kw = booked_kw
        self._water.capacity = max(0, self._capacity - quanta.of_kw(booked_kw))
        self._share()

    def set_aside(self, session_id: str, power_kw: float) -> None:
        """Count with what a charger draws anyway whose session has not begun, or is over for all others."""
        power, before = quanta.of_kw(power_kw), self._aside.pop(session_id, 0)
        if power:
            self._aside[session_id] = power
        if power != before:
            self._aside_sum += power - before
            self.revision += 1

    def set_connectors(self, connectors: Connectors | None) -> None:
        """How many there are from now on."""
        if connectors != self.connectors:
            self.connectors = connectors
            self.revision += 1

    def plug_in(self, session: Session) -> None:
        """Its car has come to a charger, which meters it from now on: it stays for as long as it likes.

        A connector was reserved for it, or it was metered here, as it began when no chargers were known: then what it
        was reckoned to have had counts no more.
        """
        if self._reserved.pop(session.session_id, None) is None:
            self._disconnect(session)
            session.begin_anew()
        self._metered[session.session_id] = session
        self._departures.discard(session)
        session.request = replace(session.request, departure_s=None, is_metered=True)
        self._share()

    def change_power(self, session: Session, power: PowerRange) -> None:
        """Let an active session with a charger have this range from now on."""
        self._count(session, -1)
        session.request = replace(session.request, power=power)
        self._count(session, 1)
        self.revision += 1

    def drain(self, now_s: float) -> None:
        """Admit no one any more; sessions go on."""
        self._step_to(now_s)
        self.draining = True
        self.revision += 1

    def end_drain(self, now_s: float) -> None:
        """Admit again."""
        self._step_to(now_s)
        self.draining = False
        self.revision += 1

    def advance(self, now_s: float) -> list[Session]:
        """Meter up to `now_s`; returns the sessions that ended since the last call, in the order of their ends."""
        self._step_to(now_s)
        ended, self._ended = self._ended, []
        return ended

    def rebase(self, now_s: float) -> None:
        """Go on from a checkpoint that is taken now (see above): round what each session has been delivered."""
        self._step_to(now_s)
        self._corrected += self._water.round() + sum(session.round() for session in self._suspended.values())
        self._next_event_s = self._find_next_event_s()

    def copy(self) -> Substation:
        """The same substation once more, to look ahead with: what happens to the one does not happen to the other.

        Left alone, both have the same events at the same times, to the last bit. O(n log n) at n sessions.
        """
        twin = Substation(self.capacity_kw, self.now_s, self.revision)
        twin.draining, twin.reservation_s, twin.connectors = self.draining, self.reservation_s, self.connectors
        twin.booked_kw, twin._water.capacity = self.booked_kw, self._water.capacity
        twin._aside, twin._aside_sum = dict(self._aside), self._aside_sum
        twin.restore(session.copy() for session in chain(self.active, self._metered.values(), self._reserved.values()))
        if self._expected is not None:
            twin.expect(self._expected)
        return twin

    def expect(self, ends_s: Mapping[str, float]) -> None:
        """To look ahead with: sessions that chargers meter end at these times, and all others of theirs stay, also
        those for which a connector is reserved: they are expected to come."""
        self._expected = ends_s
        for session in self._reserved.values():
            self._departures.discard(session)
        for session_id, end_s in ends_s.items():
            if (metered := self._metered.get(session_id)) is not None:
                self._departures.push(metered, end_s)
        self._next_event_s = self._find_next_event_s()

    def restore(self, sessions: Iterable[Session]) -> None:
        """Take over active sessions as they stood at `now_s`, oldest first."""
        for session in sessions:
            self._take_in(session)
        self._share()

    def resume(self, now_s: float) -> None:
        """Go on after an outage that lasted until `now_s`: nothing was delivered in it.

        Cars that meant to leave in the meantime have left.
        """
        self.now_s = max(self.now_s, now_s)
        self._water.skip_to(quanta.of_s(self.now_s))
        while (departure := self._departures.peek()) is not None and departure[0] <= self.now_s:
            departure_s, session = departure
            self._end(session, _unless_reserved(session, EndReason.POWER_LOSS), departure_s)
        self._share()

    def next_event_s(self) -> float | None:
        """When the next session ends by itself, or None if none will as things stand."""
        return self._next_event_s

    def status(self) -> Status:
        """The state as of the last call that took a time."""
        has_room = not self.draining and self.free_connectors != 0
        return Status(
            capacity_kw=self.capacity_kw,
            load_kw=min(quanta.to_kw(self._water.load) + self.booked_kw, self.capacity_kw),
            committed_kw=quanta.to_kw(self._committed + self._aside_sum),
            demand_kw=quanta.to_kw(self._demand),
            active_sessions=self.active_sessions,
            revision=self.revision,
            next_release_s=self._next_event_s,
            largest_free_kw=quanta.to_kw(max(0, self._room)) if has_room else 0.0,
            draining=self.draining,
            connectors=None if self.connectors is None else self.connectors.total,
            free_connectors=self.free_connectors,
        )

    @property
    def _room(self) -> int:
        return self._capacity - self._committed - self._aside_sum

    def _fits(self, minimum: int) -> bool:
        return not self.draining and minimum <= self._room + TOLERANCE

    def _reservation(self, request: ChargeRequest) -> ChargeRequest:
        until_s = self.now_s + self.reservation_s
        departure_s = until_s if request.departure_s is None else min(until_s, request.departure_s)
        return replace(request, departure_s=departure_s, is_metered=True)

    def _step_to(self, now_s: float) -> None:
        while self._next_event_s is not None and self._next_event_s <= now_s:
            self._go_to(self._next_event_s)
            self._end_due()
            self._share()
        self._go_to(now_s)

    def _go_to(self, now_s: float) -> None:
        if now_s > self.now_s:
            self.now_s, self._water.now = now_s, quanta.of_s(now_s)

    def _end_due(self) -> None:
        """End who is full or departs now, the oldest first. Full at departure counts as full."""
        earlier = len(self._ended)
        while (full := self._water.first_full()) is not None and full[0] <= self.now_s:
            self._end(full[1], EndReason.ENERGY_DELIVERED, self.now_s)
        while (departure := self._departures.peek()) is not None and departure[0] <= self.now_s:
            is_full = departure[1].is_full_in(CLOCK_RESOLUTION_S)
            reason = EndReason.ENERGY_DELIVERED if is_full else EndReason.DEPARTED
            self._end(departure[1], _unless_reserved(departure[1], reason), self.now_s)
        self._ended[earlier:] = sorted(self._ended[earlier:], key=lambda session: session.number)

    def _take_in(self, session: Session) -> None:
        """As one of the suspended at first, like all newer ones; `_share` feeds it if there is room."""
        request = session.request
        self._taken_in += 1
        session.number = self._taken_in
        if not request.is_metered:
            self._suspended[session.session_id] = session
        elif request.departure_s is None:
            self._metered[session.session_id] = session
        else:
            self._reserved[session.session_id] = session
        self._count(session, 1)
        if request.departure_s is not None and not (request.is_metered and self._expected is not None):
            self._departures.push(session, request.departure_s)

    def _end(self, session: Session, reason: EndReason, ended_s: float) -> None:
        session_id = session.session_id
        if session.request.is_metered:
            del (self._metered if session_id in self._metered else self._reserved)[session_id]
            session.end(ended_s, reason)
        else:
            self._disconnect(session)
            self._corrected += session.end(ended_s, reason)
        self._count(session, -1)
        self._departures.discard(session)
        self._ended.append(session)

    def _disconnect(self, session: Session) -> None:
        """It is metered here no more."""
        if self._fed.pop(session.session_id, None) is not None:
            self._water.leave(session)
        else:
            del self._suspended[session.session_id]

    def _count(self, session: Session, sessions: int) -> None:
        power = session.request.power
        self._committed += sessions * quanta.of_kw(power.min_kw)
        self._demand += sessions * quanta.of_kw(power.max_kw)

    def _share(self) -> None:
        """Share the capacity anew after a change."""
        self._suspend_and_resume()
        self._water.settle()
        self._next_event_s = self._find_next_event_s()
        self.revision += 1

    def _suspend_and_resume(self) -> None:
        """Move the boundary: feed the oldest whose minimums fit, and no others."""
        most = self._water.capacity + TOLERANCE
        while self._water.least > most:
            session_id, newest = self._fed.popitem()
            self._water.leave(newest)
            self._suspended[session_id] = newest
            self._suspended.move_to_end(session_id, last=False)
        while self._suspended:
            oldest = next(iter(self._suspended.values()))
            if self._water.least + quanta.of_kw(oldest.request.power.min_kw) > most:
                break
            del self._suspended[oldest.session_id]
            self._fed[oldest.session_id] = oldest
            self._water.join(oldest)

    def _find_next_event_s(self) -> float | None:
        full, departure = self._water.first_full(), self._departures.peek()
        times_s = [event[0] for event in (full, departure) if event is not None]
        return max(self.now_s, min(times_s)) if times_s else None


def _unless_reserved(session: Session, reason: EndReason) -> EndReason:
    """A car that has a connector reserved and leaves has not come."""
    return EndReason.NOT_PLUGGED_IN if session.request.is_metered else reason
