"""What a policy sees of one substation."""

from __future__ import annotations

import math

from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status

LEVELS = 10_000  # the level of a substation whose demand equals its capacity
CLASS_STEP = math.log(1.2)  # smaller steps place no better and cost more
TIES = 30  # bits: few enough that a level, a tie and all that is added to them stay exact in one float
TIE_UNIT = 0.5**TIES
TIE_UNIT_KW = TOLERANCE_KW * TIE_UNIT


class Candidate:
    """One substation as the balancer believes it to be: its last status and what was reserved on top since.

    `free_kw` is the greatest minimum that it could still admit and `level` its demand in whole hundredths of a per cent
    of its capacity, both with the reservations counted. A fraction of `level`, and of `free_kw` less than the
    tolerance, is drawn anew at every change, so that chance decides between equals. `levels_per_kw` is by how much a
    car raises the level, from the capacity rounded to steps of 20 % so that there are few classes of substations.
    `order` numbers the substations as they joined.
    """

    __slots__ = (
        "capacity_kw",
        "capacity_w",
        "doubtful",
        "due_s",
        "free_kw",
        "in_rotation",
        "level",
        "levels_per_kw",
        "name",
        "order",
        "queued_s",
        "reservations",
        "reserved_max_kw",
        "reserved_min_kw",
        "routable",
        "status",
        "updated_at_s",
    )

    def __init__(self, name: str, order: int) -> None:
        self.name = name
        self.order = order
        self.status: Status | None = None
        self.updated_at_s: float | None = None
        self.due_s = math.inf  # from when on it may have more room than the status says
        self.queued_s = math.inf  # from when on `Doubts` will look at it
        self.in_rotation = True
        self.routable = False
        self.reservations = 0
        self.reserved_min_kw = 0.0
        self.reserved_max_kw = 0.0
        self.doubtful = False
        self.capacity_w = 0  # whole watts, so that sums of them stay exact
        self.capacity_kw = self.free_kw = self.level = self.levels_per_kw = 0.0

    def __lt__(self, other: Candidate) -> bool:
        return self.order < other.order

    def refresh(self, tie: int) -> None:
        """Derive what policies compare from the status and the reservations. `tie` has `TIES` random bits."""
        status = self.status
        self.routable = status is not None and self.in_rotation and not status.draining and status.capacity_kw > 0
        if status is None or not self.routable:
            return
        capacity_kw = status.capacity_kw
        if capacity_kw != self.capacity_kw:
            self.capacity_kw = capacity_kw
            self.capacity_w = int(1000 * capacity_kw)
            self.levels_per_kw = LEVELS / math.exp(round(math.log(capacity_kw) / CLASS_STEP) * CLASS_STEP)
        free_kw = capacity_kw - status.committed_kw - self.reserved_min_kw
        self.free_kw = min(status.largest_free_kw, free_kw) + tie * TIE_UNIT_KW
        level = int(LEVELS * (status.demand_kw + self.reserved_max_kw) / capacity_kw + 0.5)
        self.level = level + tie * TIE_UNIT

    def fits(self, min_kw: float) -> bool:
        """Whether it could admit this minimum as far as is known."""
        return min_kw <= self.free_kw + TOLERANCE_KW

    def reserve(self, min_kw: float, max_kw: float) -> None:
        self.reservations += 1
        self.reserved_min_kw += min_kw
        self.reserved_max_kw += max_kw

    def release(self, min_kw: float, max_kw: float) -> None:
        self.reservations -= 1
        if self.reservations == 0:  # exactly zero, whatever the floats summed to
            self.reserved_min_kw = self.reserved_max_kw = 0.0
        else:
            self.reserved_min_kw -= min_kw
            self.reserved_max_kw -= max_kw

    def level_with(self, max_kw: float) -> float:
        """Its level with a car of this maximum on it."""
        return self.level + max_kw * self.levels_per_kw // 1
