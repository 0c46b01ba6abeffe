"""What follows from what chargers say of cars, in whichever version: transactions begin, are metered, end.

`answers` has read the message; which transaction it belongs to, and whether it is news, `charger_transactions` decides.
What is to be done about it is decided here, and for a start in this order:

1. The transaction is kept in the inbox, on the disk (`keep`). What cannot be kept is not answered, so the charger says
   it again.
2. The charger has its answer (`then`). A 1.6 charger knows the number of its transaction only from this.
3. Its substation is told (`deliveries`), and the first limit goes out (`steering`), which names that number: whether
   the substation can be reached or not. Without an offer the limit is 0 A.

An end is a physical fact, so what follows for the connector follows at once; the answer and the substation wait for the
disk in the same way.

Some transactions have no start here. An *orphan* is a stop of one that nobody here knows; its substation may. One is
*taken over* if its substation tells of it, and *found* if a car is seen to draw in it though neither knows it.

Values move the present power only if they are not from a queue; to the energy all count.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from smartgrid.domain.charger_sessions import METER_LIFE_S
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.steering import Steering
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.messages.values import (
    ConnectorStatus,
    EventKind,
    EventTold,
    StartTold,
    StatusTold,
    StopTold,
    ValuesTold,
)
from smartgrid.edge.ports import CarState, Reading, StartOrder
from smartgrid.edge.tags import Tag
from smartgrid.edge.transactions.charger_transactions import TooManyError
from smartgrid.edge.transactions.deliveries import Deliveries
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.runtime import logs
from smartgrid.runtime.log_pace import LogPace

log = logging.getLogger(__name__)
VACANT_AFTER_S = 30.0
"""A connector that is Available while a transaction is open: its stop may be on its way, for so long."""
WAITS_FOR_CAR_S = 900.0
"""One in which no car has charged may wait for it for so long: chargers give drivers a few minutes to plug in."""
SETTLE_S = 10.0
"""For so long no limit is written for a start from a queue, as its stop may be the next message in it."""
STOPS_ITSELF_S = 10.0
"""A charger that is told that a tag is not allowed may end the transaction by itself, within this."""
FOUND_AFTER_S = 15.0
"""For so long after the connection the start of a transaction that nobody knows may yet come."""
FOUND_AGAIN_S = 300.0
"""Values of a transaction that has ended within this are its closing ones, and no sign that it goes on."""
LEAST_DRAWN_KW = 0.5
"""Less than this may be a meter's error, or what a charger takes for itself."""
POWER, ENERGY, CONNECTOR = "power", "energy", "connector"
DISBELIEVED = (POWER, ENERGY, CONNECTOR)
Then = Callable[[], None]
_NO_CAR = frozenset({ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED})


