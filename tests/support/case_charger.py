"""A charger that plays a case of OCPP's certification: what either side says is held against the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartgrid.edge import commands
from smartgrid.edge.ocpp import schemas
from smartgrid.edge.ports import OcppVersion
from smartgrid.protocol.chargers import CommandBody
from support.edge_fleet import Called, World

METER = {"measurand": "Energy.Active.Import.Register"}


class CaseCharger:
    """Connected, and settled, as `link` of `world`; `say` is a message of it and returns the edge's answer."""

    def __init__(self, data_dir: Path, version: OcppVersion, connectors: int = 1) -> None:
        self.version, self.world = version, World(data_dir, connectors)
        self._is_16 = version is OcppVersion.V16
        self._seq_no = -1
        self.connect()

    def connect(self) -> None:
        """Also again."""
        self.link = self.world.connect(version=self.version)
        self.asked: list[Called] = []
        self._answer_all()

    # ------------------------------------------------------------------ what it says

    def say(self, action: str, /, **payload: Any) -> Any:
        self._hold(action, schemas.REQUEST, payload)
        answer = self.link.say(action, **payload)
        assert answer is not None, f"{action} has no answer; refused: {self.link.refused}"
        self._hold(action, schemas.RESPONSE, answer)
        return answer

    def boot(self) -> Any:
        if self._is_16:
            return self.say("BootNotification", chargePointVendor="V", chargePointModel="M")
        return self.say("BootNotification", reason="PowerUp", chargingStation={"vendorName": "V", "model": "M"})

    def status(self, status: str, connector: int = 1, plug: int = 1, ago_s: float = 0, error: str = "NoError") -> None:
        at = self.world.time(ago_s)
        if self._is_16:
            told = {"connectorId": connector, "status": status, "errorCode": error, "timestamp": at}
        else:
            told = {"evseId": connector, "connectorId": plug, "connectorStatus": status, "timestamp": at}
        assert self.say("StatusNotification", **told) == {}

    def authorize(self, tag: str = "TAG", kind: str = "ISO14443") -> Any:
        if self._is_16:
            return self.say("Authorize", idTag=tag)["idTagInfo"]
        return self.say("Authorize", idToken={"idToken": tag, "type": kind})["idTokenInfo"]

    def start(self, tag: str = "TAG", meter: int = 0, ago_s: float = 0, **more: Any) -> Any:
        """StartTransaction of 1.6."""
        told = {"connectorId": 1, "idTag": tag, "meterStart": meter, "timestamp": self.world.time(ago_s), **more}
        return self.say("StartTransaction", **told)

    def stop(self, transaction_id: int, meter: int = 1000, ago_s: float = 0, **more: Any) -> Any:
        """StopTransaction of 1.6."""
        told = {"transactionId": transaction_id, "meterStop": meter, "timestamp": self.world.time(ago_s), **more}
        return self.say("StopTransaction", **told)

    def event(
        self,
        kind: str,
        trigger: str,
        car: str | None = None,
        *,
        tag: str | None = None,
        wh: float | None = None,
        transaction: str = "T1",
        evse: int | None = 1,
        ago_s: float = 0,
        info: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        """A TransactionEvent of 2.x; `info` is more of its transaction."""
        self._seq_no = 0 if kind == "Started" else self._seq_no + 1
        told: dict[str, Any] = {
            "eventType": kind,
            "triggerReason": trigger,
            "timestamp": self.world.time(ago_s),
            "seqNo": self._seq_no,
            "transactionInfo": {
                "transactionId": transaction,
                **({"chargingState": car} if car else {}),
                **(info or {}),
            },
            **more,
        }
        if evse is not None:
            told["evse"] = {"id": evse, "connectorId": 1}
        if tag is not None:
            told["idToken"] = {"idToken": tag, "type": "ISO14443"}
        if wh is not None:
            told["meterValue"] = [{"timestamp": self.world.time(ago_s), "sampledValue": [{"value": wh, **METER}]}]
        return self.say("TransactionEvent", **told)

    # ------------------------------------------------------------------ what it is asked

    def offer(self, *powers_kw: float, **changes: Any) -> None:
        """What the substation gives its sessions; what the edge makes of it is taken."""
        self.world.offer(*powers_kw, **changes)
        self.run(2)

    def run(self, for_s: float) -> None:
        """Time passes, and all that it is asked meanwhile is accepted."""
        for _ in range(max(1, round(for_s * 2))):
            self.world.clock.run(min(for_s, 0.5))
            self._answer_all()

    def asked_for(self, action: str) -> list[Mapping[str, Any]]:
        """Payloads of the calls of this action so far, oldest first."""
        self._answer_all()
        return [each.payload for each in self.asked if each.action == action]

    def profiles(self, purpose: str = "TxProfile") -> list[Mapping[str, Any]]:
        """Those of a purpose that it was given so far, each with its connector as `at`."""
        found = []
        for payload in self.asked_for("SetChargingProfile"):
            profile = payload["csChargingProfiles" if self._is_16 else "chargingProfile"]
            if profile["chargingProfilePurpose"] == purpose:
                found.append({**profile, "at": payload["connectorId" if self._is_16 else "evseId"]})
        return found

    def ordered(self, transaction_id: str | None = None, **command: Any) -> tuple[str, Mapping[str, Any]]:
        """What an operator's command is to it."""
        call = commands.call_of(CommandBody.model_validate(command), self.version, transaction_id, 5)
        self._hold(call.action, schemas.REQUEST, call.payload)
        return call.action, call.payload

    def _answer_all(self) -> None:
        while self.link.calls:
            call = self.link.calls.pop(0)
            self._hold(call.action, schemas.REQUEST, call.payload)
            self.asked.append(call)
            call.accept()
            self.world.clock.run()

    # ------------------------------------------------------------------ what has come of it

    @property
    def sessions(self) -> list[tuple[str, int]]:
        """That have begun: vehicle and connector."""
        return [(order.vehicle_id, order.connector) for order in self.world.grid.starts]

    @property
    def ended(self) -> list[tuple[float | None, str]]:
        """That are over: energy and why."""
        self.run(2)
        return [(order.energy_kwh, order.reason) for order in self.world.grid.ends]

    @property
    def free(self) -> int:
        """Connectors, as its substation is told."""
        self.run(6)
        assert self.world.grid.counted is not None
        return self.world.grid.counted[1]

    def _hold(self, action: str, kind: str, payload: Mapping[str, Any]) -> None:
        wrong = schemas.violation(self.version, action, kind, dict(payload))
        assert wrong is None, f"{action} ({kind}) is against the schema: {wrong}"
