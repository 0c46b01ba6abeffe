"""What bounds the sessions of a substation."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.domain.quotas import UNBOUNDED, Quota
from smartgrid.domain.substation import RESERVATION_S
from smartgrid.domain.waiting_list import MOST_CARS
from smartgrid.protocol.keys import KEY_LIFE_S
from smartgrid.runtime.clock import FOLLOW_RATE, TimeScale

LEAST_MAX_ACTIVE = 2000
KEY_MARGIN_S = 3600.0
"""For clocks that disagree, and for the time until balancers have compared."""
LEASE_S = 900.0
LEASE_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that charge at once, None for one a kW of capacity but at least 2000; how long a session lasts at the
    most, waiting included, in seconds of grid time; how much each owner may have at once; and the most that wait.

    Of chargers, in seconds of wall time: how long an edge may go by an answer, and how long a connector is reserved;
    and what the fallbacks of all connectors may take together, None for the capacity.
    """

    max_active: int | None = None
    max_session_s: float = 48 * 3600.0
    quota: Quota = UNBOUNDED
    max_waiting: int = MOST_CARS
    lease_s: float = LEASE_S
    reservation_s: float = RESERVATION_S
    firm_capacity_kw: float | None = None

    @property
    def booked_lease_s(self) -> float:
        """How long an answer is booked: our clock may run too fast for a while, and the edge's does not know of it."""
        return self.lease_s * (1 + FOLLOW_RATE) + LEASE_MARGIN_S

    def firm_kw(self, capacity_kw: float) -> float:
        return capacity_kw if self.firm_capacity_kw is None else min(self.firm_capacity_kw, capacity_kw)

    def key_life_s(self, scale: TimeScale) -> float:
        """How long a key is remembered after its end and its latest try, in wall time.

        Longer than any session lasts: a session of the key at a substation that was away all the while must still meet
        what it is superseded by.
        """
        return max(KEY_LIFE_S, scale.to_wall_s(self.max_session_s) + KEY_MARGIN_S)

    def most_active(self, capacity_kw: float) -> float:
        return max(LEAST_MAX_ACTIVE, capacity_kw) if self.max_active is None else self.max_active
