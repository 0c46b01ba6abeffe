"""The waiting list of one substation: who waits there for power, who may start now, and when the others will.

Power frees at the substation, so the list is kept there, and the commit that ends a session starts the next car: there
is no message in between to be lost, and no one to race with. A list and its substation go through time together, by
`WaitingList.advance`, from one event to the next. At each event (a session ends, a waiting car leaves or joins) those
start who may.

**Who may start.** The cars stand in the rule's order. The first for whom there is room starts, unless someone before
it waits for more room than there is. A later, smaller car may go ahead of that one only by EASY backfill, as in batch
systems: the first in the order that does not fit has a **reservation**, the time at which there will be room for it if
nobody else starts, and nobody goes ahead who would move that. So a large car is not passed over for ever, nor does it
keep back those who are gone by then. A car that would leave before its reserved time holds nobody back.

**What that costs.** Where all sessions get their maximum, and there is power for the later car's too, nobody is slowed
down: when each ends is known without running anything, and a comparison decides. (`Overtaking.SPARE` allows no more
than this.) Where power is short the later car takes some from the others, so they end later: to see whether the
reservation moves, a copy of the substation is run forward with the car in it, for `MOST_RUNS` later cars at the most.

**Expected starts** come from a copy of substation and list run forward by the very same `advance`. So they are exact,
to the bit, as long as nothing comes in between: no driver stops early, no limit changes, no car joins that may go
ahead. The run has an event for each session and each waiting car, O(log n) each, and the copies that the rule needs.

Whoever asks without wanting to wait is treated like one who does (`ask`), so nobody overtakes by asking directly.

Two things can keep everyone from starting although there is power: a bound on sessions (`most_active`), and whoever
keeps the list (`held`). What is looked ahead with knows the bound, and takes it that nobody holds the list any more.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from smartgrid.domain import quanta
from smartgrid.domain.priority_queue import PriorityQueue
from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SECONDS_PER_HOUR, Session
from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.substation import CLOCK_RESOLUTION_S, Substation

MOST_CARS = 200
"""So many wait at one substation at the most: a run forward is made for each that joins, and costs what they are."""
MOST_RUNS = 4
"""So many copies are run forward for one start at the most, to see who may go ahead where power is short."""


@dataclass(frozen=True, slots=True, eq=False)
class WaitingCar:
    """A car that waits for power. It leaves the list at its departure or at `wait_until_s`, whichever comes first."""

    session_id: str
    request: ChargeRequest
    joined_s: float
    wait_until_s: float | None = None

    @property
    def leaves_s(self) -> float:
        """When it leaves the list by itself; infinite if it waits as long as it takes."""
        return min(_or_never(self.wait_until_s), _or_never(self.request.departure_s))

    @property
    def latest_start_s(self) -> float:
        """By when it must start to be full at its departure. Its laxity is the time until then.

        A car without a departure can be full whenever it starts, so for it this is the end of its patience.
        """
        return min(self.leaves_s, _or_never(self.request.departure_s) - _least_charging_s(self.request))


class Overtaking(Enum):
    """Which later cars may go ahead of one that does not fit."""

    NONE = auto()
    SPARE = auto()  # those who do not move its start and take nothing from anyone: with power that is not used
    ANY = auto()  # all who do not move its start


@dataclass(frozen=True, slots=True)
class Rule:
    """The order in which cars start, and who may go ahead."""

    order: Callable[[WaitingCar], float]
    overtaking: Overtaking


RULES = {
    "fifo": Rule(lambda car: 0.0, Overtaking.NONE),
    "backfill": Rule(lambda car: 0.0, Overtaking.ANY),
    "spare-backfill": Rule(lambda car: 0.0, Overtaking.SPARE),
    "least-laxity": Rule(lambda car: car.latest_start_s, Overtaking.NONE),
}
"""Those that come first in the order start first; equals in the order in which they joined.

