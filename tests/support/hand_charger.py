"""A charger of OCPP 1.6 that a test leads by the hand: a real WebSocket, no behaviour of its own."""

from __future__ import annotations

import base64
import itertools
import json
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.processes import Process, wait_until

TIMEOUT_S = 30.0
ACCEPTED = {"status": "Accepted"}
VOLTS = 230.0
Payload = dict[str, Any]


class HandCharger:
    """Connected while it is entered; `calls` is what the edge has asked, `answers` what it is answered, by action."""

    def __init__(self, edge: Process, name: str = "CP1", *, substation: str = "substation-0", key: str = "") -> None:
        self.name, self.substation = name, substation
        self.url = f"ws://127.0.0.1:{edge.settings['ocpp_port']}/ocpp/{substation}/{quote(name, safe='')}"
        self.headers = {"Authorization": _basic(name, key)} if key else {}
        self.calls: list[tuple[str, Payload]] = []
        self.answers: dict[str, Callable[[Payload], Payload] | Payload] = {}
        self.silent: set[str] = set()
        """Actions that get no answer at all."""
        self.closed = threading.Event()
        self.close_code: int | None = None
        self._results: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._ids = itertools.count(1)

    # ------------------------------------------------------------------ the connection

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._socket = stack.enter_context(
                connect(self.url, subprotocols=["ocpp1.6"], additional_headers=self.headers, compression=None)
            )
            self._open = stack.pop_all()
        self.closed.clear()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._thread.join(TIMEOUT_S)

    def refusal(self) -> int | None:
        """The HTTP status with which it is not let in; None where it is."""
        try:
            with self:
                return None
        except InvalidStatus as error:
            return error.response.status_code

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                kind, message_id, *rest = json.loads(text)
                if kind == 2:
                    self._answer(message_id, *rest)
                else:
                    self._results.put((message_id, rest[0] if kind == 3 else {"CALLERROR": rest}))
        self.close_code = self._socket.protocol.close_code
        self.closed.set()

    def _answer(self, message_id: str, action: str, payload: Payload) -> None:
        self.calls.append((action, payload))
        if action in self.silent:
            return
        found = self.answers.get(action, {} if action.startswith("Get") else ACCEPTED)
        self._socket.send(json.dumps([3, message_id, found(payload) if callable(found) else found]))

    # ------------------------------------------------------------------ what it says

    def call(self, action: str, **payload: Any) -> Payload:
        """A CALL, and its result."""
        message_id = f"{self.name}-{next(self._ids)}"
        self._socket.send(json.dumps([2, message_id, action, payload]))
        while True:
            found, result = self._results.get(timeout=TIMEOUT_S)
            if found == message_id:
                return dict(result)

    def boot(self) -> Payload:
        return self.call("BootNotification", chargePointVendor="Test", chargePointModel="Hand")

    def status(self, status: str, connector: int = 1) -> None:
        self.call("StatusNotification", connectorId=connector, errorCode="NoError", status=status)

    def start(self, id_tag: str = "EV-1", *, connector: int = 1, meter_wh: int = 0, at: str = "") -> int:
        """Plug in and begin; the transaction's id."""
        told = self.call(
            "StartTransaction", connectorId=connector, idTag=id_tag, meterStart=meter_wh, timestamp=at or now()
        )
        assert told["idTagInfo"]["status"] == "Accepted", told
        return int(told["transactionId"])

    def meter(
        self, transaction_id: int, wh: float, amps: float | tuple[float, float, float], *, connector: int = 1
    ) -> None:
        """Tell the register, and the current of each phase."""
        currents = amps if isinstance(amps, tuple) else (amps,) * 3
        values = [{"value": f"{wh:.1f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        for phase, current in enumerate(currents, 1):
            shared = {"phase": f"L{phase}"}
            values.append({"value": f"{current:.1f}", "measurand": "Current.Import", "unit": "A", **shared})
            values.append({"value": f"{VOLTS:.1f}", "measurand": "Voltage", "unit": "V", **shared})
        sample = {"timestamp": now(), "sampledValue": values}
        self.call("MeterValues", connectorId=connector, transactionId=transaction_id, meterValue=[sample])

    def stop(self, transaction_id: int, wh: int, reason: str = "EVDisconnected") -> Payload:
        return self.call("StopTransaction", transactionId=transaction_id, meterStop=wh, timestamp=now(), reason=reason)

    # ------------------------------------------------------------------ what it was told

    def asked(self, action: str) -> list[Payload]:
        return [payload for each, payload in [*self.calls] if each == action]

    def limits_a(self, purpose: str = "TxProfile", connector: int = 1) -> list[float]:
        """The limits that it was given, in their order."""
        return [
            each["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
            for each in self.asked("SetChargingProfile")
            if each["connectorId"] == connector and each["csChargingProfiles"]["chargingProfilePurpose"] == purpose
        ]

    def wait_limit(self, is_it: Callable[[float], bool], what: str, purpose: str = "TxProfile") -> float:
        """Until the last limit is such; returns it."""
        wait_until(
            lambda: any(map(is_it, self.limits_a(purpose)[-1:])), TIMEOUT_S, f"{what}; so far {self.limits_a(purpose)}"
        )
        return self.limits_a(purpose)[-1]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _basic(name: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()


def connector_of(body: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
    """Of a charger as the API shows it."""
    return next(dict(each) for each in body["connectors"] if each["connector"] == number)
