"""What a policy sees of one member of the fleet."""

from __future__ import annotations

import math
from typing import NamedTuple

from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status

LEVELS = 10_000  # the level of a member whose demand equals its capacity
CLASS_STEP = math.log(1.2)  # smaller steps place no better and cost more
TIES = 30  # bits: few enough that a level, a tie and the rise by a car stay exact in one float
TIE_UNIT = 0.5**TIES
TIE_UNIT_KW = TOLERANCE_KW * TIE_UNIT


class Candidate(NamedTuple):
    """A member that may get cars, as a balancer believes it to be at one moment.

    It never changes: when something becomes known of the member, a new one takes its place in the `FleetIndex`.

    `room_kw` is the greatest minimum that the member could still admit. `level` is its demand in whole hundredths of a
    per cent of its capacity. Both count the reservations, and both have a random fraction, of `room_kw` less than the
    tolerance, so that chance decides between equals. `levels_per_kw` is by how much a car raises the level; it is the
    same for all members of like capacity. `order` numbers the members as they joined. `is_doubtful` tells that there
    may be more room by now than the status says.
    """

    name: str
    order: int
    status: Status
    room_kw: float
    level: float
    levels_per_kw: float
    reserved_min_kw: float
    is_doubtful: bool

    def has_room(self, min_kw: float) -> bool:
        """Whether it could admit this minimum, as far as is known."""
        return min_kw <= self.room_kw + TOLERANCE_KW

    def level_with(self, max_kw: float) -> float:
        """Its level with a car of this maximum on it."""
        return self.level + max_kw * self.levels_per_kw // 1


def levels_per_kw(capacity_kw: float) -> float:
    """By how much a car raises the level, for each kW of its maximum.

    The capacity is rounded to steps of 20 %, which makes few classes of members. Within a class a car raises all levels
    alike, so that the lowest without the car is the lowest with it.
    """
    return LEVELS / math.exp(round(math.log(capacity_kw) / CLASS_STEP) * CLASS_STEP)
