"""What calls of chargers are answered: the part that is alike in all versions.

A call is answered by its handler, which replies now or later, or not at all where only the charger keeps the message
safe. An action that OCPP does not have is refused with NotImplemented; a fault of ours is logged, and leaves the call
without an answer: a CALLERROR would make the charger drop it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.desk import Desk
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.messages.charger_clock import ChargerClock, utc_text
from smartgrid.edge.messages.values import Booted, StatusTold, ValuesTold
from smartgrid.edge.ports import Payload

log = logging.getLogger(__name__)
HEARTBEAT_S = 300.0
JITTER = 0.1
Reply = Callable[[Mapping[str, Any]], None]
Handler = Callable[[Charger, Payload, Reply], None]


@dataclass(frozen=True, slots=True)
class Common:
    """What both versions need to answer. `booted` is told what a charger says it is."""

    desk: Desk
    times: Times
    booted: Callable[[Charger, Booted], None]
    heartbeat_s: float = HEARTBEAT_S

    def now_text(self) -> str:
        return utc_text(self.times.wall())

    def heartbeat_interval_s(self) -> int:
        """Jittered, so that ten thousand that came at once do not beat as one."""
        return max(1, round(self.heartbeat_s * self.times.rng.uniform(1 - JITTER, 1 + JITTER)))

    def boot_answer(self) -> dict[str, Any]:
        """Always Accepted: a charger that is Pending would send no transactions, and they may be under way."""
        return {"currentTime": self.now_text(), "interval": self.heartbeat_interval_s(), "status": "Accepted"}


class Messages(Protocol):
    """What both versions say, as a module of `edge.messages` reads it."""

    def booted(self, payload: Payload) -> Booted: ...
    def status(self, payload: Payload, clock: ChargerClock, received_s: float) -> StatusTold: ...
    def values(self, payload: Payload, clock: ChargerClock, received_s: float) -> ValuesTold: ...


class Answers:
    """The handlers that are alike in both versions, by how a version's messages are read."""

    def __init__(self, common: Common, messages: Messages) -> None:
        self._common, self._desk, self._times, self._messages = common, common.desk, common.times, messages

    def _boot(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply(self._common.boot_answer())
        self._common.booted(charger, self._messages.booted(payload))

    def _heartbeat(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({"currentTime": self._common.now_text()})

    def _status(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({})
        self._desk.status(charger, self._messages.status(payload, charger.clock, self._times.wall()))

    def _values(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({})
        self._desk.values(charger, self._messages.values(payload, charger.clock, self._times.wall()))


def always(answer: Mapping[str, Any]) -> Handler:
    """A handler that takes notice of nothing."""

    return lambda charger, payload, reply: reply(answer)
