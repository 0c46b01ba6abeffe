"""What a policy sees of one substation."""

from __future__ import annotations

import math

from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status

LEVELS = 10_000  # the level of a substation whose demand equals its capacity
CLASS_STEP = math.log(1.05)


class Candidate:
    """One substation as the balancer believes it to be: its last status and what was reserved on top since.

    `free_kw` is the greatest minimum that it could still admit and `level` its demand in whole hundredths of a per cent
    of its capacity, both with the reservations counted. `class_kw` is its capacity, rounded to steps of 5 %. `order`
    numbers the substations as they joined. `tie` is drawn anew at every change, so that chance decides between equals.
    """

    __slots__ = (
        "capacity_kw",
        "class_kw",
        "doubtful",
        "due_s",
        "free_kw",
        "in_rotation",
        "level",
        "name",
        "order",
        "reservations",
        "reserved_max_kw",
        "reserved_min_kw",
        "routable",
        "status",
        "tie",
        "updated_at_s",
    )

    def __init__(self, name: str, order: int) -> None:
        self.name = name
        self.order = order
        self.status: Status | None = None
        self.updated_at_s: float | None = None
        self.due_s = math.inf  # from when on it may have more room than the status says
        self.in_rotation = True
        self.routable = False
        self.reservations = 0
        self.reserved_min_kw = 0.0
        self.reserved_max_kw = 0.0
        self.doubtful = False
        self.capacity_kw = self.class_kw = self.free_kw = self.tie = 0.0
        self.level = 0

    def __lt__(self, other: Candidate) -> bool:
        return self.order < other.order

    def refresh(self, tie: float) -> None:
        """Derive what policies compare from the status and the reservations."""
        status = self.status
        self.routable = status is not None and self.in_rotation and not status.draining and status.capacity_kw > 0
        if status is None or not self.routable:
            return
        capacity_kw = status.capacity_kw
        if capacity_kw != self.capacity_kw:
            self.capacity_kw = capacity_kw
            self.class_kw = math.exp(round(math.log(capacity_kw) / CLASS_STEP) * CLASS_STEP)
        free_kw = capacity_kw - status.committed_kw - self.reserved_min_kw
        self.free_kw = min(free_kw, status.largest_free_kw)
        self.level = round(LEVELS * (status.demand_kw + self.reserved_max_kw) / capacity_kw)
        self.tie = tie

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


def levels_of_car(max_kw: float, class_kw: float) -> int:
    """By how much a car with this maximum raises the level of a substation of this class, to 2.5 % of itself."""
    return round(LEVELS * max_kw / class_kw)
