"""What a fleet believes of one member: its last status, and what has been reserved there since."""

from __future__ import annotations

import math

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import LEVELS, TIE_UNIT, TIE_UNIT_KW, Candidate, levels_per_kw
from smartgrid.domain.routing.index import FleetIndex
from smartgrid.domain.standing import Standing
from smartgrid.domain.status import Status


class Belief:
    """One member, as `Fleet` knows it. Only `Fleet` and `Doubts` change one.

    `order` numbers the members as they joined; one that leaves and comes back gets another.
    """

    __slots__ = (
        "_capacity_kw",
        "_levels_per_kw",
        "due_s",
        "has_connector",
        "indexed",
        "is_doubtful",
        "name",
        "order",
        "queued_s",
        "reservations",
        "reserved_max_kw",
        "reserved_min_kw",
        "standing",
        "status",
        "updated_at_s",
    )

    def __init__(self, name: str, order: int) -> None:
        self.name = name
        self.order = order
        self.status: Status | None = None
        self.updated_at_s: float | None = None
        self.standing = Standing.FIRST
        self.indexed: FleetIndex | None = None  # in which of the fleet's indexes it is, if in any
        self.has_connector = False  # as of the last candidate: one is free, as far as is known
        self.reservations = 0
        self.reserved_min_kw = 0.0
        self.reserved_max_kw = 0.0
        self.is_doubtful = False
        self.due_s = math.inf  # from when on it may have more room than the status says
        self.queued_s = math.inf  # from when on `Doubts` will look at it
        self._capacity_kw = self._levels_per_kw = 0.0

    def __lt__(self, other: Belief) -> bool:
        return self.order < other.order

    @property
    def in_rotation(self) -> bool:
        return self.standing <= Standing.LAST

    def reserve(self, power: PowerRange) -> None:
        self.reservations += 1
        self.reserved_min_kw += power.min_kw
        self.reserved_max_kw += power.max_kw

    def release(self, power: PowerRange) -> None:
        self.reservations -= 1
        if self.reservations == 0:  # exactly zero, whatever the floats summed to
            self.reserved_min_kw = self.reserved_max_kw = 0.0
        else:
            self.reserved_min_kw -= power.min_kw
            self.reserved_max_kw -= power.max_kw

    def candidate(self, tie: int) -> Candidate | None:
        """The member as policies see it; None if it gets no cars at all. `tie` has `TIES` random bits."""
        status = self.status
        if status is None or self.standing is Standing.NONE or status.draining or status.capacity_kw <= 0:
            return None
        capacity_kw = status.capacity_kw
        if capacity_kw != self._capacity_kw:
            self._capacity_kw, self._levels_per_kw = capacity_kw, levels_per_kw(capacity_kw)
        room_kw = min(status.largest_free_kw, capacity_kw - status.committed_kw - self.reserved_min_kw)
        free = status.free_connectors
        self.has_connector = free is not None and free > self.reservations
        held_kw = self.reserved_min_kw + status.reserved_kw  # here, and by a balancer that is the member
        if free and not self.has_connector:  # each is promised to a car under way, and so is all the room there is
            held_kw, room_kw = held_kw + max(0.0, room_kw), min(0.0, room_kw)
        level = int(LEVELS * (status.demand_kw + self.reserved_max_kw) / capacity_kw + 0.5)
        return Candidate(
            self.name,
            self.order,
            status,
            room_kw + tie * TIE_UNIT_KW,
            level + tie * TIE_UNIT,
            self._levels_per_kw,
            held_kw,
            self.is_doubtful,
        )
