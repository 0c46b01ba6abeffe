"""What a substation says of itself."""

from __future__ import annotations

from dataclasses import dataclass

MAX_POWER_KW = 1e9  # more than all power stations together: what is beyond is no measurement
MAX_ENERGY_KWH = 1e9
ROUNDING_KW = 1e-6  # what a sum of floats may be below zero


@dataclass(frozen=True, slots=True)
class Status:
    """A substation (or a balancer's whole fleet) at one moment.

    `committed_kw` is the sum of the guaranteed minimums, `demand_kw` the sum of the maximums, of all sessions that have
    not ended. `revision` grows with every change and never goes back within one `epoch`, which is drawn when a process
    starts: revisions of two epochs do not compare, and what came later counts. `next_release_s` is when
    committed power is next expected to come free, on the caller's clock, or None. `largest_free_kw` is the greatest
    minimum that would be admitted now: of a single substation its room, of a fleet the room of its roomiest member.
    Of the cars that wait, `waiting_sessions` is the number, `waiting_kw` the sum of their maximums (not in
    `demand_kw`), `waiting_kwh` the energy that they want. A substation where one waits has no room for others.
    `connectors` is how many connectors of chargers are there, and `free_connectors` how many of them a car can still be
    promised; None where no chargers are known, so that cars need none.
    `booked_kw` is the most that chargers may draw, `metered_kw` what their meters have said lately that they do, and
    `overbooked_kw` by how much the first is above the capacity; None and 0 where no chargers are known. `load_kw` is
    what of the capacity is given, so never more than that.
    `reserved_kw` is how much of `committed_kw` a balancer only holds for cars that have not been admitted yet, so that
    it may come free at any moment; a substation holds nothing.
    """

    capacity_kw: float
    load_kw: float
    committed_kw: float
    demand_kw: float
    active_sessions: int
    revision: int
    next_release_s: float | None
    largest_free_kw: float
    draining: bool = False
    epoch: int = 0
    waiting_sessions: int = 0
    waiting_kw: float = 0.0
    waiting_kwh: float = 0.0
    connectors: int | None = None
    free_connectors: int | None = None
    reserved_kw: float = 0.0
    booked_kw: float | None = None
    metered_kw: float | None = None
    overbooked_kw: float = 0.0

    @property
    def load_percentage(self) -> float:
        """Load in % of capacity; 0 for a substation without capacity."""
        return 100 * self.load_kw / self.capacity_kw if self.capacity_kw else 0.0

    @property
    def is_possible(self) -> bool:
        """Whether every power is a number that there can be: not negative, not NaN, at most `MAX_POWER_KW`."""
        return (
            -ROUNDING_KW <= self.capacity_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.load_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.committed_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.demand_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.largest_free_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.waiting_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.reserved_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= (self.booked_kw or 0.0) <= MAX_POWER_KW
            and -ROUNDING_KW <= (self.metered_kw or 0.0) <= MAX_POWER_KW
            and -ROUNDING_KW <= self.overbooked_kw <= MAX_POWER_KW
            and -ROUNDING_KW <= self.waiting_kwh <= MAX_ENERGY_KWH
            and self.next_release_s == self.next_release_s
        )

    def replaces(self, known: Status | None) -> bool:
        """Whether this status, which came now, counts in place of what was known.

        Within one epoch the newer revision counts, since answers overtake each other. Of two epochs what came later
        counts: a process may have started again with a clock behind, or two may answer in turn at one address.
        """
        return known is None or self.epoch != known.epoch or self.revision >= known.revision

    def says_more_than(self, known: Status | None) -> bool:
        """Whether it may differ from what was known: a greater revision, or of another epoch other numbers."""
        if known is None or self.epoch == known.epoch:
            return known is None or self.revision > known.revision
        return self._numbers() != known._numbers()

    def _numbers(self) -> tuple[float | int | bool | None, ...]:
        return (
            self.capacity_kw,
            self.load_kw,
            self.committed_kw,
            self.demand_kw,
            self.active_sessions,
            self.largest_free_kw,
            self.draining,
            self.waiting_sessions,
            self.waiting_kw,
            self.waiting_kwh,
            self.connectors,
            self.free_connectors,
            self.reserved_kw,
            self.booked_kw,
            self.metered_kw,
            self.overbooked_kw,
        )
