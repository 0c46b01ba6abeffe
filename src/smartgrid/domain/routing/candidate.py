"""What a policy sees of one substation."""

from __future__ import annotations

from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.status import Status


class Candidate:
    """One substation as the balancer believes it to be: its last status and what was reserved on top since.

    `free_kw` is the greatest minimum that it could still admit, `demand_kw` the sum of the maximums, both with the
    reservations counted. `order` numbers the substations in the order in which they joined. `tie` is drawn anew at
    every change, so that equals are chosen between at random.
    """

    __slots__ = (
        "capacity_kw",
        "demand_kw",
        "due_s",
        "free_kw",
        "in_rotation",
        "name",
        "order",
        "reservations",
        "reserved_max_kw",
        "reserved_min_kw",
        "status",
        "tie",
        "updated_at_s",
    )

    def __init__(self, name: str, order: int) -> None:
        self.name = name
        self.order = order
        self.status: Status | None = None
        self.updated_at_s: float | None = None
        self.due_s = float("inf")  # from when on it may have more room than the status says
        self.in_rotation = True
        self.reservations = 0
        self.reserved_min_kw = 0.0
        self.reserved_max_kw = 0.0
        self.capacity_kw = self.free_kw = self.demand_kw = self.tie = 0.0

    @property
    def routable(self) -> bool:
        """Whether it may get cars at all: known, healthy, and not draining."""
        return self.status is not None and self.in_rotation and not self.status.draining

    def refresh(self, status: Status, tie: float) -> None:
        """Derive what policies compare from the status and the reservations."""
        self.capacity_kw = status.capacity_kw
        self.demand_kw = status.demand_kw + self.reserved_max_kw
        self.free_kw = min(status.capacity_kw - status.committed_kw - self.reserved_min_kw, status.largest_free_kw)
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
