"""What is known of each substation: its newest offers, and what its chargers have in all."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.edge.ports import Offers, OpenSession


@dataclass(slots=True)
class SubstationSeen:
    """`sessions` are of the newest offers, by charger."""

    offers: Offers | None = None
    sessions: dict[str, list[OpenSession]] | None = None
    firm_capacity_kw: float | None = None
    is_plan_due: bool = True
    connectors_told: tuple[int, int] | None = None
    are_connectors_due: bool = True

    def take(self, offers: Offers) -> None:
        self.offers, self.sessions = offers, {}
        for session in offers.sessions:
            self.sessions.setdefault(session.charger, []).append(session)
        if self.firm_capacity_kw != offers.firm_capacity_kw:
            self.firm_capacity_kw, self.is_plan_due = offers.firm_capacity_kw, True