Substations are to use `spare-backfill` (docs/waiting.md says why); the others are what it was compared with.
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has happened, each in order."""

    ended: list[Session] = field(default_factory=list)
    started: list[Session] = field(default_factory=list)
    left: list[WaitingCar] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reservation:
    """When there is room for a waiting car if nobody else starts, and how much more there is then than it needs."""

    car: WaitingCar
    start_s: float
    spare_kw: float


class WaitingList:
    """See above. It has no time of its own: the present is its substation's `now_s`.

    So `advance` to the present before anything else is done to either, and give every method the one substation.
    """

    def __init__(
        self,
        rule: Rule,
        most_cars: int = MOST_CARS,
        *,
        most_active: Callable[[float], float] = lambda _: math.inf,
        first_time_s: Callable[[float], float] = lambda time_s: time_s,
    ) -> None:
        """`most_active` says how many sessions there may be at a capacity in kW.

        `first_time_s` is for clocks that know coarser times than the substation has events: the first time of theirs
        that is not before the one given. What is done at an event is done then.
        """
        self.rule, self.most_cars = rule, most_cars
        self.held = False
        """Whether nobody may start at present. Call `start_due` when that is over."""
        self._most_active, self._first_time_s = most_active, first_time_s
        self._cars: list[WaitingCar] = []  # in the rule's order
        self._by_id: dict[str, WaitingCar] = {}
        self._leaving: PriorityQueue[float, WaitingCar] = PriorityQueue()
        self._power = self._energy = 0  # the sums of the maximums and of what they want, in quanta

    def __len__(self) -> int:
        return len(self._cars)

    def __iter__(self) -> Iterator[WaitingCar]:
        """In the order in which they start, if no one goes ahead."""
        return iter(self._cars)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._by_id

    @property
    def power_kw(self) -> float:
        """The sum of their maximums."""
        return quanta.to_kw(self._power)

    @property
    def energy_kwh(self) -> float:
        """What they want, together."""
        return quanta.to_kwh(self._energy)

    def position(self, session_id: str) -> int:
        """1 for the first in the order. Raises KeyError if it does not wait here."""
        return self._cars.index(self._by_id[session_id]) + 1

    def takes(self, car: WaitingCar, substation: Substation) -> bool:
        """Whether it may wait here: there is a place in the list, and the whole substation would be enough for it."""
        if car.request.is_metered:
            return True  # it is plugged in, and stays
        has_place = len(self._cars) < self.most_cars and not substation.draining
        return has_place and _is_possible(car, substation) and car.leaves_s > substation.now_s

    def holds_room(self, substation: Substation) -> bool:
        """Whether somebody waits for room that there can be here; one that is larger than the whole substation, as its
        limit is by now, holds nobody back."""
        return any(_is_possible(car, substation) for car in self._cars)

    def ask(self, car: WaitingCar, substation: Substation) -> Session | None:
        """Start it now if the rule lets it, as if it had joined; else None, and nothing has changed."""
        if not self._cars:
            return substation.admit(car.session_id, car.request, substation.now_s) if self._may(substation) else None
        if not self.takes(car, substation):
            return None
        self._put(car)
        if self._next(substation) is not car:
            self.leave(car.session_id)
            return None
        return self._start(car, substation)

    def join(self, car: WaitingCar, substation: Substation) -> list[Session]:
        """Wait, where the list `takes` it. Returns who has started, as it may be the car itself."""
        self._put(car)
        return self.start_due(substation)

    def leave(self, session_id: str) -> WaitingCar | None:
        """Wait no more; None if it does not wait here. Call `start_due` then: it may have held others back."""
        car = self._by_id.pop(session_id, None)
        if car is not None:
            self._cars.remove(car)
            self._leaving.discard(car)
            self._power -= quanta.of_kw(car.request.power.max_kw)
            self._energy -= quanta.of_kwh(_wanted_kwh(car))
        return car

    def next_event_s(self, substation: Substation) -> float | None:
        """When the next session ends or the next waiting car leaves by itself; None if nothing will."""
        end_s, leave = substation.next_event_s(), self._leaving.peek()
        if leave is not None:
            end_s = leave[0] if end_s is None else min(end_s, leave[0])
        return None if end_s is None else self._first_time_s(end_s)

    def advance(self, substation: Substation, now_s: float) -> Changes:
        """Let time pass for both: sessions end, cars leave, and others start at once."""
        changes = Changes()
        while self._cars and (due_s := self.next_event_s(substation)) is not None and due_s <= now_s:
            changes.ended.extend(substation.advance(due_s))
            changes.left.extend(self._let_go(substation.now_s))
            changes.started.extend(self.start_due(substation))
        changes.ended.extend(substation.advance(now_s))
        return changes

    def start_due(self, substation: Substation) -> list[Session]:
        """Start all who may. To be called after everything that `advance` does not know of: a stop, a new limit."""
        started = []
        while self._cars and (car := self._next(substation)) is not None:
            started.append(self._start(car, substation))
        return started

    def expected_starts_s(self, substation: Substation, newcomer: WaitingCar | None = None) -> dict[str, float]:
        """When each will start if nothing else happens; those who will not are left out.

        With a `newcomer`: as if it had joined now, and only until it has started.
        """
        line, twin = self.copy(), substation.copy()
        starts_s = _starts_s(line.start_due(twin)) if self.held else {}
        if newcomer is not None:
            starts_s.update(_starts_s(line.join(newcomer, twin)))
        while line._cars and (newcomer is None or newcomer.session_id in line):
            due_s = line.next_event_s(twin)
            if due_s is None:
                break
            starts_s.update(_starts_s(line.advance(twin, due_s).started))
        return starts_s

    def copy(self) -> WaitingList:
        """The same list once more, to look ahead with, beside a copy of its substation."""
        twin = WaitingList(self.rule, self.most_cars, most_active=self._most_active, first_time_s=self._first_time_s)
        for car in self._cars:
            twin._put(car)
        return twin

    def _put(self, car: WaitingCar) -> None:
        self._by_id[car.session_id] = car
        self._power += quanta.of_kw(car.request.power.max_kw)
        self._energy += quanta.of_kwh(_wanted_kwh(car))
        insort(self._cars, car, key=self.rule.order)
        if car.leaves_s < math.inf:
            self._leaving.push(car, car.leaves_s)

    def _let_go(self, now_s: float) -> list[WaitingCar]:
        gone = []
        while (first := self._leaving.peek()) is not None and first[0] <= now_s:
            self.leave(first[1].session_id)
            gone.append(first[1])
        return gone

    def _start(self, car: WaitingCar, substation: Substation) -> Session:
        self.leave(car.session_id)
        session = substation.admit(car.session_id, car.request, substation.now_s)
        assert session is not None, "it was looked at whether there is room"
        return session

    def _next(self, substation: Substation) -> WaitingCar | None:
        """Who starts now, before all others; None if nobody may."""
        if not self._may(substation):
            return None
        ahead = Ahead(substation)
        for car in self._cars:
            if not car.request.is_metered and substation.free_connectors == 0:
                continue  # it waits for a connector, and keeps no power from who has one
            if substation.may_begin(car.session_id, car.request):
                if ahead.lets_go(car, self.rule.overtaking):
                    return car
            elif self.rule.overtaking is not Overtaking.NONE:
                ahead.waits(car)
            elif _is_possible(car, substation):
                return None
        return None

    def _may(self, substation: Substation) -> bool:
        """Whether anyone may start, for all but power."""
        return not self.held and substation.active_sessions < self._most_active(substation.capacity_kw)


class Ahead:
    """Those for whom there is no room, as one goes along the list, and what a later car must not move for them."""

    def __init__(self, substation: Substation) -> None:
        self._substation = substation
        self._status = substation.status()
        self._waiting: list[WaitingCar] = []
        self._rooms: Rooms | None = None
        self._reservation: Reservation | None = None
        self._runs = 0

    def waits(self, car: WaitingCar) -> None:
        """There is no room for this one."""
        if self._reservation is None and _is_possible(car, self._substation):
            self._waiting.append(car)

    def lets_go(self, car: WaitingCar, overtaking: Overtaking) -> bool:
        """Whether this one, for whom there is room, may start before them."""
        if not self._waiting and self._reservation is None:
            return True
        slows_no_one = self._slows_no_one(car)
        if overtaking is Overtaking.SPARE and not slows_no_one:
            return False
        reserved = self._first_reservation()
        if reserved is None:
            return True
        if (
            _earliest_end_s(car, self._substation.now_s) > reserved.start_s
            and _min_kw(car) > reserved.spare_kw + TOLERANCE_KW
        ):
            return False  # it takes room that will be needed, and the others do not end any earlier for it
        return slows_no_one or self._leaves_as_it_is(reserved, car)

    def _slows_no_one(self, car: WaitingCar) -> bool:
        demand_kw = self._status.demand_kw + car.request.power.max_kw
        return demand_kw <= self._status.capacity_kw + TOLERANCE_KW

    def _first_reservation(self) -> Reservation | None:
        """Of the first that will start before it leaves."""
        if self._rooms is None:
            self._rooms = Rooms(self._substation)
        while self._reservation is None and self._waiting:
            self._reservation = self._rooms.reserve(self._waiting.pop(0))
        return self._reservation

    def _leaves_as_it_is(self, reserved: Reservation, car: WaitingCar) -> bool:
        if self._runs >= MOST_RUNS:
            return False
        self._runs += 1
        twin = self._substation.copy()
        twin.admit(car.session_id, car.request, twin.now_s)
        twin.advance(reserved.start_s + CLOCK_RESOLUTION_S)
        return twin.may_begin(reserved.car.session_id, reserved.car.request)


class Rooms:
    """The room that there will be if nobody starts any more, looked at no further ahead than needed."""

    def __init__(self, substation: Substation) -> None:
        status = substation.status()
        knows_all_ends = status.demand_kw <= status.capacity_kw  # as all get their maximum, and go on to
        self._ahead = _rooms_by_ends(substation) if knows_all_ends else _rooms_by_running(substation)
        self._found: list[tuple[float, float]] = []

    def reserve(self, car: WaitingCar) -> Reservation | None:
        """For this car; None if it leaves before there is room."""
        for time_s, room_kw in self._looking():
            if time_s >= car.leaves_s:
                return None
            if room_kw + TOLERANCE_KW >= _min_kw(car):
                return Reservation(car, time_s, room_kw - _min_kw(car))
        return None

    def _looking(self) -> Iterator[tuple[float, float]]:
        yield from list(self._found)
        for found in self._ahead:
            self._found.append(found)
            yield found


def _rooms_by_ends(substation: Substation) -> Iterator[tuple[float, float]]:
    now_s, room_kw = substation.now_s, substation.status().largest_free_kw
    ends = sorted((_end_at_full_power_s(session, now_s), session.request.power.min_kw) for session in substation.active)
    for end_s, min_kw in ends:
        room_kw += min_kw
        yield end_s, room_kw


def _rooms_by_running(substation: Substation) -> Iterator[tuple[float, float]]:
    twin = substation.copy()
    while (due_s := twin.next_event_s()) is not None:
        twin.advance(due_s)
        yield due_s, twin.status().largest_free_kw


def _end_at_full_power_s(session: Session, now_s: float) -> float:
    request = session.request
    lacks_kwh = request.energy_kwh - session.delivered_kwh
    return min(now_s + lacks_kwh / request.power.max_kw * SECONDS_PER_HOUR, _or_never(request.departure_s))


def _earliest_end_s(car: WaitingCar, start_s: float) -> float:
    return min(start_s + _least_charging_s(car.request), _or_never(car.request.departure_s))


def _least_charging_s(request: ChargeRequest) -> float:
    return request.energy_kwh / request.power.max_kw * SECONDS_PER_HOUR


def _is_possible(car: WaitingCar, substation: Substation) -> bool:
    return _min_kw(car) <= substation.capacity_kw + TOLERANCE_KW


def _wanted_kwh(car: WaitingCar) -> float:
    """Where nobody knows: what it could take in an hour."""
    energy_kwh, power = car.request.energy_kwh, car.request.power
    return energy_kwh if energy_kwh < math.inf else power.max_kw


def _min_kw(car: WaitingCar) -> float:
    return car.request.power.min_kw


def _or_never(time_s: float | None) -> float:
    return math.inf if time_s is None else time_s


def _starts_s(sessions: Iterable[Session]) -> dict[str, float]:
    return {session.session_id: session.started_s for session in sessions}
