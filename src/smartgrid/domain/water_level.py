"""The fair-share level: water-filling (`domain.sharing`) that costs O(log n) for each session that comes or goes.

Max-min fair sharing has one level for all: each session gets `clamp(level, min_kw, max_kw)`. So as the level moves up,
a session is first held at its minimum, then rises with the level, then is held at its maximum. Three ideas:

- **Groups.** Sessions with the same range always get the same power, so they are one group with one meter. A level
  that swings over 10,000 equal cars crosses one group.
- **Corners.** A level at which a group begins or ceases to rise is a corner. Between two corners the total is a
  straight line, so from the present level one walks over just those corners that the change crosses. The corners
  above the level are in one heap, the others in a second one; to cross a corner is to move it.
- **Meters.** The reading of a held group grows with time, that of a rising one with `risen`, the integral of the
  level. A session is full at a reading that is known when it joins. So the first of a group to be full is found in a
  heap by readings, the first held group in a heap by time, the first rising one in a heap by `risen`; and nothing is
  touched while time passes, and no session when the level moves.

All numbers are whole (`domain.quanta`), and the level is the highest that the capacity allows, rounded down; what that
leaves over is less than a quantum for each session. So what a session is given depends only on who was there when: not
on what was asked or computed in between, nor on the way on which the level came to where it is.
"""

from __future__ import annotations

import math
from operator import attrgetter

from smartgrid.domain import quanta
from smartgrid.domain.priority_queue import PriorityQueue
from smartgrid.domain.request import PowerRange
from smartgrid.domain.session import Session


class WaterLevel:
    """Shares a capacity among the sessions that have joined. Powers, times and energies are in quanta.

    After `join`, `leave` or a new `capacity`, call `settle` before time goes on. The owner moves `now`: never back, and
    not beyond the time of `first_full`.
    """

    def __init__(self, capacity: int, now: int) -> None:
        self.capacity, self.now = capacity, now
        self.least = 0  # the sum of the minimums
        self.load = 0  # the sum of the powers
        self._groups: dict[PowerRange, Group] = {}
        self._above: PriorityQueue[int, Corner] = PriorityQueue()  # the corners above the level, the lowest first
        self._below: PriorityQueue[int, Corner] = PriorityQueue()  # all others by their negatives: the highest first
        self._held_full: PriorityQueue[int, Group] = PriorityQueue()  # by time
        self._rising_full: PriorityQueue[int, Group] = PriorityQueue()  # by `risen`
        self._level: float = math.inf  # a whole number while anyone rises
        self._rate = 0  # the same, and 0 while no one rises
        self._held = 0  # the power of all that do not rise
        self._rising = 0  # how many rise
        self._risen_offset = self._given_offset = 0

    @property
    def level_kw(self) -> float:
        """What each that rises gets."""
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
        group.size += 1
        self._count(group, 1)
        self._queue(group)

    def leave(self, session: Session) -> None:
        """Let the session, which has joined, charge no more."""
        group = self._groups[session.request.power]
        session.disconnect()
        group.by_full.discard(session)
        group.size -= 1
        self._count(group, -1)
        self._queue(group)
        if not group.size:
            self._close(group)

    def settle(self) -> None:
        """Find the level: the highest at which the sum of all powers is not above the capacity."""
        while True:
            level = self._level_between_corners()
            above, below = self._above.peek(), self._below.peek()
            if above is not None and above[0] <= level:
                self._cross(above[1], upwards=True)
            elif below is not None and -below[0] > level:
                self._cross(below[1], upwards=False)
            else:
                break
        self._move_to(level)

    def first_full(self) -> tuple[float, Session] | None:
        """When the next session is full as things stand, and which; None if none will ever be."""
        due = self._next_due()
        return None if due is None else (quanta.to_s(due[0]), due[1].first()[1])

    def skip_to(self, now: int) -> None:
        """Let time pass in which no one is given anything."""
        duration = now - self.now
        self.now = now
        self._risen_offset -= self._rate * duration
        self._given_offset -= self.load * duration
        for group in self._groups.values():
            group.skip(duration)
            self._queue(group)

    def round(self) -> int:
        """Let each session have been delivered just what a float can say; returns how much more that is in sum."""
        more = sum(group.round() for group in self._groups.values())
        self._held_full.rekey(Group.first_due)
        self._rising_full.rekey(Group.first_due)
        return more

    # ------------------------------------------------------------------ the level

    def _level_between_corners(self) -> float:
        """The level that the capacity allows if the same groups rise as do now."""
        if self._rising:
            return (self.capacity - self._held) // self._rising
        return math.inf if self._held <= self.capacity else -math.inf

    def _cross(self, corner: Corner, *, upwards: bool) -> None:
        if upwards:
            self._above.discard(corner)
            self._below.push(corner, -corner.level)
        else:
            self._below.discard(corner)
            self._above.push(corner, corner.level)
        group = corner.group
        self._count(group, -group.size)
        if corner.is_minimum == upwards:
            group.rise()
        else:
            group.hold(corner.level)
        self._count(group, group.size)
        self._queue(group)

    def _move_to(self, level: float) -> None:
        rate = int(level) if self._rising else 0
        load = self._held + self._rising * rate
        self._risen_offset += (self._rate - rate) * self.now
        self._given_offset += (self.load - load) * self.now
        self._level, self._rate, self.load = level, rate, load

    # ------------------------------------------------------------------ groups

    def _open(self, power: PowerRange) -> Group:
        group = self._groups[power] = Group(power, self)
        for corner in group.corners:
            if corner.level > self._level:
                self._above.push(corner, corner.level)
            else:
                self._below.push(corner, -corner.level)
        if group.min <= self._level < group.max:
            group.rise()
        else:
            group.hold(group.min if self._level < group.min else group.max)
        return group

    def _close(self, group: Group) -> None:
        del self._groups[group.range]
        for corner in group.corners:
            self._above.discard(corner)
            self._below.discard(corner)
        group.corners = ()  # which refer back to it: so that it is freed at once, and not by the garbage collector

    def _count(self, group: Group, sessions: int) -> None:
        self.least += sessions * group.min
        if group.is_rising:
            self._rising += sessions
        else:
            self._held += sessions * group.power

    # ------------------------------------------------------------------ who is full next

    def _queue(self, group: Group) -> None:
        """Queue the group by its first session, or take it out where that will never be full."""
        queue, other = self._held_full, self._rising_full
        if group.is_rising:
            queue, other = other, queue
        other.discard(group)
        if group.size and (group.is_rising or group.power):
            queue.push(group, group.first_due())
        else:
            queue.discard(group)

    def _next_due(self) -> tuple[int, Group] | None:
        """When a group has a full session next, and which."""
        held, rising = self._held_full.peek(), self._rising_full.peek()
        if rising is None or not self._rate:
            return held
        due = nearest(rising[0] - self._risen_offset, self._rate)
        return held if held is not None and held[0] <= due else (due, rising[1])


