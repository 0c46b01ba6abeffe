"""One charger's WebSocket: from bytes to a `Conversation` and back. It is the `Link` that the rest of the edge holds.

There are 10,000 of these, so each is small: an asyncio protocol with slots, on which the event loop calls; no task, no
timer, no queue of its own, and one buffer for all to read into (`Host.buffer`), as only one reads at a time. What has
to happen at some time (a call's timeout, a ping, the end of one that is silent) is found by the listener's sweep, which
calls `check` when `check_at_s` has come.

Whatever goes wrong in those who are told (`Upward`, callbacks of calls) is logged and counted and has no effect on the
connection: it is our trouble, not the charger's.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from smartgrid.edge.ocpp import recent
from smartgrid.edge.ocpp.conversation import FIRST_WORD_S, Action, Conversation, HandUp, Notice, Resolve, Send
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ocpp.recent import Recent
from smartgrid.edge.ocpp.settings import Bounds
from smartgrid.edge.ports import Answer, ChargerId, CloseCode, OcppVersion, Payload, Upward
from smartgrid.runtime.log_pace import LogPace

MAX_FRAGMENTS = 256
MAX_REASON = 120
POLITE = 2
"""Frames that are read at once of a charger that waits for its answers: a message, and perhaps a pong."""
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_pace = LogPace(logging.getLogger(__name__))


class Host(Protocol):
    """What all connections share; the listener is it."""

    bounds: Bounds
    counters: Counters
    recent: Recent
    upward: Upward
    buffer: memoryview

    def ended(self, connection: Connection) -> bool:
        """It is over; returns whether it was the one that counts, and not one that a newer has replaced."""

    def pause(self, connection: Connection, until_s: float) -> None:
        """Have `resume` called then."""

    def noticed(self, charger: ChargerId, notice: Notice) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """A `Link`; see `ports`."""

    __slots__ = (
        "_begun_s", "_due_s", "_excess_s", "_fragments", "_has_ponged", "_host", "_is_over", "_is_reading",
        "_last_in_s", "_pinged_s", "_talk", "_transport", "_ws", "charger", "check_at_s", "descriptor", "opened_s",
        "version",
    )  # fmt: skip

    def __init__(
        self, host: Host, charger: ChargerId, version: OcppVersion, ws: ServerProtocol, transport: asyncio.Transport
    ) -> None:
        now_s = time.monotonic()
        self.charger, self.version, self.opened_s = charger, version, now_s
        self._host, self._ws, self._transport = host, ws, transport
        self.descriptor: int = transport.get_extra_info("socket").fileno()
        self._talk = Conversation(version, host.counters, now_s + FIRST_WORD_S)
        self._fragments: list[bytes] | None = None
        self._last_in_s = self._pinged_s = self._due_s = self._begun_s = now_s
        self._excess_s = math.inf
        self._has_ponged = self._is_reading = self._is_over = False
        self.check_at_s = now_s + min(FIRST_WORD_S, host.bounds.ping_s)

    def begin(self) -> None:
        """Tell that it is there."""
        self._tell(self._host.upward.connected, self)

    # ------------------------------------------------------------------ Link

    def call(
        self,
        action: str,
        payload: Payload,
        on_answer: Callable[[Answer], None],
        *,
        slot: str | None = None,
        timeout_s: float = 60.0,
        first: bool = False,
    ) -> None:
        """Ask the charger; see `ports.Link`. Raises ValueError."""
        now_s = time.monotonic()
        self._do(self._talk.call(action, payload, on_answer, now_s, slot=slot, timeout_s=timeout_s, first=first))
        self.check_at_s = min(self.check_at_s, self._talk.deadline_s)

    def reply(self, message_id: str, payload: Payload) -> None:
        """Answer the charger. Raises ValueError."""
        self._do(self._talk.reply(message_id, payload))

    def refuse(self, message_id: str, code: str, description: str) -> None:
        """Answer that the charger has made a mistake. Raises ValueError."""
        self._do(self._talk.refuse(message_id, code, description))

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection, and all calls on it at once."""
        if self.is_open:
            self._ws.send_close(code, reason.encode("ascii", "replace")[:MAX_REASON].decode())
            self._flush()
            self._closing()

    @property
    def is_open(self) -> bool:
        """Whether anything may still be said."""
        return not self._is_over and self._ws.state is OPEN

    def _closing(self) -> None:
        """Nothing more is said or heard, but for the other side's part of the close, and that not for long."""
        if self._is_over:
            return
        self._is_over = True
        self.check_at_s = time.monotonic() + self._host.bounds.close_s
        self.resume()
        self._do(self._talk.close())

    # ------------------------------------------------------------------ asyncio calls

    def get_buffer(self, sizehint: int) -> Any:
        """One for all: what is in it is used before anything else is read."""
        return self._host.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Something has come."""
        self.feed(bytes(self._host.buffer[:nbytes]))

    def feed(self, data: bytes) -> None:
        """Take bytes of the charger."""
        ws = self._ws
        self._last_in_s = now_s = time.monotonic()
        if not self._is_amid_message():
            self._begun_s = now_s
        ws.receive_data(data)
        self._is_reading = True
        events = ws.events_received()
        for event in events:
            frame = cast("Frame", event)
            self._took(frame, now_s)
            frame.data = b""  # `websockets` keeps the last frame until the next one: 1 KB a charger
        self._is_reading = False
        if events:
            self._limit(len(events), now_s)
        self._flush()

    def eof_received(self) -> bool:
        """The charger has ended without a close: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._is_over, self.check_at_s = True, math.inf
        self._do(self._talk.close())
        if self._host.ended(self):
            self._tell(self._host.upward.disconnected, self)

    # ------------------------------------------------------------------ frames

    def _took(self, frame: Frame, now_s: float) -> None:
        opcode = frame.opcode
        if opcode in _DATA:
            if self._fragments is None and frame.fin:
                self._message(bytes(frame.data), now_s)
            else:
                self._fragment(frame, now_s)
        elif opcode is Opcode.PONG:
            self._has_ponged = True

    def _fragment(self, frame: Frame, now_s: float) -> None:
        """`websockets` has seen to it that they are in order, and to the size of the whole."""
        fragments = self._fragments = self._fragments or []
        fragments.append(bytes(frame.data))
        if frame.fin:
            self._fragments = None
            self._message(b"".join(fragments), now_s)
        elif len(fragments) > MAX_FRAGMENTS:
            self._fragments = None
            self._send_away("fragments", CloseCode.POLICY, "too many fragments")

    def _is_amid_message(self) -> bool:
        """Whether a part of a message, or of a frame, is kept until the rest comes."""
        return self._fragments is not None or len(self._ws.reader.buffer) > 0

    def _message(self, data: bytes, now_s: float) -> None:
        self._begun_s = now_s  # of the next, whose beginning may have come with it
        if self._is_over:
            return
        host = self._host
        host.recent.note(self.charger, recent.IN, data, time.time())
        self._do(self._talk.received(data, now_s))

    def _limit(self, frames: int, now_s: float) -> None:
        """A GCRA (see `http_server.rate`): the time at which what has come would have come at the rate.

        A charger that waits for each answer, as OCPP wants it, is never sent away for this: it may have days of
        messages to tell, and is only read more slowly. One that does not wait has sent more than one when it is read.
        """
        bounds = self._host.bounds
        if self._due_s <= now_s:
            self._due_s, self._excess_s = now_s, math.inf
        self._due_s += frames / bounds.messages_per_s
        until_s = self._due_s - bounds.burst / bounds.messages_per_s
        if until_s <= now_s or self._is_over:
            return
        self._excess_s = min(self._excess_s, now_s) if frames > POLITE else math.inf
        if now_s - self._excess_s > bounds.excess_s:
            self._send_away("too_many_messages", CloseCode.POLICY, "too many messages for too long")
            return
        self._host.counters.errors["too_many_messages"] += 1
        self._transport.pause_reading()
        self._host.pause(self, until_s)

    def resume(self) -> None:
        """Read on, after a pause."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # ------------------------------------------------------------------ what follows from it

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._send(action.text)
            elif isinstance(action, HandUp):
                self._tell(self._host.upward.called, self, action.message_id, action.action, action.payload)
            elif isinstance(action, Resolve):
                self._tell(action.on_answer, action.answer)
            else:
                self._host.recent.note(self.charger, recent.NOTICE, action.text.encode(), time.time())
                self._host.noticed(self.charger, action)

    def _tell(self, told: Callable[..., None], *arguments: object) -> None:
        try:
            told(*arguments)
        except Exception:
            self._host.counters.errors["own"] += 1
            _pace.say("own", "what a charger said was not dealt with", {}, level=logging.ERROR, trace=True)

    def _send(self, text: str) -> None:
        if not self.is_open:
            return
        data = text.encode()
        self._host.recent.note(self.charger, recent.OUT, data, time.time())
        self._ws.send_text(data)
        self.check_at_s = min(self.check_at_s, self._talk.deadline_s)
        if not self._is_reading:
            self._flush()

    def _flush(self) -> None:
        """Write what is to be written; b"" is the end of it."""
        writes = self._ws.data_to_send()
        if not writes:
            return
        transport = self._transport
        is_end = writes[-1] == b""
        if not transport.is_closing():
            transport.write(b"".join(writes) if len(writes) > 1 else writes[0])
        if is_end:
            if self._ws.parser_exc is not None and not isinstance(self._ws.parser_exc, EOFError):
                self._host.counters.closed["protocol_error"] += 1
            transport.close()
            self._closing()
        elif transport.get_write_buffer_size() > self._host.bounds.max_unsent_bytes:
            self._cut_off("unread")

    # ------------------------------------------------------------------ time

    def check(self, now_s: float) -> None:
        """Do what is due, and say when to look again."""
        if self._is_over:
            self._transport.abort()
            return
        self._do(self._talk.expire(now_s))
        bounds = self._host.bounds
        ends_s = self._last_in_s + (bounds.pong_silence_s if self._has_ponged else bounds.silence_s)
        if now_s >= ends_s:
            self._send_away("silent", CloseCode.GOING_AWAY, "nothing was heard for too long")
            return
        if now_s - self._begun_s > bounds.message_s and self._is_amid_message():
            self._send_away("slow", CloseCode.POLICY, "a message took too long")
            return
        ping_s = max(self._last_in_s, self._pinged_s) + bounds.ping_s
        if now_s >= ping_s and self.is_open:
            self._pinged_s = now_s
            self._ws.send_ping(b"")
            self._flush()
            ping_s = now_s + bounds.ping_s
        if not self._is_over:
            self.check_at_s = min(ends_s, ping_s, self._talk.deadline_s)

    def _send_away(self, reason: str, code: CloseCode, text: str) -> None:
        self._host.counters.closed[reason] += 1
        self.close(code, text)

    def _cut_off(self, reason: str) -> None:
        self._host.counters.closed[reason] += 1
        self._transport.abort()
        self._closing()
