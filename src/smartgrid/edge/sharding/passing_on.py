"""A charger's connection, passed on to the edge that owns its substation.

The edge at which a charger arrives reads its request and nothing more. It takes the socket over from the listener,
connects to the owner, sends the request on with a header that says what it has seen (`facts.py`), and from then on
copies bytes both ways without looking at them: the handshake's answer, frames, pings and the close are the owner's.

Of the request's headers only those go on that the handshake needs. Others could be a proxy's, forged by a charger that
came without one, and the owner might believe them as its peers are in a network of proxies.

What is on its way is bounded: a side that does not read has the other stop sending (`HIGH_WATER`). A side that is gone
without a word, as its host is, is found out by TCP: what it does not acknowledge within `SILENT_S`, or a keep-alive.
An owner that cannot be reached, or takes connections and answers nothing, is answered for with 503; the charger comes
again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding import facts as said
from smartgrid.edge.sharding.facts import HEADER, Facts
from smartgrid.edge.sharding.peers import Peer
from smartgrid.http_client.connection import tls_context
from smartgrid.runtime.tasks import Tasks

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0
"""The owner has ten seconds for a handshake."""
CLOSE_TIMEOUT_S = 5.0
SILENT_S = 60
HIGH_WATER = 64 * 1024
RETRY_AFTER_S = (2, 15)
COMPLAIN_EVERY_S = 30.0
PASSED_ON, UNREACHABLE, FULL = "passed_on", "unreachable", "full"
_KEPT = (b"host", b"upgrade", b"connection", b"authorization", b"user-agent")
_KEPT_FAMILY = b"sec-websocket-"
log = logging.getLogger(__name__)


class PassingOn:
    """The connections that this edge passes on. Only for the event loop."""

    def __init__(
        self, own_name: str, secret: bytes | None = None, max_connections: int = 12_000, ca_file: Path | None = None
    ) -> None:
        """`secret` is what all edges share; `ca_file` has who vouches for peers with TLS, if not those that this
        machine trusts."""
        self.counts: Counter[str] = Counter({PASSED_ON: 0, UNREACHABLE: 0, FULL: 0})
        """Of connections, by what became of them."""
        self._own_name, self._secret, self._ca_file = own_name, secret, ca_file
        self._max_connections = max_connections
        self._tasks = Tasks()
        self._open: set[_Side] = set()
        self._silent_until_s: dict[str, float] = {}
        self._jitter = random.Random()

    @property
    def connections(self) -> int:
        """How many are passed on now."""
        return len(self._open) + len(self._tasks)

    @property
    def has_secret(self) -> bool:
        """Whether other edges can be believed at all."""
        return self._secret is not None

    def believe(self, values: Sequence[str], charger: ChargerId, wall_s: float) -> Facts | None:
        """What a peer has said of a charger that it has passed on to this edge; `values` are those of `HEADER`."""
        return said.believe(values, self._own_name, charger, self._secret, wall_s)

    def take_over(
        self, transport: asyncio.Transport, head: bytes, charger: ChargerId, facts: Facts, peer: Peer
    ) -> None:
        """Pass on a connection of which the request, `head`, was read and not answered. It is the caller's no more."""
        side = _Side()
        transport.set_protocol(side)
        side.connection_made(transport)
        if self.connections >= self._max_connections:
            self.counts[FULL] += 1
            self._refuse(transport)
            return
        side.pause()
        value = said.say(self._own_name, peer.name, charger, facts, self._secret, time.time())
        self._tasks.begin(self._connect(side, peer, _passed_on(head, value)))

    async def close(self) -> None:
        """Close all of them. Chargers come again, elsewhere."""
        await self._tasks.end()
        for side in list(self._open):
            side.end()

    async def _connect(self, side: _Side, peer: Peer, request: bytes) -> None:
        assert side.transport is not None
        context = tls_context(self._ca_file) if peer.is_tls else None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, other = await asyncio.get_running_loop().create_connection(_Side, peer.host, peer.port, ssl=context)
        except (OSError, UnicodeError) as error:
            self.counts[UNREACHABLE] += 1
            self._complain(peer, error)
            self._refuse(side.transport)
            return
        except asyncio.CancelledError:
            side.transport.abort()
            raise
        side.join(other)
        if side.is_over or other.is_over:  # it has ended while the other was being reached
            side.end()
            return
        self.counts[PASSED_ON] += 1
        self._open.add(side)
        side.on_end = other.on_end = lambda: self._open.discard(side)
        other.write(request)
        side.resume()
        asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, self._expect, side, other, peer)

    def _expect(self, side: _Side, owner: _Side, peer: Peer) -> None:
        """That the owner has answered by now."""
        if owner.has_heard or side.is_over or side.transport is None:
            return
        self.counts[UNREACHABLE] += 1
        self._complain(peer, TimeoutError("it does not answer"))
        self._refuse(side.transport)

    def _complain(self, peer: Peer, error: Exception) -> None:
        """Seldom: all chargers of an edge that is restarted come again every few seconds."""
        now_s = time.monotonic()
        if now_s >= self._silent_until_s.get(peer.name, 0.0):
            self._silent_until_s[peer.name] = now_s + COMPLAIN_EVERY_S
            log.warning("chargers cannot be passed on to %s: %s", peer.name, error or type(error).__name__)

    def _refuse(self, transport: asyncio.Transport) -> None:
        retry_s = self._jitter.randint(*RETRY_AFTER_S)
        transport.write(
            f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {retry_s}\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        transport.close()


class _Side(asyncio.Protocol):
    """One of the two sockets of a connection that is passed on. The event loop calls those methods that it knows."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_over = self.has_heard = False
        self.on_end: Callable[[], object] = lambda: None
        self._other: _Side | None = None

    def join(self, other: _Side) -> None:
        """What comes from one side goes to the other from now on."""
        self._other, other._other = other, self

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.is_over:
            self.transport.write(data)

    def pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def end(self) -> None:
        """Close both sides; what one still has to be sent has `CLOSE_TIMEOUT_S` for it."""
        for side in (self, self._other):
            if side is not None and side.transport is not None:
                side.transport.close()
                asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, side.transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)
        if (sock := transport.get_extra_info("socket")) is not None:
            _watch_over(sock)

    def data_received(self, data: bytes) -> None:
        self.has_heard = True
        if self._other is not None:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume()

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.on_end()
        if self._other is not None and not self._other.is_over:
            self.end()


def _watch_over(sock: socket.socket) -> None:
    """Have TCP find out that the other host is gone. A socket that cannot be told so is left as it is."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENT_S // 4)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1000)


def _passed_on(head: bytes, value: str) -> bytes:
    """The request as it goes on: its first line, the headers that are needed, and ours."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in lines if _is_kept(line.partition(b":")[0].strip().lower())]
    return b"\r\n".join((first, *kept, f"{HEADER}: {value}".encode(), b"", b""))


def _is_kept(name: bytes) -> bool:
    return name in _KEPT or name.startswith(_KEPT_FAMILY)
