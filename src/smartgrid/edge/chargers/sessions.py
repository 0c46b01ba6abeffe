"""Transactions of chargers and sessions of substations: which is which, whose it is, and what it is offered.

An offer counts only where the substation says that the session is this edge's, and where chargers may visit other edges
only if it was asked for after the charger had connected: else another edge may have told it something since. A session
that is another's is claimed once its charger is here. One that was ours on this connection and is another's now means
that our connection is the older one: it is closed. One whose charger has been away for a lease is given back.

A session that its substation has lost begins anew, by the same key. One that has ended there while its car is still
here is stopped at the charger.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from smartgrid.domain.charger_sessions import STOPPING
from smartgrid.domain.session import SessionState
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.chargers.desk import Desk
from smartgrid.edge.chargers.roster import Roster
from smartgrid.edge.chargers.steering import Steering
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.ports import ChargerId, CloseCode, Grid, Offer, Offers, OpenSession
from smartgrid.edge.transactions.charger_transactions import TooManyError
from smartgrid.edge.transactions.deliveries import Deliveries
from smartgrid.edge.transactions.transaction import Transaction

log = logging.getLogger(__name__)
MANY = 8
"""A charger with more transactions than these forgets those that are closed at once, and not only each minute."""
IN_VAIN_S = 60.0
LONGER_S, LONGER = 15.0, 0.1
"""A lease that is longer by less, or by less than this part of it, is no news: a substation's answer tells of all its
sessions when one has changed, and two hundred that change one after the other would be forty thousand looks. With a
lease of 900 s, asked for by a poll that was held for 30 s, a profile has its whole life all the same."""


class NotGoneError(Exception):
    """A charger is here, or may be; says so in one sentence, and what to do."""


class Sessions:
    def __init__(self, grid: Grid, times: Times, roster: Roster, desk: Desk, *, has_peers: bool) -> None:
        self._grid, self._times, self._roster, self._desk = grid, times, roster, desk
        self._has_peers = has_peers
        self._transactions: dict[str, Transaction] = {}
        self._held_back: set[tuple[ChargerId, int]] = set()
        self.steering: Steering
        self.deliveries: Deliveries

    def load(self, transactions: Sequence[Transaction]) -> None:
        """What the inbox holds."""
        for transaction in transactions:
            charger = self._roster.known(transaction.charger)
            try:
                charger.transactions.add(transaction)
            except TooManyError:
                continue
            if transaction.session_id:
                self._transactions[transaction.session_id] = transaction
            elif transaction.is_orphan and not transaction.is_refused:
                self._desk.orphans_noted[transaction.key] = self._times.now(), transaction
        for charger in self._roster:
            self.forget(charger)
            if len(charger.transactions):
                self._grid.watch(charger.id.substation)
            for number in {each.connector for each in charger.transactions}:
                self.deliveries.look(charger.id, number)

    def forget_closed(self) -> None:
        """Of all chargers, what they need not remember any more."""
        for charger in self._roster:
            self.forget(charger)

    def forget(self, charger: Charger) -> None:
        """Transactions that are over, and known to be."""
        for each in charger.transactions.forget():
            self._transactions.pop(each.session_id, None)

    def has_offers(self, charger: Charger) -> bool:
        """Whether its substation has told of its sessions since it has connected."""
        offers = self._roster.substation(charger.id.substation).offers
        if offers is None or charger.link is None:
            return False
        return offers.asked_s >= charger.link.opened_s or not self._has_peers

    def end_absent(self, charger_id: ChargerId) -> int:
        """An operator says that a charger is gone: end its sessions, and say how many, if as far as is known here it
        has been away for a lease, or nobody has held them for one, and it is not at another edge. Raises
        NotGoneError."""
        seen = self._roster.substation(charger_id.substation)
        offers, told = seen.offers, seen.sessions.get(charger_id.charger, [])
        charger = self._roster.known(charger_id) if told else self._roster.get(charger_id)
        if charger is None:
            return 0
        if charger.link is None and offers is not None:
            self.apply(charger)  # what another edge has begun is taken over
        open_ones = [each for each in charger.transactions if each.is_open]
        if not open_ones:
            return 0
        if charger.link is not None:
            raise NotGoneError("A car is charged there; stop its session first, and wait for its end.")
        if offers is None:
            raise NotGoneError(f"A car is charged there, and {charger_id.substation} does not answer. Try again.")
        are_lapsed = bool(told) and all(each.is_lapsed for each in told)
        since_s = -math.inf if are_lapsed else seen.since_s
        left_s = max(charger.left_s, since_s) + offers.lease_s - self._times.now()
        if left_s > 0:
            text = "A car was charged there a moment ago. If its charger is gone for good, ask again in"
            raise NotGoneError(f"{text} {math.ceil(left_s)} s: that ends its session.")
        if any(each.offer_kw > 0 and not each.is_ours for each in told):
            raise NotGoneError("A car was charged there by another edge a moment ago. Ask again in a few minutes.")
        for each in open_ones:
            if (connector := charger.connector(each.connector)) is not None:
                log.warning("an operator ends the session of a charger that is gone", extra=charger_id._asdict())
                self._desk.vacated(charger, connector)
        return len(open_ones)

    # ------------------------------------------------------------------ what substations tell

    def offered(self, offers: Offers) -> None:
        """To the chargers that have sessions; they are noted at the substation already."""
        for name, sessions in self._roster.substation(offers.substation).sessions.items():
            charger = self._roster.get(ChargerId(offers.substation, name))
            if charger is not None:
                try:
                    self._apply_all(charger, sessions, offers)
                except Exception:  # of ours; the other chargers' leases must be renewed
                    log.exception("the offers to a charger could not be applied", extra=charger.id._asdict())
        self._give_up_orphans(offers)

    def apply(self, charger: Charger) -> None:
        """What the newest offers say of this charger."""
        seen = self._roster.substation(charger.id.substation)
        if seen.offers is not None:
            self._apply_all(charger, seen.sessions.get(charger.id.charger, ()), seen.offers)

    def _apply_all(self, charger: Charger, sessions: Sequence[OpenSession], offers: Offers) -> None:
        for session in sessions:
            if _is_no_news(charger, session, offers):
                continue
            try:
                transaction = self._transaction_of(charger, session)
            except TooManyError:
                continue
            connector = None if transaction is None else charger.connector(transaction.connector)
            if connector is not None and charger.transaction_on(connector) is transaction:
                self._apply(charger, connector, session, offers)

    def gone(self, substation: str, session_ids: Sequence[str]) -> None:
        """Their substation has lost them: its disk, or an operator. Where the car is still there, it begins anew."""
        for session_id in session_ids:
            transaction = self._transactions.get(session_id)
            if transaction is None or transaction.charger.substation != substation:
                continue
            charger = self._roster.known(transaction.charger)
            connector = charger.connectors.get(transaction.connector)
            if connector is not None and connector.is_stopping:
                continue
            del self._transactions[session_id]
            if transaction.is_open and transaction.session_id == session_id:
                transaction.session_id = ""
                self._desk.keep(transaction)
                self.deliveries.look(charger.id, transaction.connector)

    def _transaction_of(self, charger: Charger, session: OpenSession) -> Transaction | None:
        """Taken over, if it is not known. Raises TooManyError."""
        transaction, is_news = charger.transactions.told_by_substation(session, self._times.wall())
        if transaction is not None and is_news:
            self._transactions[session.session_id] = transaction
            self._desk.taken_over(charger, transaction)
        elif transaction is not None and self._is_told_in_vain(transaction):
            transaction.is_end_delivered = False
            self.deliveries.look(charger.id, transaction.connector)
        return transaction

    def _is_told_in_vain(self, transaction: Transaction) -> bool:
        """Its substation was told of its end, and has it open all the same: it was restored from a backup."""
        if transaction.is_open or not transaction.is_end_delivered:
            return False
        return self._times.wall() - transaction.told_wall_s > IN_VAIN_S

    def _apply(self, charger: Charger, connector: Connector, session: OpenSession, offers: Offers) -> None:
        if charger.link is None:
            self._adopt_for_later(charger, connector, session, offers)
            if self._times.now() - charger.left_s > offers.lease_s:
                self._give_back(charger, connector, session, offers)
            return
        if connector.limit is None or not self.has_offers(charger) or _is_given_back(connector, session, offers):
            return
        if not session.is_ours:
            self._not_ours(charger, connector, session)
            return
        offer = Offer(session.number, session.offer_kw, offers.lease_end_s)
        position = session.position if session.state == SessionState.WAITING else None
        is_told_to_stop = session.state == STOPPING and not connector.is_stopping
        is_as_before = connector.was_ours and connector.position == position and not is_told_to_stop
        connector.taken = session
        if is_as_before and _is_the_same(connector.offer, offer, offers):
            return
        connector.was_ours, connector.position = True, position
        had_power, connector.offer = connector.has_power, offer
        if connector.has_power != had_power:
            self._roster.substation(charger.id.substation).is_plan_due = True
        if connector.limit_for is not None:
            connector.limit.offered(connector.offer, self._times.now())
        if session.state == STOPPING:
            self.steering.stop(charger, connector)
        self.steering.look(charger, connector)

    def _adopt_for_later(self, charger: Charger, connector: Connector, session: OpenSession, offers: Offers) -> None:
        """Its charger is away: earlier offers are done with all the same, so no more is booked than it still has."""
        if session.is_ours and connector.limit is not None and connector.limit_for is not None:
            connector.limit.offered(Offer(session.number, session.offer_kw, offers.lease_end_s), self._times.now())
            self.steering.look(charger, connector)

    def _give_back(self, charger: Charger, connector: Connector, session: OpenSession, offers: Offers) -> None:
        """Its charger has been away for so long that all it was told has run out: nobody renews the lease from now on,
        so it is booked at its fallback, until a charger comes back and its edge claims it."""
        if session.is_ours:
            connector.given_back = offers.epoch, session.number
            self._grid.give_back(charger.id.substation, session.session_id, session.number)

    def _not_ours(self, charger: Charger, connector: Connector, session: OpenSession) -> None:
        if not connector.was_ours:
            self._grid.claim(charger.id.substation, session.session_id, session.number)
        elif charger.link is not None:
            connector.was_ours = False
            log.warning("another edge has this charger: our connection is closed", extra=charger.id._asdict())
            charger.link.close(CloseCode.GOING_AWAY, "connected elsewhere")

    def _give_up_orphans(self, offers: Offers) -> None:
        """A stop whose transaction the substation does not know either will never be told to it."""
        for noted_s, transaction in list(self._desk.orphans_noted.values()):
            if transaction.charger.substation == offers.substation and noted_s < offers.asked_s:
                del self._desk.orphans_noted[transaction.key]
                if not transaction.session_id:
                    transaction.is_refused = True
                    self._desk.keep(transaction)

    # ------------------------------------------------------------------ what substations are told

    def next_of(self, charger_id: ChargerId, connector: int) -> Transaction | None:
        """What is to be told next of a connector."""
        charger = self._roster.get(charger_id)
        found = None if charger is None else charger.transactions.next_for_substation(connector)
        if charger is None or found is None or not self._holds_yet(charger, found):
            return found
        self._held_back.add((charger_id, connector))
        return None

    def _holds_yet(self, charger: Charger, transaction: Transaction) -> bool:
        """Whether the connector of one that is over still has its safe current: it is booked with the session."""
        connector = charger.connectors.get(transaction.connector)
        if connector is None or not transaction.wants_end or transaction.told_wall_s or charger.link is None:
            return False
        is_waiting = charger.transaction_on(connector) is None and self._times.now() < connector.let_go_s
        return is_waiting and not connector.has_let_go

    def tick(self) -> None:
        """Look again after those that were held back."""
        held_back, self._held_back = self._held_back, set()
        for place in held_back:
            self.deliveries.look(*place)

    def told(self, transaction: Transaction, session: OpenSession | None, why: str) -> None:
        """A substation has taken an order, or refused it."""
        charger = self._roster.known(transaction.charger)
        if session is not None:
            self._transactions[session.session_id] = transaction
        self._desk.keep(transaction)
        if transaction.is_closed and len(charger.transactions) > MANY:
            self.forget(charger)
        connector = charger.connector(transaction.connector)
        if connector is None or charger.transaction_on(connector) is not transaction:
            return
        if transaction.is_refused or (session is not None and session.state == SessionState.IDLE):
            self.steering.stop(charger, connector)
        elif session is not None and session.is_ours and charger.link is not None:
            connector.was_ours = True
        self.steering.look(charger, connector)


def _is_given_back(connector: Connector, session: OpenSession, offers: Offers) -> bool:
    """Whether this is an answer of before it was given back: the session is not ours any more."""
    epoch, number = connector.given_back
    return session.is_ours and offers.epoch == epoch and session.number <= number


def _is_no_news(charger: Charger, session: OpenSession, offers: Offers) -> bool:
    """Whether it was taken as it is, since its charger is here. That it is to be stopped is told until it is."""
    connector = charger.connectors.get(session.connector)
    if connector is None or connector.taken is not session or session.state == STOPPING:
        return False
    return charger.link is not None and connector.offer is not None and _is_hardly_longer(connector.offer, offers)


def _is_the_same(before: Offer | None, offer: Offer, offers: Offers) -> bool:
    """Whether nothing has changed but the end of the lease, and that by little."""
    if before is None or (before.number, before.power_kw) != (offer.number, offer.power_kw):
        return False
    return _is_hardly_longer(before, offers)


def _is_hardly_longer(before: Offer, offers: Offers) -> bool:
    return 0 <= offers.lease_end_s - before.lease_end_s < min(LONGER_S, LONGER * offers.lease_s)
