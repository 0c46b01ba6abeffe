"""Where chargers connect: accepts them, has them prove themselves, and keeps who is connected.

    socket ─▶ Handshake (one HTTP request) ─▶ admission ─▶ Connection (a Link) ─▶ Upward
                 │ path, proxies, TLS            registry       Conversation

All on one event loop. Two rules are kept here:

- Of two connections of one charger the newer counts. A charger that has lost its network comes again before the old
  connection is known to be dead, so the old one is closed, and its end, whenever it comes, is told to nobody.
- A reconnect of all chargers at once must not be made worse. Few are accepted at a time, so each turn of the loop reads
  requests too, and the others wait in the kernel's queue, which costs neither them nor us anything. Only telling them
  to come again (503) would make it worse: measured with 10,000, it took 32 s in place of 7. Who connects and says
  nothing, or a byte now and then, keeps nobody out: at most `max_handshakes` are under way, and where one more comes,
  one of the oldest makes room that has had `GRACE_S`, of the address that has the most of them. A charger's request is
  there when it is accepted, or a moment later, so it is never among the oldest.

One sweep, twice a second, does for all connections what has to be done at some time: so 10,000 of them have no timer.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import errno
import logging
import random
import resource
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from websockets.server import ServerProtocol

from smartgrid.edge.ocpp import admission, recent
from smartgrid.edge.ocpp.admission import Admitted, Proof, Refusal
from smartgrid.edge.ocpp.connection import Connection
from smartgrid.edge.ocpp.conversation import Notice
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ocpp.handshake import RETRY_AFTER_S, STOPPING, Arrival, Handshake
from smartgrid.edge.ocpp.recent import Recent
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId, CloseCode, Link, OcppVersion, Upward
from smartgrid.edge.registry.replica import OPEN
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.tls import ServerTls
from smartgrid.runtime.fair_selector import FairSelector
from smartgrid.runtime.log_pace import LogPace
from smartgrid.runtime.tasks import Tasks

SWEEP_S = 0.5
READ_BYTES = 16 * 1024
"""As much as one TLS record has. asyncio keeps a buffer of 256 KiB for each connection over TLS unless it is told
otherwise, which would be 3 GB for 10,000 (measured: 300 KB a connection, 50 KB with this)."""
BACKLOG = 4096
OTHER_FILES = 128
"""That may be open besides chargers' sockets: substations, the API, databases."""
ACCEPTS_AT_ONCE = 32
GRACE_S = 1.0
"""For so long whoever has connected is let be, however many others come."""
OLDEST = 16
"""Among so many of those that have waited longest it is chosen who makes room."""
UNACKNOWLEDGED_S = 90
"""Data that the other side's kernel does not acknowledge for so long ends the connection."""
_TRY_LATER = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_REGISTRY = Refusal(503, "registry", "The registry of chargers cannot be read; come again.")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """Where and how it listens. Port 0 takes any that is free."""

    host: str = "127.0.0.1"
    port: int = 9000
    tls: ServerTls | None = None
    proxies: Proxies = field(default_factory=Proxies)


