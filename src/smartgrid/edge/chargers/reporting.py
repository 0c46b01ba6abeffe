"""What substations are told of the sessions: at most once a second each, at once where power becomes free.

A report is a state and no event: `changed` makes it anew from the connector and its transaction, after everything that
may have changed one of them, and sends it only if it is another than the last one sent. So nobody has to know what a
change means for the substation, and a report that is lost is made good by the next one (`grid.report_box` repeats it).

A report goes out at once if something that is booked by it is another: the offer that was adopted, what may be drawn,
or whether the charger does what it is told. Somebody else may wait for that power. Meter values wait until a second has
passed since the last report; `tick` sends what has waited.

Three fields say less, or more, than one might expect, as what is reported is what the substation books:

* `held_kw` is None until it is known what limit the charger has: another edge may have written one. Even then the
  meter counts, if it shows more than the offer: that can only raise what is booked.
* `fallback_kw` has the safe current that is *planned*, if that is higher than what the charger has. The charger gets
  it once this report is answered (`safe_plans`), so it is in the books before it can be drawn.
* `number` is 0 until the limit has begun for this transaction: no offer was adopted yet, and 0 lowers nothing.
"""

from __future__ import annotations

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.ports import Grid, SessionReport
from smartgrid.edge.transactions.transaction import Transaction

LEAST_BETWEEN_S = 1.0
_SAME_KW = 0.001


class Reporting:
    def __init__(self, grid: Grid, times: Times) -> None:
        self._grid, self._times = grid, times
        self._changed: dict[tuple[str, str, int], tuple[Charger, Connector]] = {}

    def changed(self, charger: Charger, connector: Connector) -> None:
        """Something of it may be news."""
        transaction = charger.transaction_on(connector)
        if transaction is None or not transaction.session_id or connector.limit is None:
            return
        now_s = self._times.now()
        report = self._report(connector, transaction, now_s)
        if report == connector.report:
            return
        if now_s - connector.report_s >= LEAST_BETWEEN_S or _frees_power(connector.report, report):
            self._send(charger, connector, report, now_s)
        else:
            self._changed[charger.id.substation, charger.id.charger, connector.number] = charger, connector

    def tick(self) -> None:
        """Tell what had to wait."""
        waiting, self._changed = self._changed, {}
        for charger, connector in waiting.values():
            self.changed(charger, connector)

    def _send(self, charger: Charger, connector: Connector, report: SessionReport, now_s: float) -> None:
        connector.report, connector.report_s = report, now_s
        self._grid.report(charger.id.substation, report)

    def _report(self, connector: Connector, transaction: Transaction, now_s: float) -> SessionReport:
        assert connector.limit is not None
        limit, power_kw = connector.limit, connector.power_kw(now_s)
        is_begun = connector.limit_for is transaction
        is_known = is_begun and (connector.is_known or not limit.is_controlled)
        held_kw = limit.held_kw(now_s) if is_known else None
        fallback_kw = max(limit.fallback_kw if is_known else 0.0, connector.planned_kw)
        if held_kw is None and connector.offer is not None and (power_kw or 0.0) > connector.offer.power_kw:
            held_kw = power_kw  # what the meter shows can only raise what is booked
        return SessionReport(
            session_id=transaction.session_id,
            number=limit.adopted_number if is_begun else 0,
            held_kw=None if held_kw is None else round(held_kw, 3),
            fallback_kw=round(fallback_kw, 3),
            rating_kw=round(limit.rating_kw, 3),
            is_controlled=limit.is_controlled,
            power_kw=None if power_kw is None else round(power_kw, 3),
            energy_kwh=None if transaction.energy_kwh is None else round(transaction.energy_kwh, 4),
            measured_wall_s=transaction.measured_wall_s,
            car=transaction.car or connector.car,
        )


def _frees_power(before: SessionReport | None, report: SessionReport) -> bool:
    if before is None or report.number != before.number or report.is_controlled != before.is_controlled:
        return True
    if report.held_kw is None or before.held_kw is None:
        return report.held_kw is not before.held_kw
    return abs(report.held_kw - before.held_kw) > _SAME_KW
