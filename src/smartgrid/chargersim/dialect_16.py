"""OCPP 1.6 JSON, as a charger speaks it (`dialect`).

A transaction is begun and ended by messages of their own, and the other side gives it its id. So what names the
transaction is made only when it is sent, behind the start; if the id is still not known then, it bears -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smartgrid.chargersim.dialect import (
    Commands,
    Identity,
    Payload,
    Said,
    Sample,
    State,
    UnknownActionError,
    iso,
    wall_of,
)
from smartgrid.chargersim.profiles import Kind, Period, Profile, Purpose, Unit
from smartgrid.chargersim.transaction import Transaction

ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}
UNKNOWN_ID = -1


class Dialect16:
    subprotocol = "ocpp1.6"

    def boot(self, identity: Identity) -> Said:
        return Said(
            "BootNotification",
            {
                "chargePointVendor": identity.vendor,
                "chargePointModel": identity.model,
                "firmwareVersion": identity.firmware,
                "chargePointSerialNumber": identity.name[:25],
            },
        )

    def status(self, connector: int, state: State, wall_s: float) -> Said:
        told = {"connectorId": connector, "errorCode": "NoError", "status": state.value, "timestamp": iso(wall_s)}
        return Said("StatusNotification", told)

    def heartbeat(self) -> Said:
        return Said("Heartbeat", {})

    def authorize(self, tag: str) -> Said:
        return Said("Authorize", {"idTag": tag})

    def began(self, transaction: Transaction, state: State, samples: Sequence[Sample]) -> Said:
        return Said(
            "StartTransaction",
            {
                "connectorId": transaction.connector,
                "idTag": transaction.tag,
                "meterStart": _wh(transaction.register_start_kwh),
                "timestamp": iso(transaction.started_wall_s),
            },
        )

    def reading(
        self, transaction: Transaction, state: State, samples: Sequence[Sample], wall_s: float, *, offline: bool
    ) -> Said:
        told: dict[str, Any] = {
            "connectorId": transaction.connector,
            "meterValue": [{"timestamp": iso(wall_s), "sampledValue": [_sampled(each) for each in samples]}],
        }
        if transaction.transaction_id is not None:
            told["transactionId"] = int(transaction.transaction_id)
        return Said("MeterValues", told)

    def authorized(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        return None

    def changed(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        return None

    def ended(self, transaction: Transaction, samples: Sequence[Sample], *, offline: bool) -> Said:
        assert transaction.ended_wall_s is not None
        assert transaction.register_end_kwh is not None
        return Said(
            "StopTransaction",
            {
                "transactionId": int(transaction.transaction_id or UNKNOWN_ID),
                "idTag": transaction.tag,
                "meterStop": _wh(transaction.register_end_kwh),
                "timestamp": iso(transaction.ended_wall_s),
                "reason": transaction.reason,
            },
        )

    def names_transactions(self) -> bool:
        return False

    def is_accepted(self, answer: Payload) -> bool:
        info = answer.get("idTagInfo")
        return not isinstance(info, Mapping) or info.get("status") == "Accepted"

    def transaction_id(self, answer: Payload) -> str | None:
        found = answer.get("transactionId")
        return str(found) if isinstance(found, int) else None

    def handle(self, commands: Commands, action: str, payload: Payload) -> Payload:
        handler = _HANDLERS.get(action)
        if handler is None:
            raise UnknownActionError(action)
        return handler(commands, payload)


def _wh(kwh: float) -> int:
    return math.floor(kwh * 1000)


def _sampled(sample: Sample) -> dict[str, str]:
    told = {"value": f"{sample.value:.3f}", "measurand": sample.measurand, "unit": sample.unit}
    if sample.phase is not None:
        told["phase"] = sample.phase
    return told


def _set_profile(commands: Commands, payload: Payload) -> Payload:
    told = payload["csChargingProfiles"]
    schedule = told["chargingSchedule"]
    profile = Profile(
        profile_id=told["chargingProfileId"],
        connector=payload["connectorId"],
        purpose=Purpose(told["chargingProfilePurpose"]),
        stack_level=told["stackLevel"],
        kind=Kind(told["chargingProfileKind"]),
        unit=Unit(schedule["chargingRateUnit"]),
        periods=tuple(
            Period(each["startPeriod"], each["limit"], each.get("numberPhases", 3))
            for each in schedule["chargingSchedulePeriod"]
        ),
        set_wall_s=commands.wall_s(),
        duration_s=schedule.get("duration"),
        start_wall_s=wall_of(schedule.get("startSchedule")),
        valid_from_wall_s=wall_of(told.get("validFrom")),
        valid_to_wall_s=wall_of(told.get("validTo")),
        transaction_id=str(told["transactionId"]) if "transactionId" in told else None,
    )
    return ACCEPTED if commands.set_profile(profile) else REJECTED


def _clear_profile(commands: Commands, payload: Payload) -> Payload:
    purpose = payload.get("chargingProfilePurpose")
    cleared = commands.clear_profiles(
        payload.get("id"), payload.get("connectorId"), Purpose(purpose) if purpose else None, payload.get("stackLevel")
    )
    return {"status": "Accepted" if cleared else "Unknown"}


def _composite_schedule(commands: Commands, payload: Payload) -> Payload:
    connector = payload["connectorId"]
    if connector not in commands.connectors():
        return REJECTED
    limit_a = round(commands.allowed_a(connector), 1)
    return {
        "status": "Accepted",
        "connectorId": connector,
        "scheduleStart": iso(commands.wall_s()),
        "chargingSchedule": {
            "duration": payload["duration"],
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
        },
    }


def _get_configuration(commands: Commands, payload: Payload) -> Payload:
    known = commands.configuration()
    wanted = payload.get("key") or list(known)
    return {
        "configurationKey": [{"key": k, "readonly": False, "value": known[k]} for k in wanted if k in known],
        "unknownKey": [key for key in wanted if key not in known],
    }


def _change_configuration(commands: Commands, payload: Payload) -> Payload:
    if payload["key"] not in commands.configuration() and payload["key"] != "AuthorizationKey":
        return {"status": "NotSupported"}
    return ACCEPTED if commands.configure(payload["key"], payload["value"]) else REJECTED


def _trigger(commands: Commands, payload: Payload) -> Payload:
    done = commands.trigger(payload["requestedMessage"], payload.get("connectorId"))
    return {"status": "Accepted" if done else "NotImplemented"}


def _status(done: bool) -> Payload:
    return ACCEPTED if done else REJECTED


_HANDLERS: dict[str, Callable[[Commands, Payload], Payload]] = {
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite_schedule,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "TriggerMessage": _trigger,
    "RemoteStartTransaction": lambda c, p: _status(c.remote_start(p.get("connectorId"), p["idTag"])),
    "RemoteStopTransaction": lambda c, p: _status(c.remote_stop(str(p["transactionId"]))),
    "UnlockConnector": lambda c, p: {"status": "Unlocked" if c.unlock(p["connectorId"]) else "UnlockFailed"},
    "Reset": lambda c, p: _status(c.reset()),
    "ChangeAvailability": lambda c, p: ACCEPTED,
    "ClearCache": lambda c, p: ACCEPTED,
    "DataTransfer": lambda c, p: {"status": "UnknownVendorId"},
}
