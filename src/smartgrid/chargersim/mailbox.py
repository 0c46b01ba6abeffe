"""Calls of a charger: one under way at a time, and those of transactions are kept until they are taken.

Two queues. What is said of now (Boot, Status, Heartbeat, Authorize) is forgotten when the connection is lost. What
belongs to a transaction stays, in order, at the head of its queue until it is answered, whatever connections come and
go: so it may arrive twice. An error instead of an answer counts as a try; after three the message is dropped, as OCPP
1.6 §3.7.1 has it, and `dropped` says so: its energy may be lost to the grid. A payload is made when it is sent, since
the id of a transaction that began offline is known only then.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Payload = Mapping[str, Any]
ATTEMPTS = 3
MAX_KEPT = 2000
"""Of transaction messages; readings beyond it are not kept."""


@dataclass(slots=True)
class Call:
    """`on_answer` gets the answer, or None where there is none: refused, or not in time."""

    action: str
    payload: Callable[[], Payload]
    on_answer: Callable[[Payload | None], None]
    is_kept: bool = False
    is_reading: bool = False
    attempts: int = 0
    message_id: str = ""


class Mailbox:
    """`name` begins message ids. Nothing is sent but by `next_to_send`."""

    def __init__(self, name: str, timeout_s: float, retry_pause_s: float, *, repeats: bool = False) -> None:
        self._name, self._timeout_s, self._retry_pause_s, self._repeats = name, timeout_s, retry_pause_s, repeats
        self._numbers = itertools.count(1)
        self._now: deque[Call] = deque()
        self._kept: deque[Call] = deque()
        self._under_way: Call | None = None
        self._due_s = math.inf
        self._pause_until_s = 0.0
        self.dropped = 0
        self.unanswered = 0

    def __len__(self) -> int:
        return len(self._now) + len(self._kept)

    @property
    def kept(self) -> int:
        """Transaction messages that nobody has taken yet."""
        return len(self._kept)

    @property
    def next_event_s(self) -> float:
        if self._under_way:
            return self._due_s
        return self._pause_until_s if self._now or self._kept else math.inf

    def put(self, call: Call, *, first: bool = False) -> None:
        if call.is_kept:
            if not (call.is_reading and len(self._kept) >= MAX_KEPT):
                self._kept.append(call)
                if self._repeats and not call.is_reading:
                    self._kept.append(Call(call.action, call.payload, lambda _: None, is_kept=True))
        elif first:
            self._now.appendleft(call)
        else:
            self._now.append(call)

    def next_to_send(self, now_s: float, *, is_ready: bool) -> Call | None:
        """The call that goes out now, if one may. Without `is_ready` (not booted) only what was put first."""
        if self._under_way is not None or now_s < self._pause_until_s:
            return None
        call = self._now[0] if self._now else self._kept[0] if self._kept and is_ready else None
        if call is None or (not is_ready and call.action != "BootNotification"):
            return None
        if not call.is_kept:
            self._now.popleft()
        call.message_id = f"{self._name}-{next(self._numbers)}"
        self._under_way, self._due_s = call, now_s + self._timeout_s
        return call

    def answered(self, message_id: str, payload: Payload | None, now_s: float) -> bool:
        """An answer, or None for a CALLERROR. False where nothing was asked."""
        call = self._under_way
        if call is None or call.message_id != message_id:
            return False
        self._under_way = None
        if payload is None:
            self._failed(call, now_s)
        else:
            if call.is_kept:
                self._kept.popleft()
            call.on_answer(payload)
        return True

    def advance(self, now_s: float) -> None:
        """Gives up waiting for an answer that is overdue."""
        if self._under_way is not None and now_s >= self._due_s:
            call, self._under_way = self._under_way, None
            self.unanswered += 1
            if call.is_kept:
                self._pause_until_s = now_s + self._retry_pause_s
            else:
                call.on_answer(None)

    def closed(self) -> None:
        """The connection is gone: so is what was said of now, and the answer to what was under way."""
        lost = [self._under_way] if self._under_way and not self._under_way.is_kept else []
        lost += self._now
        self._under_way = None
        self._now.clear()
        for call in lost:
            call.on_answer(None)

    def _failed(self, call: Call, now_s: float) -> None:
        call.attempts += 1
        self._pause_until_s = now_s + self._retry_pause_s if call.is_kept else 0.0
        if call.is_kept and call.attempts < ATTEMPTS:
            return
        if call.is_kept:
            self._kept.popleft()
            self.dropped += 1
        call.on_answer(None)
