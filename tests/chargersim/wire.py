"""A charger with the other side played by hand: its calls are answered, and each frame is held against the schema."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from chargersim.schemas import check
from smartgrid.chargersim.behaviour import behaving
from smartgrid.chargersim.charger import Charger
from smartgrid.chargersim.dialect import Dialect, Identity, iso
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.outlet import Outlet

WALL_S = 1_800_000_000.0
ACCEPTED_16 = {"idTagInfo": {"status": "Accepted"}}
DIALECTS: dict[str, Callable[[], Dialect]] = {"1.6": Dialect16}


def answer_to(action: str, payload: dict[str, Any], now_s: float) -> dict[str, Any]:
    """What a friendly other side says."""
    moment = iso(WALL_S + now_s)
    found: dict[str, dict[str, Any]] = {
        "BootNotification": {"status": "Accepted", "currentTime": moment, "interval": 300},
        "Heartbeat": {"currentTime": moment},
        "Authorize": ACCEPTED_16 if "idTag" in payload else {"idTokenInfo": {"status": "Accepted"}},
        "StartTransaction": {"transactionId": 77, **ACCEPTED_16},
        "StopTransaction": {},
    }
    return found.get(action, {})


class Wire:
    """`calls` are those of the charger, as (action, payload), in order; each is answered at once unless `is_deaf`."""

    def __init__(
        self,
        dialect: Dialect,
        *faults: str,
        connectors: int = 1,
        answer: Callable[[str, dict[str, Any], float], dict[str, Any] | None] = answer_to,
        **changes: Any,
    ) -> None:
        from dataclasses import replace

        self.dialect = dialect
        behaviour = replace(behaving(faults), **changes)
        self.outlets = [Outlet(number) for number in range(1, connectors + 1)]
        self.charger = Charger(Identity("left"), dialect, self.outlets, behaviour, wall_s=WALL_S)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.message_ids: list[str] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.is_deaf = False
        self.now_s = 0.0
        self._answer = answer
        self._asked: dict[str, str] = {}
        self._numbers = 0

    def open(self) -> None:
        self.charger.opened(self.now_s)
        self.exchange()

    def close(self) -> None:
        self.charger.closed(self.now_s)

    def run(self, seconds: float) -> None:
        """Let time pass, from event to event."""
        self.exchange()
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, max(self.now_s + 0.001, self.charger.next_event_s))
            self.charger.advance(self.now_s)
            self.exchange()

    def exchange(self) -> None:
        """Take what it says, and answer, until it is silent."""
        frames = deque(self._take())
        while frames:
            kind, message_id, *rest = json.loads(frames.popleft())
            if kind == 2:
                action, payload = rest
                check(self.dialect.subprotocol, action, payload)
                self.calls.append((action, payload))
                self.message_ids.append(message_id)
                if not self.is_deaf:
                    self._reply(message_id, self._answer(action, payload, self.now_s))
            elif kind == 3:
                check(self.dialect.subprotocol, self._asked[message_id], rest[0], is_answer=True)
                self.answers[message_id] = rest[0]
            else:
                self.answers[message_id] = {"error": rest[0]}
            frames.extend(self._take())

    def command(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call the charger; its answer."""
        check(self.dialect.subprotocol, action, payload)
        self._numbers += 1
        message_id = f"c{self._numbers}"
        self._asked[message_id] = action
        self.charger.received(json.dumps([2, message_id, action, payload]), self.now_s)
        self.exchange()
        return self.answers.get(message_id, {})

    def said(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == action]

    def actions(self) -> Sequence[str]:
        return [name for name, _ in self.calls]

    def _reply(self, message_id: str, payload: dict[str, Any] | None) -> None:
        frame = [4, message_id, "InternalError", "", {}] if payload is None else [3, message_id, payload]
        self.charger.received(json.dumps(frame), self.now_s)

    def _take(self) -> list[str]:
        frames, self.charger.outgoing[:] = list(self.charger.outgoing), []
        return frames


def profile_16(
    limit: float,
    purpose: str = "TxProfile",
    *,
    connector: int = 1,
    level: int = 0,
    unit: str = "A",
    duration_s: int | None = None,
    transaction_id: int | None = 77,
    start_wall_s: float | None = None,
    profile_id: int = 1,
) -> dict[str, Any]:
    """A SetChargingProfile of OCPP 1.6."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    if duration_s is not None:
        schedule["duration"] = duration_s
    if start_wall_s is not None:
        schedule["startSchedule"] = iso(start_wall_s)
    told: dict[str, Any] = {
        "chargingProfileId": profile_id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative" if start_wall_s is None else "Absolute",
        "chargingSchedule": schedule,
    }
    if purpose == "TxProfile" and transaction_id is not None:
        told["transactionId"] = transaction_id
    return {"connectorId": connector, "csChargingProfiles": told}
