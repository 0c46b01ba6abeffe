"""What is known of each substation: its newest offers, its chargers, and whether something is due for it.

One `SubstationSeen` a substation, made when a charger or an offer first names it. `roster` keeps them. What is due is
noted here (`is_plan_due`, `are_connectors_due`) by whoever changes something, and done by the fleet's sweep: so a
hundred chargers that connect at once cost one plan of safe currents and one count of connectors, and not a hundred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.ports import Offers, OpenSession

A_CHARGER_S = 0.01
"""A plan is reckoned for all chargers of a substation: not oftener than each of them makes so long."""


@dataclass(slots=True)
class SubstationSeen:
    """`sessions` are those of the newest offers, by charger."""

    name: str
    offers: Offers | None = None
    sessions: dict[str, list[OpenSession]] = field(default_factory=dict)
    chargers: list[Charger] = field(default_factory=list)
    is_plan_due: bool = True
    planned_s: float = -math.inf
    """When its plan was last reckoned; long ago, where that cannot wait."""
    since_s: float = math.inf
    """When the first offers were asked for since when they have come without a gap of a lease."""
    are_connectors_due: bool = False
    connectors_told: tuple[int, int] | None = None

    def take(self, offers: Offers) -> None:
        """The newest offers."""
        before, self.offers, self.sessions = self.offers, offers, {}
        if before is None or offers.asked_s > before.lease_end_s:
            self.since_s = offers.asked_s
        for session in offers.sessions:
            self.sessions.setdefault(session.charger, []).append(session)
        if before is None or before.firm_capacity_kw != offers.firm_capacity_kw:
            self.is_plan_due, self.planned_s = True, -math.inf

    def wants_plan(self, now_s: float) -> bool:
        """Whether to reckon its plan anew: the more chargers, the less often, as it is reckoned for all of them."""
        return self.is_plan_due and now_s - self.planned_s >= A_CHARGER_S * len(self.chargers)

    def count_connectors(self) -> tuple[int, int]:
        """How many there are, and how many are free."""
        total = free = 0
        for charger in self.chargers:
            total += len(charger.connectors)
            if charger.link is not None:
                free += sum(each.is_free(charger.transaction_on(each)) for each in charger.connectors.values())
        return total, free


def place_of(charger: str, connector: int) -> str:
    """A connector within its substation; as the plan of safe currents names it."""
    return f"{charger}/{connector:03}"
