"""What is known of each substation: its newest offers, its chargers, and the safe currents of their connectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.limits.fallback import SafeCurrents
from smartgrid.edge.ports import ConnectorSpec, Offers, OpenSession


@dataclass(slots=True)
class SubstationSeen:
    """`sessions` are those of the newest offers, by charger; `safe_a` is by charger and connector (`place_of`)."""

    name: str
    offers: Offers | None = None
    sessions: dict[str, list[OpenSession]] = field(default_factory=dict)
    chargers: list[Charger] = field(default_factory=list)
    safe_a: dict[str, float] = field(default_factory=dict)
    fed: frozenset[str] = frozenset()
    """The connectors whose sessions had power at the last change of the firm capacity."""
    is_plan_due: bool = True
    are_connectors_due: bool = False
    connectors_told: tuple[int, int, float] | None = None
    _currents: SafeCurrents = field(default_factory=SafeCurrents)

    def take(self, offers: Offers) -> None:
        """The newest offers."""
        before, self.offers, self.sessions = self.offers, offers, {}
        for session in offers.sessions:
            self.sessions.setdefault(session.charger, []).append(session)
        if before is None or before.firm_capacity_kw != offers.firm_capacity_kw:
            self.is_plan_due = True
            self.fed = frozenset(
                place_of(each.charger, each.connector) for each in offers.sessions if each.offer_kw > 0
            )

    def plan(self, connectors: Sequence[tuple[str, ConnectorSpec]], now_s: float) -> bool:
        """Reckon the safe currents anew, if the firm capacity is known; returns whether any is another now."""
        if self.offers is None:
            return False
        self.is_plan_due = False
        planned_a = self._currents.update(connectors, self.offers.firm_capacity_kw, now_s, self._still_a())
        is_news, self.safe_a = planned_a != self.safe_a, dict(planned_a)
        return is_news

    def _still_a(self) -> dict[str, float]:
        """What connectors may have as safe current that have not confirmed a lower one yet."""
        return {
            place_of(charger.id.charger, connector.number): connector.still_a
            for charger in self.chargers
            for connector in charger.connectors.values()
            if connector.limit is not None and connector.limit.is_controlled
        }

    def count_connectors(self) -> tuple[int, int, float]:
        """How many there are, how many are free, and the most that a car draws that plugs in at one of these."""
        total = free = 0
        arrival_kw = 0.0
        for charger in self.chargers:
            for connector in charger.connectors.values():
                total += 1
                if charger.link is not None and connector.is_free(charger.transaction_on(connector)):
                    free += 1
                    arrival_kw = max(arrival_kw, connector.arrival_kw)
        return total, free, round(arrival_kw, 3)


def place_of(charger: str, connector: int) -> str:
    """A connector within its substation; in the order of these the safe currents are given."""
    return f"{charger}/{connector:03}"
