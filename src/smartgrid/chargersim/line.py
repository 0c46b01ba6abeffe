"""One charger's WebSocket connection, on the sans-I/O core of `websockets`: no task and no queue for each.

Ten thousand of them fit into a process. A timer calls the charger when its next event is due; frames go to it as they
come; and when the connection is lost, another is made after a pause with jitter, unless the line has been cut.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State as WireState
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from smartgrid.chargersim.charger import Charger
from smartgrid.chargersim.clock import Clock

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 30.0
MAX_TIMER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a charger calls, and its Basic key where it has one. `pause_s` is real time between tries, at the least."""

    url: str
    user: str = ""
    key: bytes | None = None
    pause_s: float = 1.0
    longest_pause_s: float = 30.0


class Line:
    """Keeps `charger` connected from `connect` to `cut`; all of it in one event loop."""

    def __init__(self, charger: Charger, address: Address, subprotocol: str, clock: Clock, rng: random.Random) -> None:
        self.charger, self.address, self._subprotocol, self._clock, self._rng = (
            charger,
            address,
            subprotocol,
            clock,
            rng,
        )
        self.connections = 0
        self.refusals: list[int] = []
        """HTTP statuses that came instead of a WebSocket, the last hundred."""
        self._wire: _Wire | None = None
        self._second: _Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._failures = 0
        self._is_wanted = False

    @property
    def is_connected(self) -> bool:
        return self.charger.is_online

    def connect(self) -> None:
        """Be connected from now on."""
        self._is_wanted = True
        if self._wire is None and self._dialling is None:
            self._dial()

    def cut(self) -> None:
        """The network is gone, without a word, until `connect`."""
        self._is_wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        for wire in (self._wire, self._second):
            if wire is not None:
                wire.abort()

    def do(self, act: Callable[[Charger, float], object]) -> None:
        """Something happens at the charger now; what it says of it is sent."""
        act(self.charger, self._clock.now_s())
        self.run()

    def run(self) -> None:
        """Send what is to be sent, and see to it that the charger is called when its next event is due."""
        charger = self.charger
        if charger.is_to_reconnect:
            charger.is_to_reconnect = False
            if self._wire is not None:
                self._wire.abort()
        if self._wire is not None:
            for text in charger.outgoing:
                self._wire.send(text)
        charger.outgoing.clear()
        if self._timer is not None:
            self._timer.cancel()
        wait_s = min(MAX_TIMER_S, self._clock.real_s_until(charger.next_event_s))
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._on_timer)

    def close(self) -> None:
        """For good."""
        self.cut()
        if self._timer is not None:
            self._timer.cancel()

    # ------------------------------------------------------------------ of its wires

    def opened(self, wire: _Wire) -> None:
        self.connections += 1
        self._failures = 0
        self._dialling = None
        if self._wire is not None:
            self._second = wire
            return
        self._wire = wire
        self.charger.opened(self._clock.now_s())
        self.run()
        if self.charger.behaviour.opens_two_sockets and self.connections == 1:
            asyncio.get_running_loop().call_later(self.address.pause_s, self._dial_second)

    def received(self, wire: _Wire, text: str) -> None:
        if wire is self._second:  # the charger goes on with the newer of its two
            self._wire, self._second = wire, self._wire
        self.charger.received(text, self._clock.now_s())
        self.run()

    def lost(self, wire: _Wire) -> None:
        if wire is self._second:
            self._second = None
            return
        if wire is not self._wire:
            return
        self._wire, self._second = self._second, None
        self.charger.closed(self._clock.now_s())
        if self._wire is not None:
            self.charger.opened(self._clock.now_s())
        else:
            self._try_again()
        self.run()

    def refused(self, status: int | None) -> None:
        """No connection: refused with an HTTP status, or not reached."""
        self._dialling = None
        if status is not None:
            self.refusals = [*self.refusals[-99:], status]
        self._failures += 1
        self._try_again()

    # ------------------------------------------------------------------ dialling

    def _try_again(self) -> None:
        if self._is_wanted and self._retry is None:
            bound_s = min(self.address.longest_pause_s, self.address.pause_s * 2**self._failures)
            self._retry = asyncio.get_running_loop().call_later(self._rng.uniform(0.5, 1.0) * bound_s, self._dial)

    def _dial(self) -> None:
        self._retry = None
        if self._is_wanted and self._dialling is None:
            self._dialling = asyncio.get_running_loop().create_task(self._open())

    def _dial_second(self) -> None:
        if self._wire is not None:
            self._dial()

    async def _open(self) -> None:
        uri = parse_uri(self.address.url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, wire = await asyncio.get_running_loop().create_connection(
                    lambda: _Wire(self, uri, self._subprotocol), uri.host, uri.port
                )
                try:
                    await wire.handshake
                except BaseException:
                    wire.abort()
                    raise
        except InvalidStatus as refusal:
            self.refused(refusal.response.status_code)
        except (OSError, TimeoutError, InvalidHandshake, EOFError):
            self.refused(None)

    def _on_timer(self) -> None:
        self.charger.advance(self._clock.now_s())
        self.run()


class _Wire(asyncio.Protocol):
    """A TCP connection with the WebSocket protocol on it."""

    def __init__(self, line: Line, uri: WebSocketURI, subprotocol: str) -> None:
        self._line = line
        self._protocol = ClientProtocol(uri, subprotocols=[Subprotocol(subprotocol)], max_size=MAX_FRAME_BYTES)
        self._protocol.logger = _SILENT
        self.handshake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        request = self._protocol.connect()
        address = self._line.address
        if address.key is not None:
            token = base64.b64encode(address.user.encode() + b":" + address.key).decode()
            request.headers["Authorization"] = f"Basic {token}"
        self._protocol.send_request(request)
        self._send_out()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._send_out()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered()
            elif isinstance(event, Frame):
                self._take(event)
        if self._protocol.close_expected() and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._send_out()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.handshake.done():
            self.handshake.set_exception(EOFError("closed before the handshake was over"))
            self.handshake.exception()
        else:
            self._line.lost(self)

    def send(self, text: str) -> None:
        if self._protocol.state is WireState.OPEN:
            self._protocol.send_text(text.encode())
            self._send_out()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answered(self) -> None:
        problem = self._protocol.handshake_exc
        if problem is not None:
            if not self.handshake.done():
                self.handshake.set_exception(problem)
                self.handshake.exception()
            self.abort()
            return
        if not self.handshake.done():
            self.handshake.set_result(None)
            self._line.opened(self)

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                text = b"".join(self._parts).decode(errors="replace")
                self._parts.clear()
                self._line.received(self, text)

    def _send_out(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


_SILENT = logging.getLogger(f"{__name__}.wire")
_SILENT.setLevel(logging.CRITICAL)
