"""One charger: its connection or none, its connectors, its transactions, and what it has said of itself.

It outlives its connections. While a charger is away (`link` is None) it may still charge, by the last limit that it was
told, so all that is known of it stays: its limits know when they run out, its transactions are told to the substation,
and its safe currents stay booked. A reconnect changes `link` and little else; `fleet` says what follows from it.

What one connection, version, registration or model has taught does not hold for another. A limit (`ConnectorLimit`) is
made for one version of OCPP and one entry of the table of quirks, so where these change `make_limits` makes all anew,
and what the charger may draw is then its rating until it has confirmed a limit again.

Connectors come from the registration, and one by one from the charger's own messages, since registrations are made by
hand and often leave one out: `connector` makes those, up to a bound, with what is built into the last registered one.

`is_settled` is why a car is not let in at once: before its charger has confirmed its safe current, whatever was in it
from an earlier operator could let the car draw all that is built in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.pace import Pace
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.messages.charger_clock import ChargerClock
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import ChargerId, ChargerSpec, Link, OcppVersion
from smartgrid.edge.transactions.charger_transactions import ChargerTransactions
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.protocol.chargers import MAX_CONNECTORS

MOST_UNREGISTERED = 4
"""One that is registered, perhaps with the one connector that is the default, may name so many: a car that charges at
one that was forgotten has to be in the books. No more, as each costs state and calls. A stranger, whom nobody has
registered, may name as many as a charger can have."""
SETTLED_AFTER_S = 3.0
"""For so long after the connection a car waits for its charger to confirm its safe current: programs that read no calls
while they wait for an answer of their own must not run into their time limits."""


class Charger:
    """Known because it has connected, or because it has transactions in the inbox."""

    __slots__ = (
        "booted",
        "booted_s",
        "clock",
        "connectors",
        "facts",
        "id",
        "is_heard",
        "is_stranger",
        "left_s",
        "link",
        "pace",
        "quirks",
        "since_wall_s",
        "spec",
        "transactions",
        "version",
    )

    def __init__(self, charger: ChargerId, spec: ChargerSpec, quirks: Quirks) -> None:
        self.id, self.spec, self.quirks = charger, spec, quirks
        self.link: Link | None = None
        self.version: OcppVersion | None = None
        self.is_stranger = False
        """Let in by an open edge, and not registered when it was first here."""
        self.since_wall_s: float | None = None
        """When it connected, or left."""
        self.left_s = -math.inf
        """When its last connection was over, by the monotonic clock."""
        self.booted = Booted()
        self.booted_s = -math.inf
        """When it has last sent a BootNotification, by the monotonic clock."""
        self.clock = ChargerClock()
        self.pace = Pace()
        self.transactions = ChargerTransactions(charger, self._most_kw)
        self.connectors = {number: Connector(number, each) for number, each in enumerate(spec.connectors, 1)}
        self.facts: Mapping[str, str] = {}
        """What is remembered of it in the registry."""
        self.is_heard = False
        """Whether it has said anything on this connection."""

    def connector(self, number: int) -> Connector | None:
        """Also one that was not registered: it is as the last that was. None beyond what a charger can have."""
        found = self.connectors.get(number)
        most = MAX_CONNECTORS if self.is_stranger else MOST_UNREGISTERED
        if found is None and 1 <= number <= most:
            found = self.connectors[number] = Connector(number, self.spec.connectors[-1])
            self._make_limit(found)
            if found.limit is not None:
                found.limit.fallback(found.safe_a, 0.0)
        return found

    def _most_kw(self, number: int) -> float:
        """What a connector can carry; of a transaction whose connector is not known it is not known."""
        found = self.connectors.get(number)
        return math.inf if found is None else found.most_kw

    def tell_clock(self) -> None:
        """To its limits: what its clock is off by has changed."""
        for connector in self.connectors.values():
            if connector.limit is not None:
                connector.limit.clock(self.clock.ahead_s)

    def make_limits(self) -> None:
        """Anew: of another version, registration or model; what an old one held is not known any more."""
        for connector in self.connectors.values():
            self._make_limit(connector)

    def _make_limit(self, connector: Connector) -> None:
        if self.version is not None:
            connector.limit = ConnectorLimit(connector.number, connector.spec, self.quirks, self.version, self.pace)
            connector.limit_for, connector.is_known = None, False

    def is_settled(self, now_s: float) -> bool:
        """Whether it has confirmed its safe currents on this connection, or will not, as it seems."""
        if self.link is None or now_s - self.link.opened_s > SETTLED_AFTER_S:
            return True
        limits = [connector.limit for connector in self.connectors.values() if connector.limit is not None]
        return all(not each.is_controlled or each.fallback_kw < each.rating_kw for each in limits)

    def transaction_on(self, connector: Connector) -> Transaction | None:
        return self.transactions.open_on(connector.number)
