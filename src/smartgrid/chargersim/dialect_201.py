"""OCPP 2.0.1 (and what of it 2.1 has kept), as a charger speaks it (`dialect`).

All that happens to a transaction is an event of it, with an id that the charger has drawn and a number that grows. A
connector is an EVSE, and its status knows only Available and Occupied: what the car does is told by the events.
"""

from __future__ import annotations

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
PURPOSES = {
    "ChargingStationMaxProfile": Purpose.MAX,
    "TxDefaultProfile": Purpose.DEFAULT,
    "TxProfile": Purpose.TX,
}
CHARGING_STATES = {
    State.PREPARING: "EVConnected",
    State.CHARGING: "Charging",
    State.SUSPENDED_EV: "SuspendedEV",
    State.SUSPENDED_EVSE: "SuspendedEVSE",
}
END_TRIGGERS = {
    "EVDisconnected": "EVCommunicationLost",
    "Remote": "RemoteStop",
    "Reboot": "ResetCommand",
    "DeAuthorized": "Deauthorized",
}
VARIABLES = {
    ("SampledDataCtrlr", "TxUpdatedInterval"): "MeterValueSampleInterval",
    ("SampledDataCtrlr", "TxUpdatedMeasurands"): "MeterValuesSampledData",
    ("OCPPCommCtrlr", "HeartbeatInterval"): "HeartbeatInterval",
    ("OCPPCommCtrlr", "WebSocketPingInterval"): "WebSocketPingInterval",
    ("SmartChargingCtrlr", "ProfileStackLevel"): "ChargeProfileMaxStackLevel",
    ("SecurityCtrlr", "BasicAuthPassword"): "AuthorizationKey",
}


class Dialect201:
    def __init__(self, subprotocol: str = "ocpp2.0.1") -> None:
        self.subprotocol = subprotocol

    def boot(self, identity: Identity) -> Said:
        station = {
            "vendorName": identity.vendor,
            "model": identity.model,
            "firmwareVersion": identity.firmware,
            "serialNumber": identity.name[:25],
        }
        return Said("BootNotification", {"reason": "PowerUp", "chargingStation": station})

    def status(self, connector: int, state: State, wall_s: float) -> Said:
        told = state.value if state in (State.AVAILABLE, State.FAULTED) else "Occupied"
        return Said(
            "StatusNotification",
            {"timestamp": iso(wall_s), "connectorStatus": told, "evseId": connector, "connectorId": 1},
        )

    def heartbeat(self) -> Said:
        return Said("Heartbeat", {})

    def authorize(self, tag: str) -> Said:
        return Said("Authorize", {"idToken": _token(tag)})

    def began(self, transaction: Transaction, state: State, samples: Sequence[Sample]) -> Said:
        by_cable = not transaction.is_authorized
        trigger = "CablePluggedIn" if by_cable else "RemoteStart" if transaction.was_remote else "Authorized"
        told = _event(transaction, "Started", trigger, transaction.started_wall_s, state, transaction.began_offline)
        told["meterValue"] = [_meter_value(samples, transaction.started_wall_s, "Transaction.Begin")]
        if not by_cable:
            told["idToken"] = _token(transaction.tag)
        return Said("TransactionEvent", told)

    def reading(
        self, transaction: Transaction, state: State, samples: Sequence[Sample], wall_s: float, *, offline: bool
    ) -> Said:
        told = _event(transaction, "Updated", "MeterValuePeriodic", wall_s, state, offline)
        told["meterValue"] = [_meter_value(samples, wall_s, "Sample.Periodic")]
        return Said("TransactionEvent", told)

    def authorized(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        trigger = "RemoteStart" if transaction.was_remote else "Authorized"
        told = _event(transaction, "Updated", trigger, wall_s, state, offline)
        told["idToken"] = _token(transaction.tag)
        return Said("TransactionEvent", told)

    def changed(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        return Said("TransactionEvent", _event(transaction, "Updated", "ChargingStateChanged", wall_s, state, offline))

    def ended(self, transaction: Transaction, samples: Sequence[Sample], *, offline: bool) -> Said:
        assert transaction.ended_wall_s is not None
        trigger = END_TRIGGERS.get(transaction.reason, "StopAuthorized")
        told = _event(transaction, "Ended", trigger, transaction.ended_wall_s, None, offline)
        told["transactionInfo"]["stoppedReason"] = transaction.reason
        told["meterValue"] = [_meter_value(samples, transaction.ended_wall_s, "Transaction.End")]
        if transaction.tag:
            told["idToken"] = _token(transaction.tag)
        return Said("TransactionEvent", told)

    def names_transactions(self) -> bool:
        return True

    def is_accepted(self, answer: Payload) -> bool:
        info = answer.get("idTokenInfo")
        return not isinstance(info, Mapping) or info.get("status") == "Accepted"

    def transaction_id(self, answer: Payload) -> str | None:
        return None

    def handle(self, commands: Commands, action: str, payload: Payload) -> Payload:
        handler = _HANDLERS.get(action)
        if handler is None:
            raise UnknownActionError(action)
        return handler(commands, payload)


def _token(tag: str) -> dict[str, str]:
    return {"idToken": tag, "type": "ISO14443"}


def _event(
    transaction: Transaction, kind: str, trigger: str, wall_s: float, state: State | None, offline: bool
) -> dict[str, Any]:
    info: dict[str, Any] = {"transactionId": transaction.transaction_id}
    if state in CHARGING_STATES:
        info["chargingState"] = CHARGING_STATES[state]
    told: dict[str, Any] = {
        "eventType": kind,
        "timestamp": iso(wall_s),
        "triggerReason": trigger,
        "seqNo": transaction.next_sequence(),
        "transactionInfo": info,
        "evse": {"id": transaction.connector, "connectorId": 1},
    }
    if offline:
        told["offline"] = True
    return told


def _meter_value(samples: Sequence[Sample], wall_s: float, context: str) -> dict[str, Any]:
    return {"timestamp": iso(wall_s), "sampledValue": [_sampled(each, context) for each in samples]}


def _sampled(sample: Sample, context: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "value": round(sample.value, 3),
        "measurand": sample.measurand,
        "context": context,
        "unitOfMeasure": {"unit": sample.unit},
    }
    if sample.phase is not None:
        told["phase"] = sample.phase
    return told


def _set_profile(commands: Commands, payload: Payload) -> Payload:
    told = payload["chargingProfile"]
    schedule = told["chargingSchedule"][0]
    purpose = PURPOSES.get(told["chargingProfilePurpose"])
    if purpose is None:
        return REJECTED
    profile = Profile(
        profile_id=told["id"],
        connector=payload["evseId"],
        purpose=purpose,
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
        transaction_id=told.get("transactionId"),
    )
    if purpose is Purpose.TX and profile.transaction_id is None:
        return REJECTED
    return ACCEPTED if commands.set_profile(profile) else REJECTED


def _clear_profile(commands: Commands, payload: Payload) -> Payload:
    criteria = payload.get("chargingProfileCriteria") or {}
    purpose = criteria.get("chargingProfilePurpose")
    cleared = commands.clear_profiles(
        payload.get("chargingProfileId"),
        criteria.get("evseId"),
        PURPOSES.get(purpose) if purpose else None,
        criteria.get("stackLevel"),
    )
    return {"status": "Accepted" if cleared else "Unknown"}


def _composite_schedule(commands: Commands, payload: Payload) -> Payload:
    connector = payload["evseId"]
    if connector not in commands.connectors():
        return REJECTED
    limit_a = round(commands.allowed_a(connector), 1)
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": connector,
            "duration": payload["duration"],
            "scheduleStart": iso(commands.wall_s()),
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
        },
    }


