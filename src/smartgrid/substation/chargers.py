"""The charger sessions of a book: where each is plugged in, and that nothing is told which a crash would undo.

`domain.charger_sessions` decides who is offered how much, and knows no disk. Here each of its sessions is tied to a
connector (`Plug`), of which each has one open session, and to what the disk has of it (`_durable`).

What edges were told must be booked after a crash too: so an offer is told only where the disk books at least as much
(`is_untold`), and where the disk does not take it, it is withdrawn (`withdraw`), as if it had never been made. A lower
offer needs no disk, as a crash then books more than anybody was told, and never less. A commit takes all that has
changed at one moment (`take`, then `written` or `lost`), since what one session has given up another has got.

How many connectors are free is the edge's word, less the cars that are plugged in here by now: so a connector that has
just been taken is not promised to another driver before the edge has said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from smartgrid.domain.ceiling import Ceiling
from smartgrid.domain.charger_sessions import ChargerSession, ChargerSessions
from smartgrid.domain.held_power import HeldPower
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.substation import Connectors, Substation
from smartgrid.substation.charger_rows import NUMBERS_JUMP, ChargerChanges, ChargerRow


@dataclass(frozen=True, slots=True)
class Plug:
    """Where a session is plugged in; `seq` is the number of its row."""

    seq: int
    vehicle_id: str
    charger: str
    connector: int
    transaction_id: str | None
    meter_kwh: float


@dataclass(frozen=True, slots=True)
class PlugIn:
    """A car has plugged in: its edge asks for a session, with what its charger lets it draw at this moment."""

    charger: str
    connector: int
    transaction_id: str | None
    edge: str
    rating_kw: float
    fallback_kw: float
    held_kw: float
    is_controlled: bool
    started_wall_s: float | None
    meter_kwh: float


class Chargers:
    """Of one book. Times are wall time."""

    def __init__(self, substation: Substation, lease_s: float) -> None:
        """`lease_s` is for how long an answer is booked."""
        self._substation, self._lease_s = substation, lease_s
        self.sessions = ChargerSessions(substation)
        self._plugs: dict[str, Plug] = {}
        self._by_connector: dict[tuple[str, int], str] = {}
        self._durable: dict[str, ChargerRow] = {}
        self._gone: list[str] = []
        self._energies_kwh: dict[str, float] = {}
        self._reported: Connectors | None = None
        self._connectors_changed = False

    def __len__(self) -> int:
        return len(self.sessions)

    def __iter__(self) -> Iterator[tuple[Plug, ChargerSession]]:
        """Oldest first."""
        return ((plug, charger) for id_, plug in self._plugs.items() if (charger := self.sessions.find(id_)))

    def find(self, session_id: str) -> ChargerSession | None:
        return self.sessions.find(session_id)

    def at(self, charger: str, connector: int) -> str | None:
        """The open session there."""
        return self._by_connector.get((charger, connector))

    def plug_in(
        self, seq: int, session_id: str, request: ChargeRequest, found: PlugIn, power: PowerRange, wall_s: float
    ) -> ChargerSession:
        """A new one, which waits until `sessions.begin`."""
        supply = HeldPower(
            found.edge,
            found.rating_kw,
            found.fallback_kw,
            found.held_kw,
            wall_s + self._lease_s,
            is_controlled=found.is_controlled,
        )
        plug = Plug(seq, request.vehicle_id, found.charger, found.connector, found.transaction_id, found.meter_kwh)
        return self._add(plug, ChargerSession(session_id, power, supply, wanted_kwh=request.energy_kwh))

    def restore(self, row: ChargerRow, power: PowerRange, wanted_kwh: float, wall_s: float) -> ChargerSession:
        """One that is on the disk: whoever was told of it may draw what is booked for a whole lease from now."""
        supply = HeldPower(
            row.holder,
            row.rating_kw,
            row.fallback_kw,
            row.booked_kw,
            wall_s + self._lease_s,
            is_controlled=bool(row.is_controlled),
            number=row.number + NUMBERS_JUMP,
            offer_kw=row.offer_kw,
        )
        charger = ChargerSession(
            row.session_id,
            power,
            supply,
            wanted_kwh=wanted_kwh,
            energy_kwh=row.energy_kwh,
            ceiling=Ceiling(row.ceiling_kw),
            is_stopping=bool(row.is_stopping),
        )
        charger.measured_wall_s = row.measured_wall_s
        self._durable[row.session_id] = row
        plug = Plug(row.seq, row.vehicle_id, row.charger, row.connector, row.transaction_id, row.meter_kwh)
        return self._add(plug, charger)

    def unplug(self, session_id: str) -> None:
        """Its charger draws nothing for it any more."""
        plug = self._plugs.pop(session_id, None)
        if plug is None:
            return
        self.sessions.remove(session_id)
        if self._by_connector.get((plug.charger, plug.connector)) == session_id:
            del self._by_connector[plug.charger, plug.connector]
        self._durable.pop(session_id, None)
        self._gone.append(session_id)
        self._count_connectors()

    def stop(self, charger: ChargerSession) -> None:
        """It has ended for all others; not if its charger has ended it."""
        if charger.session_id in self._plugs:
            self.sessions.stop(charger)

    def correct(self, session_id: str, energy_kwh: float) -> None:
        """The meter has the last word on a session, also after its end."""
        self._energies_kwh[session_id] = energy_kwh

    def set_connectors(self, connectors: Connectors | None, *, changed: bool = True) -> None:
        """As an edge sees them; None, and none at all, is that no chargers are known."""
        self._connectors_changed = self._connectors_changed or (changed and connectors != self._reported)
        self._reported = connectors
        self._count_connectors()

    def renew(self, wall_s: float, edge: str | None = None) -> None:
        """All of them are told at this time, to this edge; None is one that does not say who it is."""
        self.sessions.renew(wall_s + self._lease_s, edge)

    def lease_end_s(self, wall_s: float) -> float:
        """Of what is told, or is a fact, from now on."""
        return wall_s + self._lease_s

    # ------------------------------------------------------------------ the disk

    def is_dirty(self) -> bool:
        """Whether there is something that no commit has taken."""
        return bool(self.sessions.changed or self._gone or self._energies_kwh or self._connectors_changed)

    def is_untold(self, session_ids: Iterable[str] | None = None) -> bool:
        """Whether a crash would book less for any of these, by default for any at all, than an edge is to be told."""
        chosen = self._plugs if session_ids is None else session_ids
        return any((charger := self.find(id_)) is not None and self._is_untold(charger) for id_ in chosen)

    def take(self) -> ChargerChanges:
        """All that has changed; `written` or `lost` is to follow before the next."""
        changed = [charger for id_ in self.sessions.changed if (charger := self.find(id_)) is not None]
        connectors = (self._reported or Connectors(0, 0)) if self._connectors_changed else None
        energies = [(energy_kwh, session_id) for session_id, energy_kwh in self._energies_kwh.items()]
        changes = ChargerChanges([self._row(charger) for charger in changed], self._gone, energies, connectors)
        self.sessions.changed.clear()
        self._gone, self._energies_kwh, self._connectors_changed = [], {}, False
        return changes

    def written(self, changes: ChargerChanges) -> None:
        """It is on the disk."""
        self._durable.update((row.session_id, row) for row in changes.rows if row.session_id in self._plugs)

    def lost(self, changes: ChargerChanges) -> None:
        """It is not: it stays to be written, and nobody is told what would need it."""
        self.sessions.changed.update(row.session_id for row in changes.rows if row.session_id in self._plugs)
        self._gone = [*changes.gone, *self._gone]
        self._energies_kwh = {id_: energy_kwh for energy_kwh, id_ in changes.energies_kwh} | self._energies_kwh
        self._connectors_changed = self._connectors_changed or changes.connectors is not None
        self.withdraw()

    def withdraw(self) -> None:
        """Make no offer, and have no holder, that the disk does not know."""
        for charger in self.sessions:
            durable = self._durable.get(charger.session_id)
            if not charger.supply.is_controlled:
                continue  # a fact, whatever it is offered
            self.sessions.withdraw(charger, 0.0 if durable is None else durable.booked_kw)
            if durable is not None and charger.supply.holder != durable.holder:
                self.sessions.hand_over(charger, durable.holder)

    # ------------------------------------------------------------------ within

    def _add(self, plug: Plug, charger: ChargerSession) -> ChargerSession:
        self._plugs[charger.session_id] = plug
        self._by_connector[plug.charger, plug.connector] = charger.session_id
        self.sessions.add(charger)
        self._count_connectors()
        return charger

    def _count_connectors(self) -> None:
        """A car that has just come or gone is counted before the edge has said so."""
        found = self._reported
        if found is None or not found.total:
            self._substation.set_connectors(None)
            return
        free = max(0, min(found.free, found.total - len(self._plugs)))
        self._substation.set_connectors(replace(found, free=free))

    def _is_untold(self, charger: ChargerSession) -> bool:
        durable, supply = self._durable.get(charger.session_id), charger.supply
        if durable is None or supply.holder != durable.holder or supply.fallback_kw > durable.fallback_kw:
            return True
        if not supply.is_controlled:
            return bool(durable.is_controlled) or supply.rating_kw > durable.rating_kw
        return supply.booked_kw > durable.booked_kw

    def _row(self, charger: ChargerSession) -> ChargerRow:
        plug, supply = self._plugs[charger.session_id], charger.supply
        return ChargerRow(
            plug.seq,
            charger.session_id,
            plug.vehicle_id,
            plug.charger,
            plug.connector,
            plug.transaction_id,
            plug.meter_kwh,
            supply.holder,
            supply.rating_kw,
            supply.fallback_kw,
            supply.booked_kw,
            supply.number,
            supply.offer_kw,
            int(supply.is_controlled),
            charger.ceiling.max_kw,
            charger.energy_kwh,
            charger.measured_wall_s,
            int(charger.is_stopping),
        )
