"""What chargers are told of power: limits, and the order to stop. And when to look at a connector again.

A connector is looked at after everything that happens to it, and when something is due: a profile to renew, a rise
that had to wait, a stop to be asked for again. What is due is in one heap for all connectors, so ten thousand of
them cost one timer. A look costs microseconds and sends at most what has changed.

What is to be sent is decided by `ConnectorLimit`; here it becomes a call. Of the limits of a connector that wait for
their turn on the connection only the latest is sent, and it goes before all other calls. An answer counts only for the
connection and the limit that it belongs to. Whether a limit is accepted tells little, so the charger is asked once for
its composite schedule too, where that would show whether it applies what it has accepted.

A stop is asked for again and again, less and less often, until its transaction is over. A charger that says three times
that it has no such transaction, and draws nothing, is believed.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.commands import stop_call
from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.payloads import clear_profile, composite_limit, get_composite_schedule, set_charging_profile
from smartgrid.edge.messages.lenient import text
from smartgrid.edge.ports import (
    Answer,
    CallFailure,
    LimitOrder,
    Link,
    OcppVersion,
    Offer,
)
from smartgrid.edge.transactions.transaction import Transaction

log = logging.getLogger(__name__)
FIRST_STOP_S, MOST_STOP_S = 20.0, 600.0
"""Between two orders to stop: the first pause, which doubles up to the other."""
SURE_TRIES = 3
"""A charger that has said so often that it has no such transaction is believed, unless its car draws more than this."""
LEAST_DRAWN_KW = 0.1
REFUSED_FOR_S = 300.0
"""A car without a session is held at 0 A by profiles of this life, renewed."""
NOT_YET_S = 30.0
"""For so long after its connection or its boot a charger that cannot take a limit may be able to soon."""
NOT_YET = frozenset({"SecurityError", "InternalError", "GenericError"})
LONGEST_SLEEP_S = 60.0
"""A connector with a transaction is looked at so often in any case."""


class Steering:
    """`changed` is told of a connector whose held power may have changed, `vacated` of one that is due to be vacant."""

    def __init__(
        self,
        times: Times,
        *,
        changed: Callable[[Charger, Connector], None],
        vacated: Callable[[Charger, Connector], None],
    ) -> None:
        self._times, self._changed, self._vacated = times, changed, vacated
        self._due: list[tuple[float, int, Charger, Connector]] = []
        self._ties = itertools.count()
        self.profiles: Counter[str] = Counter()

    def look(self, charger: Charger, connector: Connector) -> None:
        """Send what there is to send, and come again when something is due."""
        now_s = self._times.now()
        transaction = charger.transaction_on(connector)
        if connector.vacant_s <= now_s:
            connector.vacant_s = math.inf
            self._vacated(charger, connector)
            transaction = charger.transaction_on(connector)
        if connector.limit is not None:
            self._begin_or_end(connector, transaction, now_s)
            if transaction is not None and transaction.is_refused and connector.limit_for is transaction:
                connector.limit.offered(Offer(0, 0.0, now_s + REFUSED_FOR_S), now_s)
            self._send_limit(charger, connector, now_s)
        if transaction is not None and connector.is_stopping and now_s >= connector.stop_s:
            self._stop(charger, connector, transaction, now_s)
        self._changed(charger, connector)
        self._wake(charger, connector, self._next_s(connector, transaction, now_s))

    def measured(self, charger: Charger, connector: Connector) -> None:
        """A reading has come: it is to be reported, and that is all of most."""
        limit, limited = connector.limit, _limited(connector, charger.transaction_on(connector), self._times.now())
        if limit is None or limit.has_news or connector.limit_for is not limited:
            self.look(charger, connector)
        else:
            self._changed(charger, connector)

    def tick(self) -> None:
        """Look at what is due."""
        now_s = self._times.now()
        while self._due and self._due[0][0] <= now_s:
            at_s, _, charger, connector = heapq.heappop(self._due)
            if connector.wake_s == at_s:
                connector.wake_s = math.inf
                try:
                    self.look(charger, connector)
                except Exception:
                    log.exception("a connector could not be looked after", extra=charger.id._asdict())
                    self._wake(charger, connector, now_s + LONGEST_SLEEP_S)

    def stop(self, charger: Charger, connector: Connector, in_s: float = 0.0) -> None:
        """There is no session (any more) for its car: the charger is asked to stop, until it does."""
        if not connector.is_stopping:
            connector.is_stopping, connector.stop_tries, connector.stop_s = True, 0, self._times.now() + in_s
            self.look(charger, connector)

    def _begin_or_end(self, connector: Connector, transaction: Transaction | None, now_s: float) -> None:
        """Tell the limit whose car is there."""
        assert connector.limit is not None
        transaction = _limited(connector, transaction, now_s)
        if transaction is connector.limit_for:
            return
        if connector.limit_for is not None:
            connector.limit.end(now_s)
        if transaction is not None:
            is_new = connector.newcomer is transaction
            connector.is_known |= is_new
            connector.limit.begin(_id_for(connector.limit.version, transaction), now_s, is_new=is_new)
            connector.limit.offered(connector.offer, now_s)
        connector.limit_for = transaction

    def _send_limit(self, charger: Charger, connector: Connector, now_s: float) -> None:
        link, limit = charger.link, connector.limit
        while link is not None and limit is not None:
            order = limit.next_order(now_s)
            if order is None:
                return
            if limit.must_clear(order):
                self._clear(charger, connector, link, limit, order)
                return
            wall_s = self._times.wall()
            action, payload = set_charging_profile(order, link.version, wall_s, charger.clock.ahead_s)
            limit.sent(order, now_s)
            slot = f"{action}/{connector.number}/{order.kind}"
            try:
                link.call(
                    action, payload, self._on_limit(charger, connector, link, limit, order), slot=slot, first=True
                )
            except ValueError:  # against the schema: a fault of ours, which no second try puts right
                log.exception("a profile cannot be sent", extra=charger.id._asdict())
                limit.answered(order, False, now_s)

    def _clear(
        self, charger: Charger, connector: Connector, link: Link, limit: ConnectorLimit, order: LimitOrder
    ) -> None:
        """Make place for a profile; the order is made anew then."""

        def answered(_: Answer) -> None:
            connector.is_clearing = False
            limit.cleared()
            if connector.limit is limit and charger.link is link:
                self.look(charger, connector)

        if not connector.is_clearing:
            connector.is_clearing = True
            action, payload = clear_profile(order.profile_id, link.version)
            link.call(action, payload, answered, first=True)

    def _on_limit(
        self, charger: Charger, connector: Connector, link: Link, limit: ConnectorLimit, order: LimitOrder
    ) -> Callable[[Answer], None]:
        def answered(answer: Answer) -> None:
            is_accepted = accepted(answer)
            self.profiles[_RESULTS[is_accepted]] += 1
            if connector.limit is limit and charger.link is link:
                if self._is_early(charger, link, answer):
                    limit.not_yet(order, self._times.now())
                elif answer.failure is CallFailure.TIMEOUT:
                    limit.timed_out(order, self._times.now())
                elif answer.failure is CallFailure.CLOSED:
                    limit.cut_off(order, self._times.now())
                else:
                    limit.answered(order, is_accepted, self._times.now())
                connector.is_known |= is_accepted is True and order.duration_s is not None
                self.look(charger, connector)
                self._ask(charger, connector, link, limit)

        return answered

    def _is_early(self, charger: Charger, link: Link, answer: Answer) -> bool:
        """Whether it has refused for what it is in the middle of, so that nothing follows for limits of this kind."""
        since_s = max(link.opened_s, charger.booted_s)
        is_refused = answer.failure is CallFailure.REFUSED and answer.code in NOT_YET
        return is_refused and self._times.now() - since_s < NOT_YET_S

    def _ask(self, charger: Charger, connector: Connector, link: Link, limit: ConnectorLimit) -> None:
        """Which limit the charger says that it applies: accepted is not applied."""
        unit = limit.unit_to_ask()
        if unit is None:
            return

        def answered(answer: Answer) -> None:
            if answer.payload is None and answer.failure not in (CallFailure.REFUSED, CallFailure.TIMEOUT):
                return
            told = None if answer.payload is None else composite_limit(answer.payload, link.version)
            if connector.limit is limit and charger.link is link:
                limit.schedule_told(
                    None if told is None else told[0], unit if told is None else told[1], self._times.now()
                )
                self.look(charger, connector)

        action, payload = get_composite_schedule(connector.number, link.version, unit)
        link.call(action, payload, answered, slot=f"{action}/{connector.number}")

    def _stop(self, charger: Charger, connector: Connector, transaction: Transaction, now_s: float) -> None:
        delay_s = min(MOST_STOP_S, FIRST_STOP_S * 2.0**connector.stop_tries)
        connector.stop_s = now_s + delay_s * self._times.rng.uniform(0.8, 1.2)
        if charger.link is not None and (call := stop_call(transaction.transaction_id, charger.link.version)):
            connector.stop_tries += 1
            answered = self._on_stop(charger, connector, transaction)
            charger.link.call(*call, answered, slot=f"{call[0]}/{connector.number}", first=True)

    def _on_stop(self, charger: Charger, connector: Connector, transaction: Transaction) -> Callable[[Answer], None]:
        def answered(answer: Answer) -> None:
            """One who says again and again that there is no such transaction, and draws nothing, is right."""
            is_unknown = accepted(answer) is False and connector.stop_tries >= SURE_TRIES
            is_drawing = (connector.power_kw(self._times.now()) or 0.0) > LEAST_DRAWN_KW
            if is_unknown and not is_drawing and charger.transaction_on(connector) is transaction:
                self._vacated(charger, connector)

        return answered

    def _next_s(self, connector: Connector, transaction: Transaction | None, now_s: float) -> float:
        due_s = connector.limit.next_due_s() if connector.limit is not None else None
        next_s = min(connector.vacant_s, math.inf if due_s is None else due_s)
        if transaction is not None:
            next_s = min(next_s, now_s + LONGEST_SLEEP_S)
            if connector.is_stopping:
                next_s = min(next_s, connector.stop_s)
            if connector.settle_s > now_s:
                next_s = min(next_s, connector.settle_s)
        return max(next_s, now_s + 0.05)

    def _wake(self, charger: Charger, connector: Connector, at_s: float) -> None:
        if at_s < connector.wake_s:
            connector.wake_s = at_s
            heapq.heappush(self._due, (at_s, next(self._ties), charger, connector))


def _limited(connector: Connector, transaction: Transaction | None, now_s: float) -> Transaction | None:
    """Whose limit is written: that of a start from a queue only once its stop has not followed at once."""
    if transaction is None or not transaction.has_begun or transaction is connector.unanswered:
        return None
    return transaction if now_s >= connector.settle_s else None


def _id_for(version: OcppVersion, transaction: Transaction) -> str | None:
    """As a profile may name it: in 1.6 it is a number."""
    is_right = version is not OcppVersion.V16 or transaction.transaction_id.isdecimal()
    return transaction.transaction_id if is_right and transaction.transaction_id else None


def accepted(answer: Answer) -> bool | None:
    """What a charger made of an order: None if it is not known whether it took it."""
    if answer.payload is not None:
        return text(answer.payload.get("status")).lower() == "accepted"
    return False if answer.failure is CallFailure.REFUSED else None


_RESULTS = {True: "accepted", False: "rejected", None: "unknown"}