def _key(told: Mapping[str, Any]) -> str | None:
    return VARIABLES.get((told["component"]["name"], told["variable"]["name"]))


def _set_variables(commands: Commands, payload: Payload) -> Payload:
    results = []
    for told in payload["setVariableData"]:
        key = _key(told)
        if key is None:
            status = "UnknownVariable"
        else:
            status = "Accepted" if commands.configure(key, told["attributeValue"]) else "Rejected"
        results.append({"attributeStatus": status, "component": told["component"], "variable": told["variable"]})
    return {"setVariableResult": results}


def _get_variables(commands: Commands, payload: Payload) -> Payload:
    results = []
    for told in payload["getVariableData"]:
        key = _key(told)
        value = commands.configuration().get(key) if key else None
        found: dict[str, Any] = {"component": told["component"], "variable": told["variable"]}
        found["attributeStatus"] = "UnknownVariable" if value is None else "Accepted"
        if value is not None:
            found["attributeValue"] = value
        results.append(found)
    return {"getVariableResult": results}


def _trigger(commands: Commands, payload: Payload) -> Payload:
    evse = payload.get("evse") or {}
    done = commands.trigger(payload["requestedMessage"], evse.get("id"))
    return {"status": "Accepted" if done else "NotImplemented"}


def _status(done: bool) -> Payload:
    return ACCEPTED if done else REJECTED


_HANDLERS: dict[str, Callable[[Commands, Payload], Payload]] = {
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite_schedule,
    "SetVariables": _set_variables,
    "GetVariables": _get_variables,
    "TriggerMessage": _trigger,
    "GetBaseReport": lambda c, p: {"status": "NotSupported"},
    "RequestStartTransaction": lambda c, p: _status(c.remote_start(p.get("evseId"), p["idToken"]["idToken"])),
    "RequestStopTransaction": lambda c, p: _status(c.remote_stop(p["transactionId"])),
    "UnlockConnector": lambda c, p: {"status": "Unlocked" if c.unlock(p["evseId"]) else "UnlockFailed"},
    "Reset": lambda c, p: _status(c.reset()),
    "ChangeAvailability": lambda c, p: ACCEPTED,
    "ClearCache": lambda c, p: ACCEPTED,
    "SetNetworkProfile": lambda c, p: REJECTED,
    "DataTransfer": lambda c, p: {"status": "UnknownVendorId"},
}