class Listener:
    """Everything but `__init__` only on the event loop."""

    def __init__(
        self,
        place: Place,
        upward: Upward,
        registry: Registry,
        *,
        knows: Callable[[str], bool],
        bounds: Bounds | None = None,
        counters: Counters | None = None,
        is_ready: Callable[[], bool] = lambda: True,
        pass_on: Callable[[Arrival], bool] = lambda arrival: False,
        vouched: Callable[[Arrival], Proof | None] = lambda arrival: None,
        selector: FairSelector | None = None,
    ) -> None:
        """`knows` tells whether there is such a substation; only chargers that are not registered need it.

        `pass_on` is asked first of each charger that comes, before it has proved anything: who returns True has taken
        the connection for another edge, by setting another protocol on its transport. `vouched` tells what another edge
        has seen of a charger that it has passed on to us, if that is believed. `selector` is the loop's: chargers that
        are connected wait behind those that connect.
        """
        self.bounds, self.proxies = bounds or Bounds(), place.proxies
        self.counters = counters or Counters()
        self.recent = Recent(self.bounds.max_connections)
        self.upward = upward
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.is_ready, self.passed_on, self.vouched = is_ready, pass_on, vouched
        self._place, self._registry, self._knows = place, registry, knows
        self._selector = selector
        self._handshakes: dict[Handshake, None] = {}
        """Those under way, the oldest first."""
        self._of_address: Counter[str] = Counter()
        self._most_sockets = max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES)
        self._is_accepting = False
        self._current: dict[ChargerId, Connection] = {}
        self._all: set[Connection] = set()
        self._paused: dict[Connection, float] = {}
        self._tasks = Tasks()
        self._pace = LogPace(log)
        self._random = random.Random()
        self._sockets: list[socket.socket] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_stopping = False

    # ------------------------------------------------------------------ beginning and end

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        place = self._place
        if place.tls is not None:
            asyncio.sslproto.SSLProtocol.max_size = READ_BYTES
        found = await self._loop.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        for family, _, _, _, address in dict.fromkeys(found):
            port = place.port or (self.port if self._sockets else 0)
            listening = socket.create_server((address[0], port, *address[2:]), family=family, backlog=BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
        self._resume_accepting()
        self._sweep()

    @property
    def port(self) -> int:
        """On which it listens."""
        return int(self._sockets[0].getsockname()[1])

    async def stop(self, spread_s: float = 5.0) -> None:
        """Let nobody in any more, and close all connections, evenly over `spread_s` so that they come again so."""
        self._is_stopping = True
        self._pause_accepting()
        for listening in self._sockets:
            listening.close()
        self._sockets = []
        for handshake in [*self._handshakes]:
            handshake.expire(STOPPING.reason)
        open_ones = [*self._all]
        self._random.shuffle(open_ones)
        begin_s = time.monotonic()
        for at, connection in enumerate(open_ones):
            wait_s = begin_s + spread_s * at / len(open_ones) - time.monotonic()
            if wait_s > 0.01:
                await asyncio.sleep(wait_s)
            connection.close(CloseCode.GOING_AWAY, "this edge is ending")
        until_s = time.monotonic() + self.bounds.close_s + 1
        while self._all and time.monotonic() < until_s:
            await asyncio.sleep(0.02)
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._tasks.end()

    # ------------------------------------------------------------------ who is connected

    def link_of(self, charger: ChargerId) -> Link | None:
        """Its connection, if it is connected."""
        return self._current.get(charger)

    def links(self) -> list[Link]:
        """All connections that count."""
        return list(self._current.values())

    def drop(self, charger: ChargerId) -> None:
        """End its connection: it is no longer registered."""
        connection = self._current.get(charger)
        if connection is not None:
            connection.close(CloseCode.POLICY, "not registered any more")

    def diagnostics(self, charger: ChargerId) -> Sequence[dict[str, Any]]:
        """Its last messages, the oldest first, as docs/chargers.md shows them; more are kept from now on."""
        return [_shown(each) for each in self.recent.look(charger, time.monotonic())]

    # ------------------------------------------------------------------ accepting

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            has_room = self._has_room()
            slow = None if has_room else self._slow()
            if not has_room and slow is None:
                self._pause_accepting()
                self._loop.call_later(GRACE_S, self._resume_accepting)
                return
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _TRY_LATER:
                    raise
                self.refused("no_files")
                self._pause_accepting()
                if (slow := self._slow()) is not None:
                    slow.expire("storm")
                return
            if slow is not None:
                slow.expire("storm")
            self._take(accepted, str(address[0]))

    def _has_room(self) -> bool:
        under_way = len(self._handshakes)
        return under_way < self.bounds.max_handshakes and under_way + len(self._all) < self._most_sockets

    def _slow(self) -> Handshake | None:
        """Who makes room for one more, if anybody has had its time."""
        before_s = time.monotonic() - GRACE_S
        oldest = [
            each for each in islice(self._handshakes, OLDEST) if each.began_s <= before_s and not each.is_unread()
        ]
        return max(oldest, key=lambda each: self._of_address[each.address], default=None)

    def _pause_accepting(self) -> None:
        """Until a handshake is over, or has had its time, or the next sweep."""
        self._is_accepting = False
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _resume_accepting(self) -> None:
        if not self._is_accepting:
            self._is_accepting = True
            for listening in self._sockets:
                self._loop.add_reader(listening, self._accept, listening)

    def _take(self, accepted: socket.socket, address: str) -> None:
        accepted.setblocking(False)
        with suppress(OSError, AttributeError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_S * 1000)
        handshake = Handshake(self, accepted, address)
        self._handshakes[handshake] = None
        self._of_address[address] += 1
        self._tasks.begin(self._connect(accepted, handshake))

    async def _connect(self, accepted: socket.socket, handshake: Handshake) -> None:
        tls = self._place.tls
        limits: dict[str, Any] = {}
        if tls is not None:
            limits = {"ssl_handshake_timeout": self.bounds.handshake_s, "ssl_shutdown_timeout": self.bounds.close_s}
        try:
            await self._loop.connect_accepted_socket(
                lambda: handshake, accepted, ssl=tls.context if tls else None, **limits
            )
        except OSError as error:  # of TLS too
            if handshake in self._handshakes:
                self.refused("tls" if tls else "lost")
            log.debug("a connection did not come about", extra={"reason": str(error)})
            accepted.close()
            self.over(handshake)

    # ------------------------------------------------------------------ `handshake.Door`

    def admit(self, arrival: Arrival) -> Refusal | None:
        """By the registry alone: whoever has the right key gets in, however many wrong ones were tried before.

        A limit to tries would let a stranger keep chargers out (behind a proxy all have one address), and is not
        needed: keys are random (`registry.keys`), and a try costs no more than any other connection. Why somebody is
        refused is logged.
        """
        refusal = self._admit(arrival)
        if refusal is not None:
            extra = {**arrival.charger._asdict(), "address": arrival.proof.address, "reason": refusal.text}
            self._pace.say(f"refused {refusal.reason}", "a charger was not let in", extra)
        return refusal

    def _admit(self, arrival: Arrival) -> Refusal | None:
        charger, proof = arrival.charger, arrival.proof
        if self._is_stopping:
            return STOPPING
        try:
            row = self._registry.find(charger)
        except sqlite3.Error as error:
            log.error("the registry of chargers cannot be read", extra={"reason": str(error)})
            return _NO_REGISTRY
        spec = row.spec if row is not None else self._registry.default
        if spec is None or ((row is None or row.origin == OPEN) and not self._knows(charger.substation)):
            return admission.UNKNOWN
        decided = admission.decide(charger, spec, row.next_key_hash if row else "", proof)
        if isinstance(decided, Admitted):
            if row is None:
                self._registry.came(charger)
            elif decided.by_next_key:
                self._registry.used_next_key(charger)
            return None
        text = f"not let in from {proof.address}: {decided.text}"
        self.recent.note(charger, recent.NOTICE, text.encode(), time.time())
        return decided

    def entered(self, arrival: Arrival, version: OcppVersion, ws: ServerProtocol) -> None:
        """The newest connection of a charger replaces the one before."""
        charger = arrival.charger
        connection = Connection(self, charger, version, ws, arrival.transport)
        arrival.transport.set_protocol(connection)
        if self._selector is not None:
            self._selector.put_behind(connection.descriptor)
        before = self._current.get(charger)
        self._current[charger] = connection
        self._all.add(connection)
        self.counters.connections += 1
        self.counters.connected = len(self._current)
        if before is not None:
            self.counters.closed["replaced"] += 1
            before.close(CloseCode.NORMAL, "a newer connection of this charger has come")
        connection.begin()

    def refused(self, reason: str) -> None:
        """Count a connection that was not let in."""
        self.counters.refused[reason] += 1

    def over(self, handshake: Handshake) -> None:
        """No longer under way. May be told twice."""
        if handshake not in self._handshakes:
            return
        del self._handshakes[handshake]
        self._of_address[handshake.address] -= 1
        if not self._of_address[handshake.address]:
            del self._of_address[handshake.address]
        self._resume_accepting()

    def is_full(self) -> bool:
        """Whether as many are connected as may be."""
        return len(self._all) >= self.bounds.max_connections

    def retry_after_s(self) -> int:
        """Another each time, so that they do not come again together."""
        return self._random.randint(*RETRY_AFTER_S)

    # ------------------------------------------------------------------ `connection.Host`

    def ended(self, connection: Connection) -> bool:
        """Forget it; whether it was the one that counts."""
        self._all.discard(connection)
        self._paused.pop(connection, None)
        if self._selector is not None:
            self._selector.forget(connection.descriptor)
        if self._current.get(connection.charger) is not connection:
            return False
        del self._current[connection.charger]
        self.counters.connected = len(self._current)
        return True

    def pause(self, connection: Connection, until_s: float) -> None:
        """It is read again then."""
        self._paused[connection] = until_s

    def noticed(self, charger: ChargerId, notice: Notice) -> None:
        """What a charger has done wrong."""
        extra = {"kind": notice.kind, "what": notice.text, **charger._asdict()}
        self._pace.say(notice.kind, "a charger did not follow OCPP", extra)

    # ------------------------------------------------------------------ time

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        now_s = time.monotonic()
        for connection in [each for each, until_s in self._paused.items() if until_s <= now_s]:
            del self._paused[connection]
            connection.resume()
        for connection in [each for each in self._all if each.check_at_s <= now_s]:
            connection.check(now_s)
        for handshake in [each for each in self._handshakes if each.ends_s <= now_s]:
            handshake.expire("timeout")
        self._resume_accepting()
        if self._place.tls is not None:
            self._place.tls.look()


def _shown(noted: recent.Noted) -> dict[str, Any]:
    shown = recent.described(noted)
    return {"at": datetime.fromtimestamp(noted.wall_s, UTC), **shown}
