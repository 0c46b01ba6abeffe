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

from smartgrid.edge.chargers.answers import HEARTBEAT_S, Common, Handler
from smartgrid.edge.chargers.answers_v2x import AnswersV2x
from smartgrid.edge.chargers.answers_v16 import AnswersV16
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.desk import Desk
from smartgrid.edge.chargers.picture import Counts, counts_of, state_of
from smartgrid.edge.chargers.reporting import Reporting
from smartgrid.edge.chargers.set_up import SettingUp
from smartgrid.edge.chargers.steering import Steering
from smartgrid.edge.chargers.substations import SubstationSeen, place_of
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.quirks import Table
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import (
    ChargerId,
    ChargerSpec,
    ConnectorSpec,
    Grid,
    Link,
    OcppVersion,
    Offer,
    Offers,
    OpenSession,
    Payload,
)
from smartgrid.edge.registry.replica import About
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.state import ChargerState
from smartgrid.edge.transactions.charger_transactions import TooManyError
from smartgrid.edge.transactions.deliveries import Deliveries
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.transaction import Transaction

log = logging.getLogger(__name__)
SWEEP_S = 0.5
KEEP_EVERY_S = 60.0
PAGE = 1000
MANY = 8
"""A charger with more transactions than these forgets those that are closed at once, and not only each minute."""
IN_VAIN_S = 60.0
MOST_UNTOLD = 100_000
COUNT_EVERY_S = 5.0
SETTLED_AFTER_S = 8.0
UNPLANNED_S = 5.0
"""A charger that is here for so long, at a substation whose firm capacity nobody has told yet, has 0 A as safe current:
without any profile it would have no limit at all."""
STOPPING = "Stopping"
ENDED = "Idle"
_SAYS_LITTLE = frozenset(
    {"Heartbeat", "FirmwareStatusNotification", "SecurityEventNotification", "LogStatusNotification"}
)
WAITING = "Waiting"
GOING_AWAY = 1001


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
        table: Table | None = None,
        meter_interval_s: int | None = None,
        has_peers: bool = False,
        most_untold: int = MOST_UNTOLD,
    ) -> None:
        """`allows` says which id tags may charge; `has_peers` that chargers may visit other edges in between.

        `meter_interval_s` is how often meters are read, None: by the number of connectors. `most_untold`: with more
        transactions that substations were not told of, starts are not answered.
        """
        self._grid, self._registry, self._times, self.inbox = grid, registry, times, inbox
        self._has_peers, self._most_untold = has_peers, most_untold
        self._chargers: dict[ChargerId, Charger] = {}
        self._substations: dict[str, SubstationSeen] = {}
        self._sessions: dict[str, Transaction] = {}
        self._held_back: set[tuple[ChargerId, int]] = set()
        self._is_running = False
        self._kept_s = self._counted_s = times.now()
        self._unplanned: list[tuple[float, Charger, Link]] = []
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
            times.wall,
            next_of=self._next_of,
            start_order=lambda transaction: self.desk.start_order(transaction, self._chargers[transaction.charger]),
            told=self._told,
        )
        self.desk.steering, self.desk.deliveries = self.steering, self.deliveries
        self.set_up = SettingUp(times, table or Table.load(), self._learn, meter_interval_s)
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
            elif transaction.is_orphan and not transaction.is_refused:
                self.desk.orphans_noted[transaction.key] = self._times.now(), transaction
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
        self._stay_safe(now_s)
        held_back, self._held_back = self._held_back, set()
        for place in held_back:
            self.deliveries.look(*place)
        self.steering.tick(now_s)
        self.reporting.tick()
        self._tell_connectors()
        self.set_up.tick(now_s)
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            counts = self.counts()
            self.desk.is_full = counts.untold >= self._most_untold
            self.set_up.reckon(counts.connectors.total())
        if now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            self.desk.tick()
            for seen in self._substations.values():
                seen.is_plan_due = True
            for charger in self._chargers.values():
                self._forget(charger)
                self._apply_plan(charger, now_s)

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
        if charger.link is not None:
            self._lose(charger, now_s)
        charger.link, charger.connected_wall_s, charger.is_heard = link, self._times.wall(), False
        self._refresh(charger)
        if charger.version is not link.version:
            charger.version = link.version
            charger.make_limits()
        for connector in charger.connectors.values():
            connector.offer = None
            connector.is_known &= not self._has_peers
            if connector.limit is not None:
                connector.limit.reconnected(now_s)
        self._watch(charger.id.substation)
        self._connectors_changed(charger)
        self._apply_plan(charger, now_s)
        self._apply_sessions(charger)
        for connector in list(charger.connectors.values()):
            self.steering.look(charger, connector)
        if any(connector.fallback_a is None for connector in charger.connectors.values()):
            self._unplanned.append((now_s + UNPLANNED_S, charger, link))
        else:
            self.set_up.connected(charger)

    def disconnected(self, link: Link) -> None:
        charger = self._chargers.get(link.charger)
        if charger is None or charger.link is not link:
            return
        self._lose(charger, self._times.now())
        for connector in charger.connectors.values():
            self.steering.look(charger, connector)

    def _lose(self, charger: Charger, now_s: float) -> None:
        """Its connection is over; what it has been told goes on until it runs out."""
        if charger.link is not None:
            self.set_up.lost(charger.link)
        charger.link, charger.connected_wall_s = None, None
        for connector in charger.connectors.values():
            if connector.limit is not None:
                connector.limit.disconnected(now_s)
        self._connectors_changed(charger)

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        charger = self._chargers.get(link.charger)
        handler = self._handlers[link.version].get(action)
        if charger is None or charger.link is not link:
            return
        charger.is_heard |= action not in _SAYS_LITTLE
        if handler is None:
            link.refuse(message_id, "NotImplemented", f"{action} is not known here")
            return
        ahead_s, known = charger.clock.ahead_s, len(charger.connectors)
        self._handle(handler, charger, link, message_id, payload)
        if charger.clock.ahead_s != ahead_s:
            for connector in charger.connectors.values():
                if connector.limit is not None:
                    connector.limit.clock(charger.clock.ahead_s)
        if len(charger.connectors) != known:
            self._learn(charger)
            self._connectors_changed(charger)
            self._substation(charger.id.substation).is_plan_due = True

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
            self._tell_plan(seen, self._times.now())
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
            connector = charger.connectors.get(transaction.connector)
            if connector is not None and connector.is_stopping:
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
        if seen.offers is None:
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
                self.desk.taken_over(charger, transaction)
            elif self._is_told_in_vain(transaction):
                transaction.is_end_delivered = False
                self.deliveries.look(charger.id, transaction.connector)
            connector = charger.connector(transaction.connector)
            if connector is not None and charger.transaction_on(connector) is transaction:
                self._apply(charger, connector, session, seen.offers)

    def _is_told_in_vain(self, transaction: Transaction) -> bool:
        """Its substation was told of its end, and has it open all the same: it was restored from a backup."""
        ended_wall_s = transaction.ended_wall_s
        if ended_wall_s is None or not transaction.is_end_delivered:
            return False
        return self._times.wall() - transaction.told_wall_s > IN_VAIN_S

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
        if self._has_peers and offers.asked_s < link.opened_s:
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
        self.desk.keep(transaction)
        if transaction.is_closed and len(charger.transactions) > MANY:
            self._forget(charger)
        connector = charger.connector(transaction.connector)
        if connector is None or charger.transaction_on(connector) is not transaction:
            return
        if transaction.is_refused or (session is not None and session.state == ENDED):
            self.steering.stop(charger, connector)
        elif session is not None and charger.link is not None:
            connector.was_ours = True
        self.steering.look(charger, connector)

    def _next_of(self, charger: ChargerId, connector: int) -> Transaction | None:
        found = self._chargers.get(charger)
        next_one = None if found is None else found.transactions.next_for_substation(connector)
        if found is None or next_one is None or not next_one.wants_start or not self._is_unsettled(found, connector):
            return next_one
        self._held_back.add((charger, connector))
        return None

    def _is_unsettled(self, charger: Charger, connector: int) -> bool:
        """Whether it has just connected, and may draw its rating until it confirms its safe current, in a moment."""
        link, limit = charger.link, charger.connectors[connector].limit if connector in charger.connectors else None
        if link is None or limit is None or self._times.now() - link.opened_s > SETTLED_AFTER_S:
            return False
        return limit.is_controlled and limit.fallback_kw >= limit.rating_kw

    def _has_offers(self, charger: Charger) -> bool:
        offers = self._substation(charger.id.substation).offers
        if offers is None or charger.link is None:
            return False
        return offers.asked_s >= charger.link.opened_s or not self._has_peers

    def _give_up_orphans(self, offers: Offers) -> None:
        """A stop whose transaction the substation does not know either will never be told to it."""
        for noted_s, transaction in list(self.desk.orphans_noted.values()):
            if transaction.charger.substation == offers.substation and noted_s < offers.asked_s:
                del self.desk.orphans_noted[transaction.key]
                if not transaction.session_id:
                    transaction.is_refused = True
                    self.desk.keep(transaction)

    # ------------------------------------------------------------------ chargers

    def _charger(self, charger_id: ChargerId) -> Charger:
        found = self._chargers.get(charger_id)
        if found is None:
            known = self._registry.find(charger_id)
            about = About() if known is None else known.about
            spec = self._registry.get(charger_id) or ChargerSpec()
            booted = Booted(about.vendor, about.model, about.firmware)
            found = self._chargers[charger_id] = Charger(charger_id, spec, self.set_up.quirks_of(spec, booted))
            found.booted, found.facts = booted, about.facts
            for number in range(len(found.connectors) + 1, about.connectors + 1):
                found.connector(number)
            seen = self._substation(charger_id.substation)
            seen.chargers.append(found)
            seen.is_plan_due = True
        return found

    def _substation(self, name: str) -> SubstationSeen:
        found = self._substations.get(name)
        if found is None:
            found = self._substations[name] = SubstationSeen(name)
        return found

    def _watch(self, substation: str) -> None:
        self._grid.watch(substation)

    def _refresh(self, charger: Charger) -> None:
        """It may have been registered anew since it was here."""
        spec = self._registry.get(charger.id)
        if spec is None or spec == charger.spec:
            return
        charger.spec, charger.version = spec, None
        charger.quirks = self.set_up.quirks_of(spec, charger.booted)
        for number, each in enumerate(spec.connectors, 1):
            connector = charger.connector(number)
            if connector is not None:
                connector.spec = each
        self._substation(charger.id.substation).is_plan_due = True

    def _booted(self, charger: Charger, booted: Booted) -> None:
        """What it says it is; its profiles may be gone, so they are written again."""
        charger.clock.booted()
        is_news, charger.booted = booted != charger.booted, booted
        if is_news:
            self._learn(charger)
        quirks = self.set_up.quirks_of(charger.spec, booted)
        if quirks != charger.quirks and charger.version is not None:
            charger.quirks = quirks
            charger.make_limits()
            self._apply_plan(charger, self._times.now())
            self._apply_sessions(charger)
        for connector in list(charger.connectors.values()):
            if connector.limit is not None:
                connector.limit.reconnected(self._times.now(), rebooted=True)
            self.steering.look(charger, connector)
        self.set_up.set_up(charger)

    def _learn(self, charger: Charger) -> None:
        said = charger.booted
        about = About(said.vendor, said.model, said.firmware, max(charger.connectors), charger.facts)
        self._registry.learn(charger.id, about)

    def _forget(self, charger: Charger) -> None:
        for each in charger.transactions.forget():
            self._sessions.pop(each.session_id, None)

    # ------------------------------------------------------------------ safe currents, free connectors

    def _tell_plans(self, now_s: float) -> None:
        for seen in self._substations.values():
            if seen.is_plan_due:
                self._tell_plan(seen, now_s)

    def _tell_plan(self, seen: SubstationSeen, now_s: float) -> None:
        if seen.offers is not None and seen.plan(self._connectors_of(seen), now_s):
            for charger in seen.chargers:
                self._apply_plan(charger, now_s)
                for connector in list(charger.connectors.values()):
                    self.steering.look(charger, connector)

    def _stay_safe(self, now_s: float) -> None:
        """Those whose safe current is still not known after a while have 0 A; then they are set up."""
        unplanned, self._unplanned = self._unplanned, []
        for due_s, charger, link in unplanned:
            unknown = [each for each in charger.connectors.values() if each.fallback_a is None]
            if charger.link is not link:
                continue
            if unknown and now_s < due_s:
                self._unplanned.append((due_s, charger, link))
                continue
            for connector in unknown:
                if connector.limit is not None:
                    connector.limit.fallback(0.0, now_s)
                    self.steering.look(charger, connector)
            self.set_up.connected(charger)

    def _apply_plan(self, charger: Charger, now_s: float) -> None:
        safe_a = self._substation(charger.id.substation).safe_a
        for connector in charger.connectors.values():
            current_a = safe_a.get(place_of(charger.id.charger, connector.number))
            if current_a is None or connector.limit is None:
                continue
            is_rise = connector.fallback_a is not None and current_a > connector.fallback_a
            if is_rise and charger.transaction_on(connector) is not None:
                continue  # its session is booked at the lower one; this one is told with the next car's start
            connector.fallback_a = current_a
            connector.limit.fallback(current_a, now_s)

    def _connectors_of(self, seen: SubstationSeen) -> list[tuple[str, ConnectorSpec]]:
        """All that are registered or were here, also those that are away: they have their safe current, too.

        First those that had power when the firm capacity changed last: who gets nothing then needs no safe current.
        """
        found: dict[str, ConnectorSpec] = {}
        after: ChargerId | None = None
        while page := self._registry.page(PAGE, after, seen.name):
            for row in page:
                for number, spec in enumerate(row.spec.connectors, 1):
                    found[place_of(row.charger.charger, number)] = spec
            after = page[-1].charger
        for charger in seen.chargers:
            for connector in charger.connectors.values():
                found[place_of(charger.id.charger, connector.number)] = connector.spec
        return sorted(found.items(), key=lambda each: (each[0] not in seen.fed, each[0]))

    def _connectors_changed(self, charger: Charger) -> None:
        self._substation(charger.id.substation).are_connectors_due = True

    def _tell_connectors(self) -> None:
        for seen in self._substations.values():
            if seen.are_connectors_due:
                seen.are_connectors_due = False
                counted = seen.count_connectors()
                if counted != seen.connectors_told:
                    seen.connectors_told = counted
                    self._grid.connectors(seen.name, *counted)

    # ------------------------------------------------------------------ pictures for the API and the metrics

    def probed(self, charger: ChargerId) -> None:
        """Somebody has written profiles to it past this fleet; it writes its own again a little later."""
        found = self._chargers.get(charger)
        for connector in list(found.connectors.values()) if found is not None else ():
            if connector.limit is not None:
                connector.limit.probed(self._times.now())
                self.steering.look(self._chargers[charger], connector)

    def state(self, charger: ChargerId) -> ChargerState | None:
        """How it stands now; None of one that is not known here."""
        found = self._chargers.get(charger)
        return None if found is None else state_of(found, self._times.now())

    def states(self, substation: str | None = None) -> Iterable[ChargerState]:
        """Of all, or of one substation's."""
        now_s = self._times.now()
        of_these = self._chargers.values() if substation is None else self._of(substation)
        return [state_of(each, now_s) for each in of_these]

    def counts(self) -> Counts:
        return counts_of(self._chargers.values(), self._times.wall())

    def _of(self, substation: str) -> list[Charger]:
        return self._substation(substation).chargers


def _names(charger: ChargerId) -> dict[str, object]:
    return {"substation": charger.substation, "charger": charger.charger}
