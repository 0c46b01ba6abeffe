"""Where cars wait, and where the next one would wait least, as far as statuses tell.

The members of a fleet in order of how long their lists are in hours of their whole power: the energy that those who
wait want, by the capacity; among those without a list by when their next release is expected. It is a guess that only
says who is asked for a forecast, which is exact (`domain.waiting_list`): what the sessions that charge still lack is in
no status.

Only a car that has to wait asks for the order, and a status may come with every car. So a change is noted, which costs
next to nothing, and what has changed is sorted in when the order is asked for (as in `Totals`). It is a plain sorted
list: at 10,000 members one bisection finds the place, and moving the rest up takes a few microseconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Container

from smartgrid.domain.belief import Belief
from smartgrid.domain.request import PowerRange
from smartgrid.domain.sharing import TOLERANCE_KW

Place = tuple[float, float, int]
"""Hours that wait, the next release on the fleet's clock, and the member's order."""


class Backlogs:
    """Of the members in rotation."""

    def __init__(self) -> None:
        self._changed: dict[Belief, None] = {}
        self._places: dict[Belief, Place] = {}
        self._in_order: list[tuple[Place, Belief]] = []
        self._lists: dict[Belief, None] = {}

    def note(self, belief: Belief) -> None:
        """This member has changed, or has left, after which nothing is kept of it."""
        if belief.in_rotation:
            self._changed[belief] = None
        else:
            self._changed.pop(belief, None)
            self._put(belief)

    def shortest(self, power: PowerRange, number: int, exclude: Container[str] = ()) -> list[str]:
        """The names of so many members with the shortest backlogs, that one first, which take cars and are large enough
        for this one as a whole."""
        self._catch_up()
        found: list[str] = []
        for _, belief in self._in_order:
            if len(found) == number:
                break
            if belief.name not in exclude and _capacity_kw(belief) >= power.min_kw - TOLERANCE_KW:
                found.append(belief.name)
        return found

    def lists(self) -> list[Belief]:
        """The members at which cars wait, also those that are drained."""
        self._catch_up()
        return list(self._lists)

    def _catch_up(self) -> None:
        for belief in self._changed:
            self._put(belief)
        self._changed.clear()

    def _put(self, belief: Belief) -> None:
        before, now = self._places.get(belief), _place(belief)
        if now != before:
            if before is not None:
                del self._in_order[bisect_left(self._in_order, (before, belief))]
                del self._places[belief]
            if now is not None:
                insort(self._in_order, (now, belief))
                self._places[belief] = now
        if belief.in_rotation and belief.status is not None and belief.status.waiting_sessions:
            self._lists[belief] = None
        else:
            self._lists.pop(belief, None)


def _place(belief: Belief) -> Place | None:
    """None where no car may wait."""
    status = belief.status
    if status is None or not belief.in_rotation or status.draining or status.capacity_kw <= 0:
        return None
    release_s = math.inf if status.next_release_s is None else status.next_release_s
    return status.waiting_kwh / status.capacity_kw, release_s, belief.order


def _capacity_kw(belief: Belief) -> float:
    return belief.status.capacity_kw if belief.status else 0.0
