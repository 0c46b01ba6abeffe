"""All chargers of an edge, between the sockets (`Upward`) and the substations (`Downward`).

    ocpp/ ── connected, called ──▶ answers ──▶ desk ──▶ inbox ──▶ deliveries ──▶ grid/
                                                │                                  │
    ocpp/ ◀── calls ── steering ◀── ConnectorLimit ◀──────── offered ──────────────┘
                          └──▶ reporting ──▶ grid/

Everything runs in one event loop and nothing blocks, so there are no locks. There is no task a charger: one sweep twice
a second looks after what is due. What a charger must have at once it gets in the call that tells of the reason.

**A connection** is all that is needed to begin (many chargers send no BootNotification when they come back): limits go
out before anything else, then the set-up, once the charger has had the first word (`ocpp.conversation`). Who says
nothing is asked for its status, and for its boot.

**No car is let in** (Authorize, starts) before its charger has confirmed its safe current, which takes a moment after
the connection: until then it could draw all that is built in, and would have to be booked so, at the others' cost.

**No charger sees another's**: a message is looked up among its own charger's transactions only.

Which files do what: `desk` what follows from what chargers say, `sessions` what follows from what substations say,
`steering` what chargers are told, `reporting` what substations are told, `safe_plans` what rules without any word,
`set_up` what a charger is configured with, `roster` who there is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from typing import Any

from smartgrid.edge.chargers.answers import HEARTBEAT_S, Common, Handler
from smartgrid.edge.chargers.answers_v2x import AnswersV2x
from smartgrid.edge.chargers.answers_v16 import AnswersV16
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.desk import Desk
from smartgrid.edge.chargers.picture import Counts, counts_of, profiles_of, state_of
from smartgrid.edge.chargers.reporting import Reporting
from smartgrid.edge.chargers.roster import Roster
from smartgrid.edge.chargers.safe_plans import SafePlans
from smartgrid.edge.chargers.sessions import Sessions
from smartgrid.edge.chargers.set_up import SettingUp
from smartgrid.edge.chargers.steering import Steering
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.quirks import Table
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import ChargerId, Grid, Link, OcppVersion, Offers, Payload
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.state import ChargerState
from smartgrid.edge.tags import ACCEPTED, Tag
from smartgrid.edge.transactions.deliveries import Deliveries
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.runtime.log_pace import LogPace

log = logging.getLogger(__name__)
SWEEP_S = 0.5
COUNT_EVERY_S = 5.0
KEEP_EVERY_S = 60.0
_LETS_IN = frozenset({"Authorize", "StartTransaction", "TransactionEvent"})
_SAYS_LITTLE = frozenset(
    {"Heartbeat", "FirmwareStatusNotification", "SecurityEventNotification", "LogStatusNotification", "NotifyEvent"}
)


class Fleet:
    """Implements Upward and Downward; `begin` once the loop runs, `close` before it ends."""

    def __init__(
        self,
        grid: Grid,
        inbox: Inbox,
        registry: Registry,
        times: Times,
        *,
        most_untold: int,
        tag_of: Callable[[str], Tag] = lambda id_tag: ACCEPTED,
        heartbeat_s: float = HEARTBEAT_S,
        table: Table | None = None,
        meter_interval_s: int | None = None,
        has_peers: bool = False,
    ) -> None:
        """`tag_of` says which id tags may charge; `has_peers` that chargers may visit other edges in between.

        `meter_interval_s` is how often meters are read, None: by the number of connectors. With `most_untold`
        transactions that their substations were not told of, starts are not answered any more.
        """
        self._grid, self._times, self.inbox = grid, times, inbox
        self._has_peers, self._most_untold = has_peers, most_untold
        self._postponed: list[tuple[Charger, Link, str, str, Payload]] = []
        self._is_running = False
        self._pace = LogPace(log, times.now)
        self._kept_s = self._counted_s = times.now()
        self.roster = Roster(grid, registry, table or Table.load())
        self.reporting = Reporting(grid, times)
        self.desk = Desk(times, inbox, tag_of=tag_of, connectors_changed=self.roster.connectors_changed)
        self.sessions = Sessions(grid, times, self.roster, self.desk, has_peers=has_peers)
        self.steering = Steering(times, changed=self.reporting.changed, vacated=self.desk.vacated)
        self.deliveries = Deliveries(
            grid,
            times.later,
            times.rng,
            times.wall,
            next_of=self.sessions.next_of,
            start_order=lambda each: self.desk.start_order(each, self.roster.known(each.charger)),
            told=self.sessions.told,
        )
        self.set_up = SettingUp(times, self.roster.learn, meter_interval_s)
        self.safe_plans = SafePlans(grid, times, self.roster, look=self.steering.look)
        self.desk.connect(self.steering, self.deliveries, self.sessions.has_offers)
        self.sessions.steering, self.sessions.deliveries = self.steering, self.deliveries
        common = Common(self.desk, times, self._booted, heartbeat_s)
        v16, v2x = AnswersV16(common).handlers, AnswersV2x(common).handlers
        self._handlers = {OcppVersion.V16: v16, OcppVersion.V201: v2x, OcppVersion.V21: v2x}

    # ------------------------------------------------------------------ its life

    def begin(self) -> None:
        """Take up what the inbox holds, and begin to sweep."""
        self.sessions.load(self.inbox.load())
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
        due: list[Callable[[], None]] = [
            self.steering.tick,
            self.safe_plans.tick,
            self._take_postponed,
            self.sessions.tick,
            self.reporting.tick,
            self.roster.tell_connectors,
            self.set_up.tick,
        ]
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            due.append(self._count)
        if now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            due += [
                self.desk.tick,
                self.safe_plans.reckon_all,
                self.sessions.forget_closed,
                lambda: self.roster.forget_strangers(now_s),
            ]
        for work in due:
            try:
                work()
            except Exception:  # of ours; the others must go on, as limits are renewed by them
                text = "a part of the sweep over the chargers failed"
                self._pace.say("sweep", text, {}, level=logging.ERROR, trace=True)

    def _count(self) -> None:
        counts = self.counts()
        self.desk.is_full = counts.untold >= self._most_untold
        self.set_up.reckon(counts.connectors.total())
        for seen in self.roster.substations.values():
            seen.are_connectors_due = True

    def _sweep(self) -> None:
        if self._is_running:
            self.sweep()
            self._times.later(SWEEP_S, self._sweep)

    # ------------------------------------------------------------------ Upward

    def connected(self, link: Link) -> None:
        charger = self.roster.known(link.charger)
        now_s = self._times.now()
        if charger.link is not None:
            self._lose(charger, now_s)
        charger.link, charger.since_wall_s, charger.is_heard = link, self._times.wall(), False
        self.roster.refresh(charger)
        if charger.version is not link.version:
            charger.version = link.version
            charger.make_limits()
        for connector in charger.connectors.values():
            connector.reconnected(now_s, may_have_been_elsewhere=self._has_peers)
        self._grid.watch(charger.id.substation)
        self.roster.connectors_changed(charger)
        self.desk.connected(charger)
        self.safe_plans.connected(charger)
        self.sessions.apply(charger)
        self._look(charger)
        self.set_up.connected(charger)

    def disconnected(self, link: Link) -> None:
        charger = self.roster.get(link.charger)
        if charger is not None and charger.link is link:
            self._lose(charger, self._times.now())
            self._look(charger)

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        charger = self.roster.get(link.charger)
        if charger is None or charger.link is not link:
            return
        charger.is_heard |= action not in _SAYS_LITTLE
        handler = self._handlers[link.version].get(action)
        if handler is None:
            link.refuse(message_id, "NotSupported", f"{action} is not for chargers to ask, or not supported")
            return
        if action in _LETS_IN and not charger.is_settled(self._times.now()):
            self._postponed.append((charger, link, message_id, action, payload))
            return
        self._take(charger, link, message_id, handler, payload)

    def _take(self, charger: Charger, link: Link, message_id: str, handler: Handler, payload: Payload) -> None:
        ahead_s, known = charger.clock.ahead_s, len(charger.connectors)
        self._handle(handler, charger, link, message_id, payload)
        if charger.clock.ahead_s != ahead_s:
            charger.tell_clock()
        if len(charger.connectors) != known:
            self.roster.grown(charger)

    def _handle(self, handler: Handler, charger: Charger, link: Link, message_id: str, payload: Payload) -> None:
        try:
            handler(charger, payload, lambda answer: link.reply(message_id, answer))
        except Exception:
            self._pace.say(
                "handler",
                "a message of a charger could not be handled",
                charger.id._asdict(),
                level=logging.ERROR,
                trace=True,
            )

    def _take_postponed(self) -> None:
        """What had to wait for the safe currents of its charger."""
        now_s = self._times.now()
        postponed, self._postponed = self._postponed, []
        for charger, link, message_id, action, payload in postponed:
            if charger.link is not link:
                continue
            if charger.is_settled(now_s):
                self._take(charger, link, message_id, self._handlers[link.version][action], payload)
            else:
                self._postponed.append((charger, link, message_id, action, payload))

    def _booted(self, charger: Charger, booted: Booted) -> None:
        """What it says it is; its profiles may be gone, so they are written again."""
        charger.clock.booted()
        charger.booted_s = self._times.now()
        if self.roster.booted(charger, booted):
            charger.make_limits()
            self.safe_plans.connected(charger)
            self.sessions.apply(charger)
        for connector in charger.connectors.values():
            connector.plugs.clear()  # it tells all of them now, and may have others than before
            if connector.limit is not None:
                connector.limit.reconnected(self._times.now(), rebooted=True)
        self._look(charger)
        self.set_up.booted(charger)

    def _lose(self, charger: Charger, now_s: float) -> None:
        """Its connection is over; what it has been told goes on until it runs out."""
        if charger.link is not None:
            self.set_up.lost(charger.link)
        charger.link, charger.since_wall_s, charger.left_s = None, self._times.wall(), now_s
        for connector in charger.connectors.values():
            connector.vacant_s = math.inf  # nothing follows of what it cannot say
            if connector.limit is not None:
                connector.limit.disconnected(now_s)
        self.roster.connectors_changed(charger)

    def _look(self, charger: Charger) -> None:
        for connector in list(charger.connectors.values()):
            self.steering.look(charger, connector)

    # ------------------------------------------------------------------ Downward

    def offered(self, offers: Offers) -> None:
        seen = self.roster.substation(offers.substation)
        seen.take(offers)
        self.sessions.offered(offers)
        if seen.wants_plan(self._times.now()):
            self.safe_plans.reckon(seen)

    def gone(self, substation: str, session_ids: Sequence[str]) -> None:
        self.sessions.gone(substation, session_ids)

    # ------------------------------------------------------------------ for operators, the API and the metrics

    def probed(self, charger: ChargerId) -> None:
        """Somebody has written profiles to it past this fleet; it writes its own again a little later."""
        found = self.roster.get(charger)
        if found is None:
            return
        for connector in found.connectors.values():
            if connector.limit is not None:
                connector.limit.probed(self._times.now())
        self._look(found)

    def state(self, charger: ChargerId) -> ChargerState | None:
        """How it stands now; None of one that is not known here."""
        found = self.roster.get(charger)
        return None if found is None else state_of(found, self._times.now())

    def profiles(self, charger: ChargerId) -> list[dict[str, Any]]:
        """The profiles that may stand at it now; none of one that is not known here."""
        found = self.roster.get(charger)
        return [] if found is None else profiles_of(found, self._times.now())

    async def hear(self, substation: str, timeout_s: float) -> None:
        """Have its offers come, if they do not yet."""
        await self._grid.reach(substation, timeout_s)

    def states(self, substation: str | None, after: ChargerId | None, most: int) -> Iterable[ChargerState]:
        """The first `most` that come after `after`, by substation and name; of one substation or of all."""
        now_s, seen = self._times.now(), self.roster if substation is None else self.roster.chargers_of(substation)
        chosen = nsmallest(most, (each.id for each in seen if after is None or each.id > after))
        return [state_of(self.roster.known(each), now_s) for each in chosen]

    def counts(self) -> Counts:
        return counts_of(self.roster, self._times.wall())
