"""Safe currents: what each connector may draw when nobody tells it anything any more, so that all together fit.

The plan of a substation is reckoned anew when its firm capacity changes, when there is a charger or connector that is
not in it yet, and each minute, as currents may rise only now and then (`limits.fallback`). Lower ones go out at once. A
higher one goes out only where no car is: a session is booked at the safe current that its connector had at its start.

A charger that was here before has what it had then until its substation has told its firm capacity. One that was not
gets 0 A after `UNPLANNED_S`: without any profile it would have no limit at all.
"""

from __future__ import annotations

from collections.abc import Callable

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.roster import Roster
from smartgrid.edge.chargers.substations import SubstationSeen, place_of
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.ports import ChargerId, ConnectorSpec, Link

UNPLANNED_S = 5.0
PAGE = 1000


class SafePlans:
    """`look` is told of a charger that has something to be sent, `planned` of one whose safe currents are known now."""

    def __init__(
        self, times: Times, roster: Roster, *, look: Callable[[Charger], None], planned: Callable[[Charger], None]
    ) -> None:
        self._times, self._roster, self._look, self._planned = times, roster, look, planned
        self._unplanned: list[tuple[float, Charger, Link]] = []

    def connected(self, charger: Charger) -> None:
        """Its safe currents, if they are known; else soon."""
        assert charger.link is not None
        self.apply(charger)
        if any(connector.fallback_a is None for connector in charger.connectors.values()):
            self._unplanned.append((self._times.now() + UNPLANNED_S, charger, charger.link))

    def is_planned(self, charger: Charger) -> bool:
        return all(connector.fallback_a is not None for connector in charger.connectors.values())

    def tick(self) -> None:
        """Reckon what is due, and look after those that still have none."""
        for seen in self._roster.substations.values():
            if seen.is_plan_due:
                self.reckon(seen)
        now_s = self._times.now()
        unplanned, self._unplanned = self._unplanned, []
        for due_s, charger, link in unplanned:
            if charger.link is not link:
                continue
            if not self.is_planned(charger) and now_s < due_s:
                self._unplanned.append((due_s, charger, link))
                continue
            self._stay_safe(charger, now_s)
            self._planned(charger)

    def reckon_all(self) -> None:
        """Once a minute: what may rise by now, and what could not as a car was there."""
        for seen in self._roster.substations.values():
            seen.is_plan_due = True
        for charger in self._roster:
            self.apply(charger)

    def reckon(self, seen: SubstationSeen) -> None:
        """The plan of a substation, and what of it is news."""
        if seen.offers is not None and seen.plan(self._connectors_of(seen), self._times.now()):
            for charger in seen.chargers:
                self.apply(charger)
                self._look(charger)

    def apply(self, charger: Charger) -> None:
        """What its connectors are to have as far as there is a plan."""
        safe_a = self._roster.substation(charger.id.substation).safe_a
        for connector in charger.connectors.values():
            current_a = safe_a.get(place_of(charger.id.charger, connector.number), connector.fallback_a)
            if current_a is None or connector.limit is None:
                continue
            if connector.fallback_a is not None and charger.transaction_on(connector) is not None:
                current_a = min(current_a, connector.fallback_a)
            connector.fallback_a = current_a
            connector.limit.fallback(current_a, self._times.now())
        self._roster.planned(charger)

    def _stay_safe(self, charger: Charger, now_s: float) -> None:
        for connector in charger.connectors.values():
            if connector.fallback_a is None and connector.limit is not None:
                connector.limit.fallback(0.0, now_s)
        self._look(charger)

    def _connectors_of(self, seen: SubstationSeen) -> list[tuple[str, ConnectorSpec]]:
        """All that are registered or were here, also those that are away: they have their safe current, too.

        First those that had power when the firm capacity changed last: who gets nothing then needs no safe current.
        """
        found: dict[str, ConnectorSpec] = {}
        after: ChargerId | None = None
        while page := self._roster.registry.page(PAGE, after, seen.name):
            for row in page:
                for number, spec in enumerate(row.spec.connectors, 1):
                    found[place_of(row.charger.charger, number)] = spec
            after = page[-1].charger
        for charger in seen.chargers:
            for connector in charger.connectors.values():
                found[place_of(charger.id.charger, connector.number)] = connector.spec
        return sorted(found.items(), key=lambda each: (each[0] not in seen.fed, each[0]))
