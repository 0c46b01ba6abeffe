"""Which chargers this edge knows, by substation, and what the registry says of them and learns.

A charger is known from when it connects, or from when a substation or the inbox tells of it, until the process ends;
only strangers, whom an open edge has let in, are forgotten before. What it has said of itself (its model, how many
connectors it has) and the safe currents that it was told are remembered in the registry: after a restart of the edge
the charger need not say it again, and what it may draw is known before it has said a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.substations import SubstationSeen
from smartgrid.edge.limits.quirks import Quirks, Table
from smartgrid.edge.messages.lenient import number as number_in
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import ChargerId, ChargerSpec, Grid
from smartgrid.edge.registry.replica import OPEN, About
from smartgrid.edge.registry.store import Registry

SAFE = "safe-{}"
"""The fact that a connector's safe current is remembered as."""
AWAY_S = 900.0
"""By then every profile of a charger that has gone is over."""
MOST_STRANGERS = 10_000
"""Of those that have gone; an open edge lets anybody in under any name."""


class Roster:
    """`known` makes a charger of an id; the others are looked up."""

    def __init__(self, grid: Grid, registry: Registry, table: Table) -> None:
        self._grid, self.registry, self._table = grid, registry, table
        self._chargers: dict[ChargerId, Charger] = {}
        self.substations: dict[str, SubstationSeen] = {}

    def __iter__(self) -> Iterator[Charger]:
        return iter(self._chargers.values())

    def get(self, charger_id: ChargerId) -> Charger | None:
        return self._chargers.get(charger_id)

    def substation(self, name: str) -> SubstationSeen:
        found = self.substations.get(name)
        if found is None:
            found = self.substations[name] = SubstationSeen(name)
        return found

    def chargers_of(self, substation: str) -> Sequence[Charger]:
        """Those of one substation."""
        found = self.substations.get(substation)
        return () if found is None else found.chargers

    def known(self, charger_id: ChargerId) -> Charger:
        """As it is registered, and as it has said of itself when it was here before."""
        found = self._chargers.get(charger_id)
        if found is None:
            row = self.registry.find(charger_id)
            about = About() if row is None else row.about
            spec = self.registry.get(charger_id) or ChargerSpec()
            booted = Booted(about.vendor, about.model, about.firmware)
            found = self._chargers[charger_id] = Charger(charger_id, spec, self._quirks(spec, booted))
            found.booted, found.facts = booted, about.facts
            found.is_stranger = row is None or row.origin == OPEN
            for number in range(len(found.connectors) + 1, about.connectors + 1):
                found.connector(number)
            for connector in found.connectors.values():
                connector.safe_a = number_in(about.facts.get(SAFE.format(connector.number))) or 0.0
                connector.planned_a = connector.safe_a
            seen = self.substation(charger_id.substation)
            seen.chargers.append(found)
        return found

    def refresh(self, charger: Charger) -> None:
        """It may have been registered anew since it was here."""
        spec = self.registry.get(charger.id)
        if spec is None or spec == charger.spec:
            return
        charger.spec, charger.version, charger.is_stranger = spec, None, False
        charger.quirks = self._quirks(spec, charger.booted)
        for number, each in enumerate(spec.connectors, 1):
            charger.connectors.setdefault(number, Connector(number, each)).spec = each

    def booted(self, charger: Charger, booted: Booted) -> bool:
        """What it says it is; returns whether that means other quirks, and so other limits."""
        is_news, charger.booted = booted != charger.booted, booted
        if is_news:
            self.learn(charger)
        quirks = self._quirks(charger.spec, booted)
        is_other, charger.quirks = quirks != charger.quirks, quirks
        return is_other

    def grown(self, charger: Charger) -> None:
        """It has named a connector that was not known."""
        self.learn(charger)
        self.connectors_changed(charger)

    def learn(self, charger: Charger) -> None:
        """To be remembered, as a charger that comes back need not say it again."""
        said = charger.booted
        about = About(said.vendor, said.model, said.firmware, max(charger.connectors), charger.facts)
        self.registry.learn(charger.id, about)

    def remember(self, charger: Charger) -> None:
        """Which safe currents it was told: those that are not 0."""
        safe = {SAFE.format(each.number): str(each.safe_a) for each in charger.connectors.values() if each.safe_a > 0}
        others = {name: value for name, value in charger.facts.items() if not name.startswith(SAFE.format(""))}
        if {**others, **safe} != charger.facts:
            charger.facts = {**others, **safe}
            self.learn(charger)

    def forget_strangers(self, now_s: float) -> None:
        """Those that an open edge has let in without registration, and that have gone and left nothing behind.

        One that comes back is as after a restart of the edge.
        """
        strangers = [each for each in self if each.is_stranger and each.link is None and self._is_empty(each)]
        strangers.sort(key=lambda charger: charger.left_s)
        beyond = len(strangers) - MOST_STRANGERS
        forgotten = {
            charger.id for place, charger in enumerate(strangers) if place < beyond or charger.left_s <= now_s - AWAY_S
        }
        for charger_id in forgotten:
            del self._chargers[charger_id]
        for name in {charger_id.substation for charger_id in forgotten}:
            seen = self.substation(name)
            seen.chargers = [charger for charger in seen.chargers if charger.id not in forgotten]
            seen.are_connectors_due = True

    def connectors_changed(self, charger: Charger) -> None:
        """It may have more or fewer that are free, or that have a session."""
        seen = self.substation(charger.id.substation)
        seen.are_connectors_due = seen.is_plan_due = True

    def tell_connectors(self) -> None:
        """To the substations, where their numbers have changed."""
        for seen in self.substations.values():
            if seen.are_connectors_due:
                seen.are_connectors_due = False
                counted = seen.count_connectors()
                if counted != seen.connectors_told:
                    seen.connectors_told = counted
                    self._grid.connectors(seen.name, *counted)

    @staticmethod
    def _is_empty(charger: Charger) -> bool:
        return not len(charger.transactions) and all(each.safe_a <= 0 for each in charger.connectors.values())

    def _quirks(self, spec: ChargerSpec, booted: Booted) -> Quirks:
        return self._table.of(booted.vendor, booted.model, spec.quirks)
