"""The fair-share level: water-filling (`domain.sharing`) that costs O(log n) for each session that comes or goes.

Max-min fair sharing has one level for all: each session gets `clamp(level, min_kw, max_kw)`. So as the level moves up,
a session is first held at its minimum, then rises with the level, then is held at its maximum. Four ideas:

- **Corners.** A level that is the minimum or the maximum of sessions is a corner. Between two corners the total is a
  straight line, so from the present level one walks over just those corners that the change crosses. A corner knows
  how many begin and cease to rise there, so to cross it costs the same for one as for 10,000.
- **Meters.** Sessions that get the same power share a meter. A corner has two: its *floor* meter runs with the level
  but no slower than at the corner, its *ceiling* meter with the level but no faster. A session is on the floor meter of
  its minimum or on the ceiling meter of its maximum. It changes over only when it must: from the floor meter when the
  level passes its maximum, from the ceiling meter when it passes its minimum. So the level has to pass its whole
  range, which takes as much power as the range is wide, and no car that comes or goes makes many change over.
- **Groups.** Sessions with one range change over together.
- **Readings.** At which reading of its group a session is full is known when it joins. The first session of a group to
  be full is found in a heap, and so is the first group of a meter; of the meters that run with the level the first is
  found in a heap by `risen`, the integral of the level, and of those that are held in a heap by time.

All numbers are whole (`domain.quanta`), and the level is the highest that the capacity allows, rounded down; what that
leaves over is less than a quantum for each session. So what a session is given depends only on who was there when: not
on what was asked or computed in between, nor on the way on which the level came to where it is.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Literal

from smartgrid.domain import quanta
from smartgrid.domain.priority_queue import PriorityQueue
from smartgrid.domain.request import PowerRange
from smartgrid.domain.session import Session, SessionState


class WaterLevel:
    """Shares a capacity among the sessions that have joined. Powers, times and energies are in quanta.

    After `join`, `leave` or a new `capacity`, call `settle` before time goes on. The owner moves `now`: never back, and
    not beyond the time of `first_full`.
    """

    def __init__(self, capacity: int, now: int) -> None:
        self.capacity, self.now = capacity, now
        self.level: float = math.inf  # a whole number while anyone rises
        self.load = 0  # the sum of the powers
        self.least = 0  # the sum of the minimums
        self._held = 0  # the sum of the powers of those that do not rise
        self._rising = 0  # how many rise
        self._rate = 0  # the level while anyone rises, else 0
        self._risen_offset = self._given_offset = 0
        self._groups: dict[PowerRange, Group] = {}
        self._meters: dict[tuple[Kind, int], Meter] = {}
        self._corners: dict[int, Corner] = {}
        self._above: PriorityQueue[int, Corner] = PriorityQueue()  # the corners above the level, the lowest first
        self._below: PriorityQueue[int, Corner] = PriorityQueue()  # all others by their negatives: the highest first
        self._on_floor: PriorityQueue[int, Group] = PriorityQueue()  # the groups on floor meters, by their maximum
        self._on_ceiling: PriorityQueue[int, Group] = PriorityQueue()  # on ceiling meters, by their negative minimum
        self._held_full: PriorityQueue[int, Meter] = PriorityQueue()  # the meters that are held, by time
        self._rising_full: PriorityQueue[int, Meter] = PriorityQueue()  # those that run with the level, by `risen`

    @property
    def level_kw(self) -> float:
        """The level, where anyone rises."""
        return quanta.to_kw(self._rate)

    def risen(self) -> int:
        """The integral of the level over time."""
        return self._risen_offset + self._rate * self.now

    def given(self) -> int:
        """The integral of the load over time."""
        return self._given_offset + self.load * self.now

    def join(self, session: Session) -> None:
        """Let the session charge."""
        power = session.request.power
        group = self._groups.get(power) or self._open(power)
        session.connect(group)
        group.by_full.push(session, session.full_at)
        self._count(group, 1)
        self._queue(group)

    def leave(self, session: Session) -> None:
        """Let the session, which has joined, charge no more."""
        group = self._groups[session.request.power]
        session.disconnect()
        group.by_full.discard(session)
        self._count(group, -1)
        self._queue(group)
        if not group.by_full:
            self._close(group)

    def settle(self) -> None:
        """Find the level: the highest at which the sum of all powers is not above the capacity."""
        while True:
            level = self._level_between_corners()
            above, below = self._above.peek(), self._below.peek()
            if above is not None and above[0] <= level:
                self._cross(above[1])
            elif below is not None and -below[0] > level:
                self._cross(below[1])
            else:
                break
        self._change_over(level)
        self._move_to(level)

    def first_full(self) -> tuple[float, Session] | None:
        """When the next session is full as things stand, and which; None if none will ever be."""
        due = self._next_due()
        return None if due is None else (quanta.to_s(due[0]), due[1].first()[1].first()[1])

    def skip_to(self, now: int) -> None:
        """Let time pass in which no one is given anything."""
        duration = now - self.now
        self.now = now
        self._risen_offset -= self._rate * duration
        self._given_offset -= self.load * duration
        for meter in self._meters.values():
            meter.skip(duration)
        self._held_full.rekey(Meter.first_due)

    def round(self) -> int:
        """Let each session have been delivered just what a float can say; returns how much more that is in sum."""
        more = sum(group.round() for group in self._groups.values())
        for meter in self._meters.values():
            meter.by_full.rekey(Group.full_at)
        self._held_full.rekey(Meter.first_due)
        self._rising_full.rekey(Meter.first_due)
        return more

    # ------------------------------------------------------------------ the level

    def _level_between_corners(self) -> float:
        """The level that the capacity allows if the same sessions rise as do now."""
        if self._rising:
            return (self.capacity - self._held) // self._rising
        return math.inf if self._held <= self.capacity else -math.inf

    def _cross(self, corner: Corner) -> None:
        """Let the level pass the corner, to whichever side it is not on."""
        if corner.is_above:
            begin = corner.minimums - corner.maximums
            self._above.discard(corner)
            self._below.push(corner, -corner.level)
        else:
            begin = corner.maximums - corner.minimums
            self._below.discard(corner)
            self._above.push(corner, corner.level)
        corner.is_above = not corner.is_above
        self._rising += begin
        self._held -= begin * corner.level
        for kind in (FLOOR, CEILING):
            meter = self._meters.get((kind, corner.level))
            if meter is not None:
                meter.turn(is_rising=corner.is_above == (kind == CEILING))
                self._queue_meter(meter)

    def _change_over(self, level: float) -> None:
        """Put those on another meter whose range the level has passed as a whole."""
        while (first := self._on_floor.peek()) is not None and first[0] < level:
            self._on_floor.discard(first[1])
            self._take_off(first[1])
            self._put_on_ceiling(first[1])
        while (first := self._on_ceiling.peek()) is not None and -first[0] > level:
            self._on_ceiling.discard(first[1])
            self._take_off(first[1])
            self._put_on_floor(first[1])

    def _move_to(self, level: float) -> None:
        rate = int(level) if self._rising else 0
        load = self._held + self._rising * rate
        self._risen_offset += (self._rate - rate) * self.now
        self._given_offset += (self.load - load) * self.now
        self.level, self._rate, self.load = level, rate, load

    # ------------------------------------------------------------------ groups, their corners and meters

    def _count(self, group: Group, sessions: int) -> None:
        self.least += sessions * group.min
        group.floor.minimums += sessions
        group.ceiling.maximums += sessions
        if group.ceiling.is_above and not group.floor.is_above:
            self._rising += sessions
        else:
            self._held += sessions * (group.min if group.floor.is_above else group.max)

    def _open(self, power: PowerRange) -> Group:
        least = quanta.of_kw(power.min_kw)
        most = max(least, quanta.of_kw(power.max_kw))
        if least == most:
            beyond_reach = Corner(least, is_above=True)  # these are held wherever the level is: it crosses no corner
            group = self._groups[power] = Group(power, self, beyond_reach, beyond_reach)
            self._put_on(group, FIXED, least, is_rising=False)
            return group
        group = self._groups[power] = Group(power, self, self._corner(least), self._corner(most))
        if group.floor.is_above:
            self._put_on_floor(group)
        else:
            self._put_on_ceiling(group)
        return group

    def _close(self, group: Group) -> None:
        del self._groups[group.range]
        self._on_floor.discard(group)
        self._on_ceiling.discard(group)
        self._take_off(group)
        for corner in (group.floor, group.ceiling):
            if not corner.minimums and not corner.maximums and self._corners.get(corner.level) is corner:
                del self._corners[corner.level]
                self._above.discard(corner)
                self._below.discard(corner)

    def _corner(self, level: int) -> Corner:
        corner = self._corners.get(level)
        if corner is None:
            corner = self._corners[level] = Corner(level, level > self.level)
            if corner.is_above:
                self._above.push(corner, level)
            else:
                self._below.push(corner, -level)
        return corner

    def _put_on_floor(self, group: Group) -> None:
        self._on_floor.push(group, group.max)
        self._put_on(group, FLOOR, group.min, is_rising=not group.floor.is_above)

    def _put_on_ceiling(self, group: Group) -> None:
        self._on_ceiling.push(group, -group.min)
        self._put_on(group, CEILING, group.max, is_rising=group.ceiling.is_above)

    def _put_on(self, group: Group, kind: Kind, level: int, *, is_rising: bool) -> None:
        meter = self._meters.get((kind, level))
        if meter is None:
            meter = self._meters[kind, level] = Meter(self, kind, level, is_rising)
        meter.groups += 1
        group.connect(meter)
        self._queue(group)

    def _take_off(self, group: Group) -> None:
        meter = group.meter
        group.disconnect()
        meter.groups -= 1
        meter.by_full.discard(group)
        self._queue_meter(meter)
        if not meter.groups:
            del self._meters[meter.kind, meter.level]
            meter.by_full.clear()  # of what refers back to it, so that it is freed at once

    # ------------------------------------------------------------------ who is full next

    def _queue(self, group: Group) -> None:
        """Queue the group by its first session, and its meter by its first group."""
        if group.by_full:
            group.meter.by_full.push(group, group.full_at())
        else:
            group.meter.by_full.discard(group)
        self._queue_meter(group.meter)

    def _queue_meter(self, meter: Meter) -> None:
        queue, other = self._held_full, self._rising_full
        if meter.is_rising:
            queue, other = other, queue
        other.discard(meter)
        if meter.by_full and (meter.is_rising or meter.level):
            queue.push(meter, meter.first_due())
        else:
            queue.discard(meter)

    def _next_due(self) -> tuple[int, Meter] | None:
        """When a meter has a full session next, and which."""
        held, rising = self._held_full.peek(), self._rising_full.peek()
        if rising is None or not self._rate:
            return held
        due = nearest(rising[0] - self._risen_offset, self._rate)
        return held if held is not None and held[0] <= due else (due, rising[1])


Kind = Literal["floor", "ceiling", "fixed"]
FLOOR: Kind = "floor"
CEILING: Kind = "ceiling"
FIXED: Kind = "fixed"  # for sessions whose minimum is their maximum


class Corner:
    """A level that is the minimum or the maximum of sessions, and of how many."""

    __slots__ = ("is_above", "level", "maximums", "minimums")

    def __init__(self, level: int, is_above: bool) -> None:
        self.level, self.is_above = level, is_above
        self.minimums = self.maximums = 0


class Meter:
    """Runs at its level, or with the level of the water."""

    __slots__ = ("_offset", "_water", "by_full", "groups", "is_rising", "kind", "level")

    def __init__(self, water: WaterLevel, kind: Kind, level: int, is_rising: bool) -> None:
        self._water, self.kind, self.level, self.is_rising = water, kind, level, is_rising
        self._offset = 0
        self.groups = 0  # how many are on it
        self.by_full: PriorityQueue[int, Group] = PriorityQueue()  # by the reading at which they have a full session

    def reading(self) -> int:
        return self._offset + self._base()

    def turn(self, *, is_rising: bool) -> None:
        """Run with the water from now on, or at its level."""
        reading = self.reading()
        self.is_rising = is_rising
        self._offset = reading - self._base()

    def skip(self, duration: int) -> None:
        """Time has passed in which no one was given anything."""
        if not self.is_rising:
            self._offset -= self.level * duration

    def first(self) -> tuple[int, Group]:
        """The group that has a full session first, and the reading at which it has. There must be one."""
        first = self.by_full.peek()
        assert first is not None
        return first

    def first_due(self) -> int:
        """When that is, as a time; while it runs with the water, as a value of `risen`."""
        until = self.first()[0] - self._offset
        return until if self.is_rising else nearest(until, self.level)

    def _base(self) -> int:
        return self._water.risen() if self.is_rising else self.level * self._water.now


class Group:
    """The sessions with one range. Its reading is that of the meter that it is on, from a beginning of its own."""

    __slots__ = ("_offset", "_water", "by_full", "ceiling", "floor", "meter", "range")

    meter: Meter

    def __init__(self, power: PowerRange, water: WaterLevel, floor: Corner, ceiling: Corner) -> None:
        self.range, self._water, self.floor, self.ceiling = power, water, floor, ceiling
        self.by_full: PriorityQueue[int, Session] = PriorityQueue()  # by the reading at which they are full
        self._offset = 0

    @property
    def min(self) -> int:
        return self.floor.level

    @property
    def max(self) -> int:
        return self.ceiling.level

    @property
    def power_kw(self) -> float:
        """What each of its sessions gets."""
        if self.floor.is_above:
            return float(self.range.min_kw)
        if self.ceiling.is_above:
            return min(max(self._water.level_kw, self.range.min_kw), self.range.max_kw)
        return float(self.range.max_kw)

    @property
    def state(self) -> SessionState:
        """Without power there is no capacity, not even for the oldest."""
        return SessionState.CHARGING if self.power_kw > 0 else SessionState.SUSPENDED_EVSE

    def reading(self) -> int:
        """What a session that was here all the time has been given."""
        return self._offset + self.meter.reading()

    def connect(self, meter: Meter) -> None:
        """Be on this meter from now on."""
        self._offset -= meter.reading()
        self.meter = meter

    def disconnect(self) -> None:
        """Be on no meter: `connect` again before time goes on."""
        self._offset = self.reading()

    def first(self) -> tuple[int, Session]:
        """The session that is full first, and the reading at which it is. There must be one."""
        first = self.by_full.peek()
        assert first is not None
        return first

    def full_at(self) -> int:
        """That as a reading of its meter."""
        return self.first()[0] - self._offset

    def round(self) -> int:
        """See `WaterLevel.round`."""
        more, reading = 0, self.reading()
        for session in self.by_full:
            more += session.round(reading)
        self.by_full.rekey(attrgetter("full_at"))
        return more


def nearest(dividend: int, divisor: int) -> int:
    """The quotient as the nearest whole number."""
    return (2 * dividend + divisor) // (2 * divisor)
