"""Safe currents: what a car may draw when nobody tells its charger anything any more, so that all together fit.

A safe current comes with a session. A connector without one has 0 A, which is the first that a charger is told; a car
that plugs in draws nothing until it has its first limit. Once its substation gives a session power, its connector gets
6 A, the sessions in the order in which they began, while the sum fits the firm capacity. The plan of a substation is
reckoned anew when its firm capacity or who has power changes, and each minute. Lower ones go out at once. A car whose
safe current was lowered gets it back after an hour at the earliest, as each change is written to its charger's flash.

A higher one is reported first (`reporting` takes it from `planned_a`), and goes out when the substation has answered
that report, so it is in the books before it can be drawn. Likewise in the end: `sessions` tells of it once the
connector is back at 0 A. What a charger was told is remembered over a restart of the edge: a car that is there keeps
its safe current until its substation says more.
"""

from __future__ import annotations

from collections.abc import Callable

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.roster import Roster
from smartgrid.edge.chargers.substations import SubstationSeen, place_of
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.amps import nominal_kw
from smartgrid.edge.limits.fallback import plan
from smartgrid.edge.ports import Grid

RAISE_SPACING_S = 3_600.0
_SAME_KW = 0.01


class SafePlans:
    """`look` is told of a connector that has something to be sent."""

    def __init__(self, grid: Grid, times: Times, roster: Roster, *, look: Callable[[Charger, Connector], None]) -> None:
        self._grid, self._times, self._roster, self._look = grid, times, roster, look
        self._rising: dict[tuple[str, str], tuple[Charger, Connector]] = {}

    def connected(self, charger: Charger) -> None:
        """What its connectors are to have first of all."""
        for connector in charger.connectors.values():
            if charger.transaction_on(connector) is None:
                connector.planned_a = connector.safe_a = 0.0
            self._tell(charger, connector, connector.safe_a)
        self._roster.remember(charger)

    def tick(self) -> None:
        """Reckon what is due, and let out what is in the books by now."""
        now_s = self._times.now()
        for seen in self._roster.substations.values():
            if seen.wants_plan(now_s):
                self.reckon(seen)
        for place, (charger, connector) in list(self._rising.items()):
            if connector.planned_a <= connector.safe_a:
                del self._rising[place]
            elif self._is_booked(charger, connector):
                del self._rising[place]
                self._set(charger, connector, connector.planned_a)

    def reckon_all(self) -> None:
        """Once a minute: what may rise by now."""
        for seen in self._roster.substations.values():
            seen.is_plan_due = True

    def reckon(self, seen: SubstationSeen) -> None:
        """The plan of a substation, and what of it is news."""
        if seen.offers is None:
            return
        seen.is_plan_due, seen.planned_s = False, self._times.now()
        fed: list[tuple[float, str, Charger, Connector]] = []
        others_kw = 0.0
        for charger in seen.chargers:
            for connector in charger.connectors.values():
                transaction = charger.transaction_on(connector)
                if transaction is not None and transaction.session_id and connector.has_power:
                    place = place_of(charger.id.charger, connector.number)
                    fed.append((transaction.started_wall_s, place, charger, connector))
                else:
                    others_kw += connector.still_kw
                    if transaction is None or connector.was_ours:  # else nobody has told us of it yet
                        self._plan(charger, connector, 0.0)
        fed.sort(key=lambda each: each[:2])
        self._share(fed, seen.offers.firm_capacity_kw, others_kw)

    def _share(
        self, fed: list[tuple[float, str, Charger, Connector]], firm_capacity_kw: float, others_kw: float
    ) -> None:
        """Lower what does not fit; raise what fits beside all that others may still have."""
        planned_a = plan([connector.spec for *_, connector in fed], firm_capacity_kw)
        booked_kw = others_kw + sum(max(each.still_kw, each.planned_kw) for *_, each in fed)
        now_s = self._times.now()
        for (*_, charger, connector), current_a in zip(fed, planned_a, strict=True):
            more_kw = nominal_kw(current_a, connector.spec.phases) - max(connector.still_kw, connector.planned_kw)
            if current_a <= connector.planned_a:
                if current_a < connector.planned_a:
                    connector.lowered_s = now_s
                self._plan(charger, connector, current_a)
            elif booked_kw + more_kw <= firm_capacity_kw + _SAME_KW and now_s >= connector.lowered_s + RAISE_SPACING_S:
                booked_kw += max(0.0, more_kw)
                self._plan(charger, connector, current_a)

    def _plan(self, charger: Charger, connector: Connector, current_a: float) -> None:
        if current_a == connector.planned_a:
            return
        connector.planned_a = current_a
        if current_a > connector.safe_a:
            self._rising[charger.id.substation, place_of(charger.id.charger, connector.number)] = charger, connector
            self._look(charger, connector)
        else:
            self._set(charger, connector, current_a)

    def _is_booked(self, charger: Charger, connector: Connector) -> bool:
        """Whether the substation knows of the higher one, from who holds the session."""
        report, transaction = connector.report, charger.transaction_on(connector)
        if report is None or transaction is None or report.session_id != transaction.session_id:
            return False
        is_ours = connector.was_ours and connector.has_power
        is_told = report.fallback_kw >= connector.planned_kw - _SAME_KW
        return is_ours and is_told and self._grid.is_told(charger.id.substation, report.session_id)

    def _set(self, charger: Charger, connector: Connector, current_a: float) -> None:
        self._tell(charger, connector, current_a)
        self._roster.remember(charger)
        self._look(charger, connector)

    def _tell(self, charger: Charger, connector: Connector, current_a: float) -> None:
        connector.safe_a = current_a
        if connector.limit is not None:
            connector.limit.fallback(current_a, self._times.now())