class Desk:
    """`connectors_changed` is told of a charger whose free connectors may have changed; `tag_of` what a tag may do."""

    def __init__(
        self,
        times: Times,
        inbox: Inbox,
        *,
        tag_of: Callable[[str], Tag],
        connectors_changed: Callable[[Charger], None],
    ) -> None:
        self._times, self._inbox, self.tag_of = times, inbox, tag_of
        self._connectors_changed = connectors_changed
        self.orphans_noted: dict[str, tuple[float, Transaction]] = {}
        """Those whose transaction the substation may yet know, since when."""
        self.is_full = False
        """Whether substations were not told of so many transactions that there may be no more."""
        self.disbelieved: Counter[str] = Counter()
        """What chargers said and cannot be, by `POWER`, `ENERGY` and `CONNECTOR`."""
        self._unkept: dict[str, Transaction] = {}
        self._pace = LogPace(log, times.now)

    def connect(self, steering: Steering, deliveries: Deliveries, has_offers: Callable[[Charger], bool]) -> None:
        """To whom it tells; `has_offers`: whether a charger's substation has told of its sessions since it is here."""
        self.steering, self.deliveries, self._has_offers = steering, deliveries, has_offers

    def has(self, charger: Charger, number: int) -> bool:
        """Whether a charger has such a connector; that it names another is counted and said."""
        if charger.connector(number) is not None:
            return True
        self.disbelieved[CONNECTOR] += 1
        self._pace.say(
            CONNECTOR,
            "a charger names a connector that it can hardly have, and that is not registered",
            _of(charger, number),
        )
        return False

    # ------------------------------------------------------------------ OCPP 1.6

    def start(self, charger: Charger, told: StartTold, then: Callable[[Transaction], None]) -> None:
        """On a connector that it has. `then` once it is kept; never, if it cannot be."""
        connector = charger.connector(told.connector)
        if connector is None:
            return
        try:
            if self.is_full and not charger.transactions.knows_start(told):
                raise TooManyError
            started = charger.transactions.start(told)
        except TooManyError:
            self._full(charger)
            return
        transaction = started.transaction
        if started.is_new:
            transaction.is_refused = not self.tag_of(told.id_tag).may_charge
        if started.is_new and not told.is_late:
            connector.newcomer = transaction
        self._begun(charger, connector, transaction, started.ended, lambda: then(transaction), told.is_late)

    def stop(self, charger: Charger, told: StopTold, then: Then) -> None:
        try:
            transaction, is_news = charger.transactions.stop(told)
        except TooManyError:
            self._full(charger)
            return
        if transaction.is_orphan and is_news:
            self._note_orphan(charger, transaction)
        self._ended(charger, transaction, then)

    # ------------------------------------------------------------------ OCPP 2.x

    def event(self, charger: Charger, told: EventTold, then: Callable[[Transaction], None]) -> None:
        """On an EVSE that it has. `then` once it is kept; never, if it cannot be."""
        number = self.where(charger, told)
        connector = charger.connector(number)
        if connector is None:
            return
        known = charger.transactions.by_id(told.transaction_id)
        is_metered = told.kind is EventKind.UPDATED and bool(told.readings) and (known is None or known.is_open)
        if told.may_be_plugged and (connector.status is ConnectorStatus.OCCUPIED or is_metered):
            told = replace(told, is_plugged=True)
        try:
            if self.is_full and known is None:
                raise TooManyError
            transaction, before, is_news = charger.transactions.event(told, number)
        except TooManyError:
            self._full(charger)
            return
        has_another_tag = self._judge(transaction, told.id_tag, is_news=is_news)
        if transaction.is_orphan and is_news:
            self._note_orphan(charger, transaction)
        elif not transaction.is_orphan:
            self.orphans_noted.pop(transaction.key, None)
        connector = charger.connector(transaction.connector) or connector
        had_begun = transaction.has_begun
        self._readings(charger, connector, transaction, told.readings)
        is_news |= has_another_tag or (transaction.has_begun and not had_begun)
        if has_another_tag:
            connector.is_stopping, connector.stop_s = False, math.inf
        if not told.is_late and transaction.is_open:
            connector.car = told.car or connector.car
        if not is_news and transaction.is_kept:
            then(transaction)
            self._stop_if_refused(charger, connector, transaction)
            self.steering.measured(charger, connector)
        elif transaction.is_open:
            if told.kind is EventKind.STARTED and not told.is_late:
                connector.newcomer = transaction
            self._begun(charger, connector, transaction, before, lambda: then(transaction), told.is_late)
        else:
            self._ended(charger, transaction, lambda: then(transaction))

    def where(self, charger: Charger, told: EventTold) -> int:
        """The EVSE of an event."""
        if told.connector:
            return told.connector
        known = charger.transactions.by_id(told.transaction_id)
        return known.connector if known is not None and known.connector else 1

    # ------------------------------------------------------------------ both

    def values(self, charger: Charger, told: ValuesTold) -> None:
        transaction = charger.transactions.of_values(told)
        number = transaction.connector if transaction is not None else told.connector
        if number == 0:
            return  # the charger's main meter
        connector = charger.connector(number) if self.has(charger, number) else None
        if connector is None:
            return
        if transaction is None and told.transaction_id is not None:
            transaction = self._found(charger, connector, told)
        self._readings(charger, connector, transaction, told.readings)
        self.steering.measured(charger, connector)

    def status(self, charger: Charger, told: StatusTold) -> None:
        is_there = told.connector > 0 and self.has(charger, told.connector)
        connector = charger.connector(told.connector) if is_there else None
        if connector is None or not connector.told_status(told.status, told.wall_s, told.plug):
            return
        transaction = charger.transaction_on(connector)
        self._wait_for_car(connector, transaction, told.wall_s)
        self._connectors_changed(charger)
        is_occupied = connector.status is ConnectorStatus.OCCUPIED
        if is_occupied and transaction is not None and not transaction.is_plugged:
            transaction.is_plugged = True
            self._begun(charger, connector, transaction, None, lambda: None, is_late=False)
        self.steering.look(charger, connector)

    def connected(self, charger: Charger) -> None:
        """It may say more of its connectors now, or its queue of their transactions: each has its time anew."""
        for connector in charger.connectors.values():
            self._wait_for_car(connector, charger.transaction_on(connector), connector.status_wall_s)

    def _wait_for_car(self, connector: Connector, transaction: Transaction | None, told_wall_s: float) -> None:
        """Of a transaction whose connector has no car the stop may be on its way; or the car, if none has charged."""
        connector.vacant_s = math.inf
        if transaction is None or connector.status not in _NO_CAR or told_wall_s < transaction.started_wall_s:
            return
        transaction.is_plugged &= transaction.has_begun
        after_s = VACANT_AFTER_S if transaction.has_begun else WAITS_FOR_CAR_S
        connector.vacant_s = self._times.now() + after_s

    def vacated(self, charger: Charger, connector: Connector) -> None:
        """No stop has come, and there is no car: the open transaction is over."""
        over = charger.transactions.plugged_out(connector.number, self._times.wall())
        if over is not None:
            log.info("a transaction ends without a stop: its connector is free", extra=_of(charger, connector.number))
            self._ended(charger, over, lambda: None)

    def taken_over(self, charger: Charger, transaction: Transaction) -> None:
        """Its substation has told of it: it was lost here, or another edge had the charger."""
        self.keep(transaction)
        self.deliveries.look(charger.id, transaction.connector)
        connector = charger.connector(transaction.connector)
        if connector is not None and transaction.is_open and connector.status in _NO_CAR:
            connector.vacant_s = self._times.now() + VACANT_AFTER_S

    def start_order(self, transaction: Transaction, charger: Charger) -> StartOrder:
        connector = charger.connector(transaction.connector)
        assert connector is not None
        limit = connector.limit
        rating_kw = connector.rating_kw if limit is None else limit.rating_kw
        is_controlled = limit is None or limit.is_controlled
        fallback_kw = connector.still_kw if limit is None else limit.fallback_kw
        is_known = limit is not None and (connector.is_known or not limit.is_controlled)
        held_kw = limit.held_kw(self._times.now()) if limit is not None and is_known else None
        if not transaction.is_open:
            fallback_kw = held_kw = 0.0
        return StartOrder(
            key=transaction.key,
            charger=transaction.charger,
            connector=transaction.connector,
            transaction_id=transaction.transaction_id or None,
            vehicle_id=transaction.vehicle_id,
            min_power_kw=round(connector.least_kw if is_controlled else rating_kw, 3),
            max_power_kw=round(rating_kw, 3),
            rating_kw=round(rating_kw, 3),
            fallback_kw=round(fallback_kw, 3),
            held_kw=round(fallback_kw if held_kw is None else held_kw, 3),
            is_controlled=is_controlled,
            started_wall_s=transaction.started_wall_s,
            meter_kwh=transaction.start_kwh or 0.0,
        )

    def keep(self, *transactions: Transaction, then: Then | None = None) -> None:
        """On the disk; then, if ever, `then`."""
        for each in transactions:
            each.changes += 1
        changes = [each.changes for each in transactions]

        def done(is_kept: bool) -> None:
            if not is_kept:
                return
            for each, change in zip(transactions, changes, strict=True):
                each.kept_changes = max(each.kept_changes, change)
            if then is not None:
                then()

        self._inbox.keep(transactions, done)

    def tick(self) -> None:
        """Write down how far the running transactions are; to be called about once a minute."""
        unkept, self._unkept = self._unkept, {}
        if unkept:
            self._inbox.keep(list(unkept.values()))

    # ------------------------------------------------------------------ inside

    def _begun(
        self,
        charger: Charger,
        connector: Connector,
        transaction: Transaction,
        before: Transaction | None,
        then: Then,
        is_late: bool,
    ) -> None:
        is_new_here = connector.limit_for is not transaction and charger.transaction_on(connector) is transaction
        if is_new_here:
            connector.unanswered = transaction
        if before is not None:
            self._leave(charger, before)
        if is_new_here and is_late:
            connector.settle_s = self._times.now() + SETTLE_S

        def kept() -> None:
            then()
            if connector.unanswered is transaction:
                connector.unanswered = None
            self.deliveries.look(charger.id, connector.number)
            self._connectors_changed(charger)
            self._stop_if_refused(charger, connector, transaction)
            self.steering.look(charger, connector)

        self.keep(*((transaction,) if before is None else (before, transaction)), then=kept)

    def _judge(self, transaction: Transaction, id_tag: str | None, *, is_news: bool) -> bool:
        """Whether its driver may charge, by the tag of an event; returns whether one may whose first tag might not."""
        if not id_tag or not transaction.is_open or transaction.session_id:
            return False
        may_charge = self.tag_of(id_tag).may_charge
        if is_news:
            transaction.is_refused = not may_charge
            return False
        by_its_substation = transaction.has_begun and self.tag_of(transaction.vehicle_id).may_charge
        if not (transaction.is_refused and may_charge) or by_its_substation:
            return False
        transaction.vehicle_id, transaction.is_refused = id_tag, False
        return True

    def _stop_if_refused(self, charger: Charger, connector: Connector, transaction: Transaction) -> None:
        """Unless its charger waits for another tag: then the car is connected, and nothing flows (2.x, E05)."""
        is_there = transaction.is_refused and charger.transaction_on(connector) is transaction
        is_drawing = (connector.power_kw(self._times.now()) or 0.0) > LEAST_DRAWN_KW
        if is_there and (is_drawing or transaction.car is not CarState.EV_CONNECTED):
            self.steering.stop(charger, connector, STOPS_ITSELF_S)

    def _ended(self, charger: Charger, transaction: Transaction, then: Then) -> None:
        self._unkept.pop(transaction.key, None)
        self._doubt_energy(charger, transaction)
        self._leave(charger, transaction)

        def kept() -> None:
            then()
            self.deliveries.look(charger.id, transaction.connector)

        self.keep(transaction, then=kept)

    def _leave(self, charger: Charger, transaction: Transaction) -> None:
        """The car of a transaction that has ended is not there any more."""
        connector = charger.connectors.get(transaction.connector)
        if connector is None:
            return
        if connector.limit_for in (None, transaction):
            connector.no_transaction(self._times.now())
        self._connectors_changed(charger)
        self.steering.look(charger, connector)

    def _readings(
        self, charger: Charger, connector: Connector, transaction: Transaction | None, readings: Sequence[Reading]
    ) -> None:
        now_s = self._times.now()
        for reading in readings:
            if transaction is not None and reading.energy_kwh is not None and transaction.is_open:
                transaction.measure(reading.energy_kwh, reading.wall_s, reading.heard, connector.most_kw)
                self._doubt_energy(charger, transaction)
                self._unkept[transaction.key] = transaction
            if not reading.is_late:
                live = connector.measured(reading, now_s)
                if live.power_kw is not None and live.power_kw > connector.most_kw:
                    self._disbelieve(charger, connector, live.power_kw)
                is_since = connector.vacant_s < math.inf and reading.wall_s > connector.status_wall_s
                if is_since and (reading.power_kw or 0.0) > LEAST_DRAWN_KW:
                    connector.vacant_s = now_s + METER_LIFE_S  # whatever its status is said to be
                if connector.limit is not None:
                    connector.limit.measured(live, now_s)

    def _disbelieve(self, charger: Charger, connector: Connector, power_kw: float) -> None:
        self.disbelieved[POWER] += 1
        extra = {**_of(charger, connector.number), "power_kw": power_kw, "most_kw": connector.most_kw}
        self._pace.say(POWER, "a meter shows more than a connector can carry: it counts as that", extra)

    def _doubt_energy(self, charger: Charger, transaction: Transaction) -> None:
        """Where its register has told more than its connector can have carried."""
        told_kwh, transaction.disbelieved_kwh = transaction.disbelieved_kwh, None
        if told_kwh is not None:
            self.disbelieved[ENERGY] += 1
            extra = {
                **_of(charger, transaction.connector),
                "transaction_id": transaction.transaction_id,
                "told_kwh": told_kwh,
                "booked_kwh": transaction.energy_kwh,
            }
            text = "a register shows more energy than its connector can have carried: what it can have is booked"
            self._pace.say(ENERGY, text, extra)

    def _found(self, charger: Charger, connector: Connector, told: ValuesTold) -> Transaction | None:
        """A car draws in a transaction that neither we nor its substation know: it has to be in the books."""
        assert told.transaction_id is not None
        is_drawing = any(not r.is_late and (r.power_kw or 0.0) > LEAST_DRAWN_KW for r in told.readings)
        known = charger.transactions.by_id(told.transaction_id)
        link = charger.link
        if known is not None and self._times.wall() - (known.ended_wall_s or 0.0) < FOUND_AGAIN_S:
            return None  # its closing values
        if not is_drawing or link is None or charger.transaction_on(connector) is not None:
            return None
        if self._times.now() - link.opened_s < FOUND_AFTER_S or not self._has_offers(charger):
            return None
        try:
            found = charger.transactions.found(connector.number, told.transaction_id, self._times.wall())
        except TooManyError:
            return None
        self._pace.say("found", "a car charges in a transaction that no one knew", _of(charger, connector.number))
        self._begun(charger, connector, found, None, lambda: None, is_late=False)
        return found

    def _note_orphan(self, charger: Charger, transaction: Transaction) -> None:
        self._pace.say(
            "orphan",
            "a stop of a transaction whose start is not known",
            {
                **_of(charger, transaction.connector),
                "transaction_id": transaction.transaction_id,
                "vehicle": logs.vehicle(transaction.vehicle_id),
                "register_kwh": transaction.start_kwh,
            },
        )
        if transaction.transaction_id:
            self.orphans_noted[transaction.key] = self._times.now(), transaction
        else:
            transaction.is_refused = True  # nothing will ever tell whose it was

    def _full(self, charger: Charger) -> None:
        text = "too many transactions wait for their substation: the charger keeps this one"
        self._pace.say("full", text, _of(charger), level=logging.ERROR)


def _of(charger: Charger, connector: int | None = None) -> dict[str, object]:
    found: dict[str, object] = {"substation": charger.id.substation, "charger": charger.id.charger}
    return found if connector is None else {**found, "connector": connector}
