"""Where chargers connect: accepts them, has them prove themselves, and keeps who is connected.

    socket ─▶ Handshake (one HTTP request) ─▶ admission ─▶ Connection (a Link) ─▶ Upward
                 │ path, proxies, TLS            registry       Conversation

All on one event loop. Two rules are kept here:

- Of two connections of one charger the newer counts. A charger that has lost its network comes again before the old
  connection is known to be dead, so the old one is closed, and its end, whenever it comes, is told to nobody.
- A reconnect of all chargers at once must not be made worse. At most `max_handshakes` are under way; the others wait in
  the kernel's queue, which costs neither them nor us anything. Only telling them to come again (503) would make it
  worse: measured with 10,000, it took 32 s in place of 7. A client that connects and then says nothing counts no more
  among those under way after a second, else a hundred of these would keep everybody out; of such there may be ten times
  as many, and only who comes beyond is told to come again, each at another time.

One sweep, twice a second, does for all connections what has to be done at some time: so 10,000 of them have no timer.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import errno
import logging
import math
import random
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from websockets.server import ServerProtocol

from smartgrid.edge.ocpp import admission, recent
from smartgrid.edge.ocpp.admission import Admitted, Proof, Refusal
from smartgrid.edge.ocpp.connection import GOING_AWAY, POLICY, Connection
from smartgrid.edge.ocpp.conversation import Notice
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ocpp.handshake import BUSY, FULL, RETRY_AFTER_S, STOPPING, Arrival, Handshake
from smartgrid.edge.ocpp.recent import Recent
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId, Link, OcppVersion, Upward
from smartgrid.edge.registry.replica import OPEN
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.rate import Limiter
from smartgrid.http_server.tls import ServerTls
from smartgrid.runtime.fair_selector import FairSelector
from smartgrid.runtime.tasks import Tasks

SWEEP_S = 0.5
READ_BYTES = 16 * 1024
"""As much as one TLS record has. asyncio keeps a buffer of 256 KiB for each connection over TLS unless it is told
otherwise, which would be 3 GB for 10,000 (measured: 300 KB a connection, 50 KB with this)."""
BACKLOG = 4096
ACCEPTS_AT_ONCE = 32
PROMPT_S = 1.0
SLOW_ONES = 10
"""Times `max_handshakes`: how many may have connected and said nothing for longer than `PROMPT_S`."""
UNACKNOWLEDGED_S = 90
"""Data that the other side's kernel does not acknowledge for so long ends the connection."""
SAID_INTERVAL_S = 10.0
CLOSE_NORMAL = 1000
_TRY_LATER = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_REGISTRY = Refusal(503, "registry", "The registry of chargers cannot be read; come again.")
_WRONG_KEYS = Refusal(429, "wrong_keys", "Too many tries with a wrong key; come again later.")
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
        are in wait behind those that come.
        """
        self.bounds, self.proxies = bounds or Bounds(), place.proxies
        self.counters = counters or Counters()
        self.recent = Recent(self.bounds.max_connections)
        self.upward = upward
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.is_ready, self.passed_on, self.vouched = is_ready, pass_on, vouched
        self._place, self._registry, self._knows = place, registry, knows
        self._selector = selector
        self._handshakes: set[Handshake] = set()
        self._prompt: set[Handshake] = set()
        """Those of them that have begun just now."""
        self._is_accepting = False
        self._current: dict[ChargerId, Connection] = {}
        self._all: set[Connection] = set()
        self._paused: dict[Connection, float] = {}
        self._tasks = Tasks()
        self._wrong = Limiter(self.bounds.wrong_keys)
        self._wrong_of_address = Limiter(self.bounds.wrong_keys_of_address)
        self._said: dict[str, tuple[float, int]] = {}
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
            connection.close(GOING_AWAY, "this edge is ending")
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
            connection.close(POLICY, "not registered any more")

    def diagnostics(self, charger: ChargerId) -> Sequence[dict[str, Any]]:
        """Its last messages, the oldest first, as docs/chargers.md shows them; more are kept from now on."""
        return [_shown(each) for each in self.recent.look(charger, time.monotonic())]

    # ------------------------------------------------------------------ accepting

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(min(ACCEPTS_AT_ONCE, self.bounds.max_handshakes - len(self._prompt))):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _TRY_LATER:
                    raise
                self.refused("no_files")
                self._pause_accepting()  # until the next sweep
                return
            self._take(accepted)
        if len(self._prompt) >= self.bounds.max_handshakes:
            self._pause_accepting()

    def _pause_accepting(self) -> None:
        self._is_accepting = False
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _resume_accepting(self) -> None:
        if not self._is_accepting:
            self._is_accepting = True
            for listening in self._sockets:
                self._loop.add_reader(listening, self._accept, listening)

    def _take(self, accepted: socket.socket) -> None:
        under_way, most = len(self._handshakes), self.bounds.max_handshakes * SLOW_ONES
        if under_way >= 2 * most or (under_way >= most and self._place.tls is not None):
            self.refused(BUSY.reason)  # with TLS there is no saying it before hands are shaken
            accepted.close()
            return
        is_full = len(self._all) >= self.bounds.max_connections
        refusal = BUSY if under_way >= most else FULL if is_full else None
        accepted.setblocking(False)
        with suppress(OSError, AttributeError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_S * 1000)
        handshake = Handshake(self, refusal)
        self._handshakes.add(handshake)
        self._prompt.add(handshake)
        self._tasks.begin(self._connect(accepted, handshake))

    async def _connect(self, accepted: socket.socket, handshake: Handshake) -> None:
        tls = self._place.tls
        limit: dict[str, Any] = {"ssl_handshake_timeout": self.bounds.handshake_s} if tls else {}
        try:
            await self._loop.connect_accepted_socket(
                lambda: handshake, accepted, ssl=tls.context if tls else None, **limit
            )
        except OSError as error:  # of TLS too
            self.refused("tls" if tls else "lost")
            log.debug("a connection did not come about", extra={"reason": str(error)})
            accepted.close()
            self.over(handshake)

    # ------------------------------------------------------------------ `handshake.Door`

    def admit(self, arrival: Arrival) -> Refusal | None:
        """By the registry, and by how often a wrong key was tried. Why somebody is refused is logged."""
        refusal = self._admit(arrival)
        if refusal is not None:
            extra = {**arrival.charger._asdict(), "address": arrival.proof.address, "reason": refusal.text}
            self._say(f"refused {refusal.reason}", "a charger was not let in", extra)
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
        now_s, tried_for = time.monotonic(), (proof.address, charger)
        if not (self._wrong.is_within(tried_for, now_s) and self._wrong_of_address.is_within(proof.address, now_s)):
            return _WRONG_KEYS
        decided = admission.decide(charger, spec, row.next_key_hash if row else "", proof)
        if isinstance(decided, Admitted):
            if row is None:
                self._registry.came(charger)
            elif decided.by_next_key:
                self._registry.used_next_key(charger)
            return None
        text = f"not let in from {proof.address}: {decided.text}"
        self.recent.note(charger, recent.NOTICE, text.encode(), time.time())
        if decided.reason == admission.WRONG_KEY:
            self._wrong.take(tried_for, now_s)
            self._wrong_of_address.take(proof.address, now_s)
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
            before.close(CLOSE_NORMAL, "a newer connection of this charger has come")
        connection.begin()

    def refused(self, reason: str) -> None:
        """Count a connection that was not let in."""
        self.counters.refused[reason] += 1

    def over(self, handshake: Handshake) -> None:
        """No longer under way."""
        self._handshakes.discard(handshake)
        self._prompt.discard(handshake)
        if not self._is_accepting and len(self._prompt) < self.bounds.max_handshakes:
            self._resume_accepting()

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
        self._say(notice.kind, "a charger did not follow OCPP", extra)

    def _say(self, kind: str, text: str, extra: dict[str, str]) -> None:
        """A line in the log, of each kind one in ten seconds, with how many there were in between."""
        now_s = time.monotonic()
        next_s, unsaid = self._said.get(kind, (-math.inf, 0))
        if now_s < next_s:
            self._said[kind] = next_s, unsaid + 1
            return
        self._said[kind] = now_s + SAID_INTERVAL_S, 0
        log.warning(text, extra=extra | {"unsaid": str(unsaid)})

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
        self._prompt -= {each for each in self._prompt if now_s - each.began_s > PROMPT_S}
        if len(self._prompt) < self.bounds.max_handshakes:
            self._resume_accepting()
        if self._place.tls is not None:
            self._place.tls.look()


def _shown(noted: recent.Noted) -> dict[str, Any]:
    shown = recent.described(noted)
    return {"at": datetime.fromtimestamp(noted.wall_s, UTC), **shown}