class Group:
    """The sessions with one range, and the meter that they share."""

    __slots__ = ("_offset", "_water", "by_full", "corners", "is_rising", "max", "min", "power", "range", "size")

    def __init__(self, power: PowerRange, water: WaterLevel) -> None:
        self.range, self._water = power, water
        self.min, self.max = quanta.of_kw(power.min_kw), quanta.of_kw(power.max_kw)
        self.corners: tuple[Corner, ...] = ()
        if self.min < self.max:
            self.corners = Corner(self, self.min, True), Corner(self, self.max, False)
        self.size = 0
        self.by_full: PriorityQueue[int, Session] = PriorityQueue()  # by the reading at which it is full
        self.is_rising = False
        self.power = 0  # of each, while it is held
        self._offset = 0

    @property
    def power_kw(self) -> float:
        if self.is_rising:
            return min(max(self._water.level_kw, self.range.min_kw), self.range.max_kw)
        return float(self.range.min_kw if self.power == self.min else self.range.max_kw)

    def reading(self) -> int:
        """What a session that was here all the time has been given."""
        return self._offset + (self._water.risen() if self.is_rising else self.power * self._water.now)

    def rise(self) -> None:
        """Get the level from now on."""
        self._offset, self.is_rising = self.reading() - self._water.risen(), True

    def hold(self, power: int) -> None:
        """Get this power from now on."""
        self._offset, self.is_rising, self.power = self.reading() - power * self._water.now, False, power

    def skip(self, duration: int) -> None:
        """Time has passed in which no one was given anything."""
        if not self.is_rising:
            self._offset -= self.power * duration

    def round(self) -> int:
        """See `WaterLevel.round`."""
        more, reading = 0, self.reading()
        for session in self.by_full:
            more += session.round(reading)
        self.by_full.rekey(attrgetter("full_at"))
        return more

    def first(self) -> tuple[int, Session]:
        """The session that is full first, and the reading at which it is. There must be one."""
        first = self.by_full.peek()
        assert first is not None
        return first

    def first_due(self) -> int:
        """When that is, as a time; while it rises, as a value of `risen`. There must be one, and it must get power."""
        until = self.first()[0] - self._offset
        return until if self.is_rising else nearest(until, self.power)


class Corner:
    """A level at which a group begins to rise (its minimum) or ceases to (its maximum)."""

    __slots__ = ("group", "is_minimum", "level")

    def __init__(self, group: Group, level: int, is_minimum: bool) -> None:
        self.group, self.level, self.is_minimum = group, level, is_minimum


def nearest(dividend: int, divisor: int) -> int:
    """The quotient as the nearest whole number."""
    return (2 * dividend + divisor) // (2 * divisor)
