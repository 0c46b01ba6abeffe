"""What is said on one charger's connection, by OCPP's rules: frames go in, actions come out. Pure; time is an argument.

Outwards. One CALL is under way at a time; the others wait, in a bounded queue. Of those that wait with the same `slot`
only the latest is sent, in the place of the older, which ends as REPLACED: so a charger that takes a minute to answer
gets the newest limit next, and never the ones between. Those that are `first` go before the others, in their own order.
They do not wait long for the answer to a mere question or setting, which some programs never give (PyPI `ocpp` in 2.1).
A call's time runs from when it is sent. An answer that comes later is nobody's.

The first word is the charger's, for a moment: until it has said something, calls wait. Many begin by their
BootNotification, and do not answer what comes before its answer (libocpp drops it), or take that for it. After it they
have another moment, as what comes with the answer may be read before that has had its effect.

Inwards. Each CALL is handed up once. A repeat, which is the same id with the same text, gets the answer of the first
from a small cache, or nothing while the first is being answered: the one answer is for both. A charger that uses an id
again for something else is taken at its word. What is against the schema is counted and handed up all the same, since
most chargers are a little wrong and refusing them helps nobody. What we send is held against the schema without mercy:
`ValueError`, before a byte is out.

CALLERROR says: this was your mistake. It goes out for what cannot be read and for actions that do not exist in the
version, and never for our own trouble, since a charger drops a transaction message after three of them.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from smartgrid.edge.ocpp import frames, schemas
from smartgrid.edge.ocpp.counters import IN, OTHER, OUT, Counters
from smartgrid.edge.ports import Answer, CallFailure, OcppVersion, Payload

MAX_WAITING = 40
"""A limit for each of 32 connectors, all of which wait for the first word, and some more."""
MAX_UNANSWERED = 64
"""Calls of a charger that we owe an answer. OCPP allows it one; a burst of queued ones does come."""
KEPT_ANSWERS = 4
BOOTED_S = 10.0
"""Some chargers never answer what came before their BootNotification: then it is waited for so much longer at most."""
SOON_S = 5.0
"""So long after it was sent a call of `_MINOR` is given up, if one that is first waits."""
_MINOR = frozenset({
    "ChangeConfiguration", "GetCompositeSchedule", "GetConfiguration", "GetVariables", "SetVariables", "TriggerMessage",
})  # fmt: skip
FIRST_WORD_S = 2.0
"""For so long after the connection the charger has the first word; many that come back say nothing."""
AFTER_BOOT_S = 0.5
OnAnswer = Callable[[Answer], None]

_PREFIX = secrets.token_hex(5)
_numbers = itertools.count(1)


def _next_id() -> str:
    """Never used before, on whichever connection of a charger, as 2.0.1 wants."""
    return f"{_PREFIX}-{next(_numbers)}"


class Send(NamedTuple):
    """Send this text."""

    text: str


class HandUp(NamedTuple):
    """Tell that the charger has called."""

    message_id: str
    action: str
    payload: Payload


class Resolve(NamedTuple):
    """Tell that a call of ours is over."""

    on_answer: OnAnswer
    answer: Answer


class Notice(NamedTuple):
    """Something that is worth a line in the log; already counted."""

    kind: str
    text: str


Action = Send | HandUp | Resolve | Notice


class _OutCall:
    """A call of ours that waits or is under way."""

    __slots__ = ("action", "is_first", "message_id", "on_answer", "sent_s", "slot", "text", "timeout_s")

    def __init__(
        self,
        action: str,
        text: str,
        message_id: str,
        on_answer: OnAnswer,
        slot: str | None,
        timeout_s: float,
        first: bool,
    ) -> None:
        self.action, self.text, self.message_id, self.on_answer = action, text, message_id, on_answer
        self.slot, self.timeout_s, self.is_first = slot, timeout_s, first
        self.sent_s = math.inf


class _InCall(NamedTuple):
    """A call of the charger; `reply` is None until it is answered."""

    action: str
    fingerprint: int
    reply: str | None


class Conversation:
    """One connection's. `counters` is shared by all. `begins_s`: until then the charger has the first word."""

    __slots__ = ("_begins_s", "_counters", "_inbound", "_is_closed", "_under_way", "_waiting", "version")

    def __init__(self, version: OcppVersion, counters: Counters, begins_s: float = -math.inf) -> None:
        self.version = version
        self._begins_s = begins_s
        self._counters = counters
        self._inbound: dict[str, _InCall] = {}
        self._under_way: _OutCall | None = None
        self._waiting: deque[_OutCall] | None = None
        self._is_closed = False

    @property
    def deadline_s(self) -> float:
        """When `expire` has something to do; infinite if nothing is under way."""
        if not self.has_begun:
            return self._begins_s
        call = self._under_way
        return math.inf if call is None else call.sent_s + call.timeout_s

    @property
    def has_begun(self) -> bool:
        """Whether the charger has had the first word."""
        return self._begins_s == -math.inf

    def _begin(self, now_s: float) -> Sequence[Action]:
        self._begins_s = -math.inf
        return self._send_next(now_s)

    # ------------------------------------------------------------------ what the charger sends

    def received(self, data: bytes | bytearray, now_s: float) -> Sequence[Action]:
        """A message has come."""
        if self._is_closed:
            return ()
        frame = frames.parse(data, self.version)
        actions = self._dealt_with(frame, data, now_s)
        if self.has_begun:
            return actions
        if isinstance(frame, frames.Call) and frame.action == "BootNotification":
            self._begins_s = min(self._begins_s, now_s + AFTER_BOOT_S)
            return actions
        return (*actions, *self._begin(now_s))

    def _dealt_with(self, frame: frames.Frame, data: bytes | bytearray, now_s: float) -> Sequence[Action]:
        if isinstance(frame, frames.Call):
            return self._called(frame, data, now_s)
        if isinstance(frame, frames.Result):
            return self._answered(frame, now_s)
        if isinstance(frame, frames.Refusal):
            return self._refused(frame, now_s)
        notice = self._noticed("unreadable", frame.why)
        return (notice,) if frame.reply is None else (notice, Send(frame.reply))

    def _called(self, call: frames.Call, data: bytes | bytearray, now_s: float) -> Sequence[Action]:
        version, action = self.version, call.action
        if action not in schemas.actions(version):
            self._counters.messages[IN, OTHER] += 1
            notice = self._noticed("unknown_action", action[:50])
            if not call.wants_answer:
                return (notice,)
            text = frames.call_error(call.message_id, "NotImplemented", f"There is no such action in {version}.")
            return (notice, Send(text))
        self._counters.messages[IN, action] += 1
        if action == "BootNotification" and self._under_way is not None:
            under_way = self._under_way
            under_way.timeout_s = min(under_way.timeout_s, now_s - under_way.sent_s + BOOTED_S)
        if call.wants_answer:
            fingerprint = hash(bytes(data))
            known = self._inbound.get(call.message_id)
            if known is not None and (known.reply is None or known.fingerprint == fingerprint):
                self._counters.errors["repeated"] += 1
                return () if known.reply is None else (Send(known.reply),)
            self._remember(call.message_id, _InCall(action, fingerprint, None))
        handed = HandUp(call.message_id, action, call.payload)
        wrong = schemas.violation(version, action, schemas.REQUEST, call.payload)
        return (handed,) if wrong is None else (self._noticed("schema", f"{action}: {wrong}"), handed)

    def _remember(self, message_id: str, call: _InCall) -> None:
        """Forgets the oldest that is answered, where there are many; the oldest of all, where there are too many."""
        inbound = self._inbound
        inbound.pop(message_id, None)
        inbound[message_id] = call
        if len(inbound) <= KEPT_ANSWERS:
            return
        oldest = next((key for key, each in inbound.items() if each.reply is not None), None)
        if oldest is None and len(inbound) > MAX_UNANSWERED:
            oldest = next(iter(inbound))
            self._counters.errors["unanswered"] += 1
        if oldest is not None:
            del inbound[oldest]

    def _answered(self, result: frames.Result, now_s: float) -> Sequence[Action]:
        call = self._under_way
        if call is None or call.message_id != result.message_id:
            return (self._noticed("unasked", "an answer to nothing"),)
        self._took(call, now_s)
        if result.payload is None:
            notice = self._noticed("schema", f"{call.action}: the answer is no object")
            refused = Answer(None, CallFailure.REFUSED, "FormatViolation")
            return (notice, *self._end(call, refused, now_s))
        wrong = schemas.violation(self.version, call.action, schemas.RESPONSE, result.payload)
        ended = self._end(call, Answer(result.payload), now_s)
        return ended if wrong is None else (self._noticed("schema", f"{call.action}: {wrong}"), *ended)

    def _refused(self, refusal: frames.Refusal, now_s: float) -> Sequence[Action]:
        if refusal.is_of_result:
            return (self._noticed("result_refused", f"{refusal.code}: {refusal.description}"),)
        call = self._under_way
        if call is None or call.message_id != refusal.message_id:
            return (self._noticed("unasked", f"a CALLERROR to nothing, {refusal.code}"),)
        self._took(call, now_s)
        notice = self._noticed("refused", f"{call.action}: {refusal.code}")
        return (notice, *self._end(call, Answer(None, CallFailure.REFUSED, refusal.code), now_s))

    def _took(self, call: _OutCall, now_s: float) -> None:
        self._counters.messages[IN, call.action] += 1
        self._counters.call_s.add(now_s - call.sent_s)

    # ------------------------------------------------------------------ what we answer

    def reply(self, message_id: str, payload: Payload) -> Sequence[Action]:
        """Answer a call. Raises ValueError if the payload is against the schema. Without effect if nothing is owed."""
        known = self._owed(message_id)
        if known is None:
            return ()
        self._check(known.action, schemas.RESPONSE, payload)
        return self._reply(message_id, known, frames.call_result(message_id, payload))

    def refuse(self, message_id: str, code: str, description: str) -> Sequence[Action]:
        """Answer with a CALLERROR. Raises ValueError if the code is none of the version, or InternalError."""
        if code not in frames.CODES[self.version]:
            raise ValueError(f"{code} is no code of a CALLERROR to a charger with {self.version}")
        known = self._owed(message_id)
        if known is None:
            return ()
        return self._reply(message_id, known, frames.call_error(message_id, code, description))

    def _owed(self, message_id: str) -> _InCall | None:
        known = self._inbound.get(message_id)
        return None if known is None or known.reply is not None or self._is_closed else known

    def _reply(self, message_id: str, known: _InCall, text: str) -> Sequence[Action]:
        self._inbound[message_id] = known._replace(reply=text)
        self._counters.messages[OUT, known.action] += 1
        return (Send(text),)

    # ------------------------------------------------------------------ what we ask

    def call(
        self,
        action: str,
        payload: Payload,
        on_answer: OnAnswer,
        now_s: float,
        *,
        slot: str | None = None,
        timeout_s: float = 60.0,
        first: bool = False,
    ) -> Sequence[Action]:
        """Ask the charger. Raises ValueError for a payload against the schema, and for an action of another version."""
        if action not in schemas.actions(self.version):
            raise ValueError(f"{action} is no action of {self.version}")
        self._check(action, schemas.REQUEST, payload)
        message_id = _next_id()
        call = _OutCall(action, frames.call(message_id, action, payload), message_id, on_answer, slot, timeout_s, first)
        if self._is_closed:
            return (Resolve(on_answer, Answer(None, CallFailure.CLOSED)),)
        if self._under_way is None and self.has_begun:
            return (self._send(call, now_s),)
        if first and self._under_way is not None and self._under_way.action in _MINOR:
            self._under_way.timeout_s = min(self._under_way.timeout_s, SOON_S)
        return self._wait(call)

    def _wait(self, call: _OutCall) -> Sequence[Action]:
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = deque()
        replaced = next((each for each in waiting if each.slot == call.slot), None) if call.slot is not None else None
        if replaced is not None:
            at = waiting.index(replaced)
            if call.is_first and not replaced.is_first:
                del waiting[at]
                self._enqueue(waiting, call)
            else:
                call.is_first = replaced.is_first
                waiting[at] = call
            return (Resolve(replaced.on_answer, Answer(None, CallFailure.REPLACED)),)
        if len(waiting) >= MAX_WAITING:
            self._counters.errors["full"] += 1
            return (Resolve(call.on_answer, Answer(None, CallFailure.FULL)),)
        self._enqueue(waiting, call)
        return ()

    @staticmethod
    def _enqueue(waiting: deque[_OutCall], call: _OutCall) -> None:
        if call.is_first:
            waiting.insert(sum(each.is_first for each in waiting), call)
        else:
            waiting.append(call)

    def _send(self, call: _OutCall, now_s: float) -> Send:
        self._under_way = call
        call.sent_s = now_s
        self._counters.messages[OUT, call.action] += 1
        return Send(call.text)

    def _end(self, call: _OutCall, answer: Answer, now_s: float) -> Sequence[Action]:
        """The next is sent before it is told how this one ended: what is asked then waits its turn."""
        self._under_way = None
        return (*self._send_next(now_s), Resolve(call.on_answer, answer))

    def _send_next(self, now_s: float) -> Sequence[Action]:
        waiting = self._waiting
        if waiting is None:
            return ()
        following = waiting.popleft()
        if not waiting:
            self._waiting = None
        return (self._send(following, now_s),)

    def expire(self, now_s: float) -> Sequence[Action]:
        """Give the call up whose time is over, or begin where the charger has said nothing in its time."""
        if not self.has_begun:
            return self._begin(now_s) if now_s >= self._begins_s else ()
        call = self._under_way
        if call is None or now_s < call.sent_s + call.timeout_s:
            return ()
        notice = self._noticed("timeout", f"{call.action}: no answer after {call.timeout_s:g} s")
        return (notice, *self._end(call, Answer(None, CallFailure.TIMEOUT), now_s))

    def close(self) -> Sequence[Action]:
        """The connection is over: so are all calls."""
        self._is_closed, self._begins_s = True, -math.inf
        calls = [*filter(None, (self._under_way,)), *(self._waiting or ())]
        self._under_way = self._waiting = None
        self._inbound.clear()
        return [Resolve(call.on_answer, Answer(None, CallFailure.CLOSED)) for call in calls]

    def _check(self, action: str, kind: str, payload: Payload) -> None:
        wrong = schemas.violation(self.version, action, kind, payload if isinstance(payload, dict) else dict(payload))
        if wrong is not None:
            self._counters.errors["ours"] += 1
            raise ValueError(f"{action} ({kind.lower()}) of {self.version}: {wrong}")

    def _noticed(self, kind: str, text: str) -> Notice:
        self._counters.errors[kind] += 1
        return Notice(kind, text)
