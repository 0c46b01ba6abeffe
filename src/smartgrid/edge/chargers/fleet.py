"""All chargers of an edge, between the sockets (`Upward`) and the substations (`Downward`).

    ocpp/ ── connected, called ──▶ answers ──▶ desk ──▶ inbox ──▶ deliveries ──▶ grid/
                                                │                                  │
    ocpp/ ◀── calls ── steering ◀── ConnectorLimit ◀──────── offered ──────────────┘
                          └──▶ reporting ──▶ grid/

Everything runs in one event loop and nothing blocks, so there are no locks. There is no task a charger: one sweep twice
a second looks after what is due. What a charger must have at once it gets in the call that tells of the reason.

**A connection** is all that is needed to begin (many chargers send no BootNotification when they come back): limits go
out before anything else, then the set-up. Who says nothing is asked for its status, and for its boot.

**Offers** count only where the substation says that the session is this edge's, and where it was asked after the
charger had connected: else another edge may have told it something since. A session that is another's is claimed when
its charger is here; one that was ours and is another's now means that our connection is the older: it is closed.

**No charger sees another's**: a message is looked up among its own charger's transactions only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from smartgrid.edge.chargers.answers import HEARTBEAT_S, Common, Handler
from smartgrid.edge.chargers.answers_v2x import AnswersV2x
from smartgrid.edge.chargers.answers_v16 import AnswersV16
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.desk import Desk
from smartgrid.edge.chargers.reporting import Reporting
from smartgrid.edge.chargers.set_up import SetUp
from smartgrid.edge.chargers.steering import Steering
from smartgrid.edge.chargers.substations import SubstationSeen
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import (
    ChargerId,
    ChargerSpec,
    Grid,
    Link,
    OcppVersion,
    Offer,
    Offers,
    OpenSession,
    Payload,
)
from smartgrid.edge.transactions.charger_transactions import TooManyError
from smartgrid.edge.transactions.deliveries import Deliveries
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.transaction import Transaction

log = logging.getLogger(__name__)
SWEEP_S = 0.5
KEEP_EVERY_S = 60.0
STOPPING = "Stopping"
ENDED = "Idle"
WAITING = "Waiting"
GOING_AWAY = 1001


class Registry(Protocol):
    """Which chargers there are; `registry.store.ChargerStore` is it."""

    def find(self, charger: ChargerId) -> ChargerSpec | None: ...


class Fleet:
    """Implements Upward and Downward; `begin` once the loop runs, `close` before it ends."""

    def __init__(
        self,
        grid: Grid,
        inbox: Inbox,
        registry: Registry,
        times: Times,
        *,
        allows: Callable[[str], bool] = lambda id_tag: True,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._grid, self._registry, self._times, self.inbox = grid, registry, times, inbox
        self._chargers: dict[ChargerId, Charger] = {}
        self._substations: dict[str, SubstationSeen] = {}
        self._sessions: dict[str, Transaction] = {}
        self._is_running = False
        self._kept_s = times.now()
        self.reporting = Reporting(grid, times)
        self.desk = Desk(
            times,
            inbox,
            allows=allows,
            has_offers_since_connected=self._has_offers,
            connectors_changed=self._connectors_changed,
        )
        self.steering = Steering(times, changed=self.reporting.changed, vacated=self.desk.vacated)
        self.deliveries = Deliveries(
            grid,
            times.later,
            times.rng,
            next_of=self._next_of,
            start_order=lambda transaction: self.desk.start_order(transaction, self._chargers[transaction.charger]),
            told=self._told,
        )
        self.desk.steering, self.desk.deliveries = self.steering, self.deliveries
        self.set_up = SetUp(times)
        common = Common(self.desk, times, self._booted, heartbeat_s)
        v16, v2x = AnswersV16(common).handlers, AnswersV2x(common).handlers
        self._handlers = {OcppVersion.V16: v16, OcppVersion.V201: v2x, OcppVersion.V21: v2x}

    # ------------------------------------------------------------------ its life

    def begin(self) -> None:
        """Take up what the inbox holds, and begin to sweep."""
        for transaction in self.inbox.load():
            charger = self._charger(transaction.charger)
            try:
                charger.transactions.add(transaction)
            except TooManyError:
                continue
            if transaction.session_id:
                self._sessions[transaction.session_id] = transaction
        for charger in self._chargers.values():
            self._forget(charger)
            if len(charger.transactions):
                self._watch(charger.id.substation)
            for number in {each.connector for each in charger.transactions}:
                self.deliveries.look(charger.id, number)
        self.inbox.begin()
        self._is_running = True
        self._times.later(SWEEP_S, self._sweep)

    def close(self) -> None:
        """No more sweeps; what is known of running transactions is written down, and the inbox closed."""
        self._is_running = False
        self.desk.tick()
        self.inbox.close()

    def sweep(self) -> None:
        """What is due; twice a second."""
        now_s = self._times.now()
        self._tell_plans(now_s)
        self.steering.tick(now_s)
        self.reporting.tick()
        self._tell_connectors()
        self.set_up.tick(now_s)
        if now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            self.desk.tick()
            for charger in self._chargers.values():
                self._forget(charger)

    def _sweep(self) -> None:
        if not self._is_running:
            return
        try:
            self.sweep()
        except Exception:
            log.exception("a sweep over the chargers failed")
        self._times.later(SWEEP_S, self._sweep)

    # ------------------------------------------------------------------ Upward

    def connected(self, link: Link) -> None:
        charger = self._charger(link.charger)
        now_s = self._times.now()
        charger.link, charger.connected_wall_s, charger.is_heard = link, self._times.wall(), False
        if charger.version is not link.version:
            self._make_limits(charger, link.version, now_s)
        for connector in charger.connectors.values():
            connector.offer = None
            if connector.limit is not None:
                connector.limit.reconnected(now_s)
        self._watch(charger.id.substation)
        self._connectors_changed(charger)
        self._apply_plan(charger, now_s)
        self._apply_sessions(charger)
        for connector in list(charger.connectors.values()):
            self.steering.look(charger, connector)
        self.set_up.begin(charger)

    def disconnected(self, link: Link) -> None:
        charger = self._chargers.get(link.charger)
        if charger is None or charger.link is not link:
            return
        charger.link, charger.connected_wall_s = None, None
        for connector in charger.connectors.values():
            if connector.limit is not None:
                connector.limit.disconnected(self._times.now())
            self.steering.look(charger, connector)
        self._connectors_changed(charger)

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        charger = self._chargers.get(link.charger)
        handler = self._handlers[link.version].get(action)
        if charger is None or charger.link is not link:
            return
        charger.is_heard = True
        if handler is None:
            link.refuse(message_id, "NotImplemented", f"{action} is not known here")
            return
        self._handle(handler, charger, link, message_id, payload)

    def _handle(self, handler: Handler, charger: Charger, link: Link, message_id: str, payload: Payload) -> None:
        try:
            handler(charger, payload, lambda answer: link.reply(message_id, answer))
        except Exception:
            log.exception("a message of a charger could not be handled", extra=_names(charger.id))

    # ------------------------------------------------------------------ Downward

    def offered(self, offers: Offers) -> None:
        seen = self._substation(offers.substation)
        seen.take(offers)
        if seen.is_plan_due:
            self._tell_plan(offers.substation, seen, self._times.now())
        assert seen.sessions is not None
        for name in seen.sessions:
            charger = self._chargers.get(ChargerId(offers.substation, name))
            if charger is not None:
                self._apply_sessions(charger)
        self._give_up_orphans(offers)

    def gone(self, substation: str, session_ids: Sequence[str]) -> None:
        """Their substation has lost them (its disk, or an operator): where the car is still there, it begins anew."""
        for session_id in session_ids:
            transaction = self._sessions.get(session_id)
            charger = None if transaction is None else self._chargers.get(transaction.charger)
            if transaction is None or charger is None or charger.id.substation != substation:
                continue
            del self._sessions[session_id]
            if transaction.is_open and transaction.session_id == session_id:
                transaction.session_id = ""
                self.desk.keep(transaction)
                self.deliveries.look(charger.id, transaction.connector)

    # ------------------------------------------------------------------ sessions

    def _apply_sessions(self, charger: Charger) -> None:
        """What the newest offers say of this charger."""
        seen = self._substation(charger.id.substation)
        if seen.sessions is None or seen.offers is None:
            return
        for session in seen.sessions.get(charger.id.charger, ()):
            try:
                transaction, is_news = charger.transactions.told_by_substation(session, self._times.wall())
            except TooManyError:
                continue
            if transaction is None:
                continue
            if is_news:
                self._sessions[session.session_id] = transaction
                self.desk.keep(transaction)
                self.deliveries.look(charger.id, transaction.connector)
            connector = charger.connector(transaction.connector)
            if connector is not None and charger.transaction_on(connector) is transaction:
                self._apply(charger, connector, session, seen.offers)

    def _apply(self, charger: Charger, connector: Connector, session: OpenSession, offers: Offers) -> None:
        link = charger.link
        if link is None or connector.limit is None:
            return
        if not session.is_ours:
            if connector.was_ours:
                connector.was_ours = False
                log.warning("another edge has this charger: our connection is closed", extra=_names(charger.id))
                link.close(GOING_AWAY, "connected elsewhere")
            else:
                self._grid.claim(offers.substation, session.session_id, session.number)
            return
        connector.was_ours = True
        if offers.asked_s < link.opened_s:
            return
        connector.position = session.position if session.state == WAITING else None
        connector.offer = Offer(session.number, session.offer_kw, offers.lease_end_s)
        if connector.limit_for is not None:
            connector.limit.offered(connector.offer, self._times.now())
        if session.state == STOPPING:
            self.steering.stop(charger, connector)
        self.steering.look(charger, connector)

    def _told(self, transaction: Transaction, session: OpenSession | None, why: str) -> None:
        """Its substation has taken an order, or refused it."""
        charger = self._chargers[transaction.charger]
        if session is not None:
            self._sessions[session.session_id] = transaction
        if transaction.is_closed:
            self._sessions.pop(transaction.session_id, None)
        self.desk.keep(transaction)
        connector = charger.connector(transaction.connector)
        if connector is None or charger.transaction_on(connector) is not transaction:
            return
        if session is not None and session.state == ENDED:
            self.steering.stop(charger, connector)
        elif session is not None and charger.link is not None:
            connector.was_ours = True
        self.steering.look(charger, connector)

    def _next_of(self, charger: ChargerId, connector: int) -> Transaction | None:
        found = self._chargers.get(charger)
        return None if found is None else found.transactions.next_for_substation(connector)

    def _has_offers(self, charger: Charger) -> bool:
        offers = self._substation(charger.id.substation).offers
        return offers is not None and charger.link is not None and offers.asked_s >= charger.link.opened_s

    def _give_up_orphans(self, offers: Offers) -> None:
        """A stop whose transaction the substation does not know either will never be told to it."""
        for charger in self._with_orphans(offers.substation):
            for each in charger.transactions:
                if each.is_orphan and not each.session_id and not each.is_refused:
                    each.is_refused = True
                    self.desk.keep(each)

    def _with_orphans(self, substation: str) -> Iterable[Charger]:
        return (each for each in self._of(substation) if any(t.is_orphan for t in each.transactions))

    # ------------------------------------------------------------------ chargers

    def _charger(self, charger_id: ChargerId) -> Charger:
        found = self._chargers.get(charger_id)
        if found is None:
            spec = self._registry.find(charger_id) or ChargerSpec()
            found = self._chargers[charger_id] = Charger(charger_id, spec, self.set_up.quirks_of(spec, Booted()))
            seen = self._substation(charger_id.substation)
            seen.chargers.append(found)
            seen.is_plan_due = True
        return found
