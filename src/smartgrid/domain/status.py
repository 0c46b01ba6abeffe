"""What a substation says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """A substation (or a balancer's whole fleet) at one moment.

    `committed_kw` is the sum of the guaranteed minimums, `demand_kw` the sum of the maximums, of all sessions that have
    not ended. `revision` grows with every change and never goes back within one `epoch`, which is drawn when a process
    starts: revisions of two epochs do not compare, and what came later counts. `next_release_s` is when
    committed power is next expected to come free, on the caller's clock, or None. `largest_free_kw` is the greatest
    minimum that would be admitted now: of a single substation its room, of a fleet the room of its roomiest member.
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

    @property
    def load_percentage(self) -> float:
        """Load in % of capacity; 0 for a substation without capacity."""
        return 100 * self.load_kw / self.capacity_kw if self.capacity_kw else 0.0
