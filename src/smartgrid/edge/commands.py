"""What an operator's commands are in OCPP, and what a charger's answers to them mean. Pure.

A stop is also ordered by the edge itself (`chargers.steering`), of a car that has no session: it is the same call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from smartgrid.edge.ports import OcppVersion, Payload
from smartgrid.protocol.chargers import CommandBody

ACCEPTED = "Accepted"
MAX_ID = 36
"""Characters of a transaction's id in OCPP 2."""
_RESET_KINDS = {"soft": ("Soft", "OnIdle"), "hard": ("Hard", "Immediate")}
_KEY_COMPONENT = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}


class Call(NamedTuple):
    """A CALL to a charger."""

    action: str
    payload: dict[str, Any]


def call_of(body: CommandBody, version: OcppVersion, transaction_id: str | None, start_id: int) -> Call:
    """The call that a command is to a charger of this version; not of rotate-key, which `key_call` is.

    `transaction_id` is that of remote-stop; `start_id` tells remote starts apart in 2.x.
    """
    is_16 = version is OcppVersion.V16
    match body.command:
        case "remote-start":
            return _start_16(body) if is_16 else _start_2(body, start_id)
        case "remote-stop":
            stop = stop_call(transaction_id or "", version)
            if stop is None:
                raise ValueError(f"{transaction_id} is no transaction of {version}")
            return stop
        case "unlock":
            plug = {"connectorId": body.connector} if is_16 else {"evseId": body.connector, "connectorId": 1}
            return Call("UnlockConnector", plug)
        case "reset":
            return Call("Reset", {"type": _RESET_KINDS[body.kind][0 if is_16 else 1]})
        case "trigger":
            return Call("TriggerMessage", {"requestedMessage": body.message, **_place(body, is_16=is_16)})
        case _:
            raise ValueError(f"{body.command} is no call by itself")


def stop_call(transaction_id: str, version: OcppVersion) -> Call | None:
    """Stop a transaction; None where it has no id by which a charger of this version could know it.

    A longer id than OCPP allows is cut: whole it could not be sent at all.
    """
    if version is not OcppVersion.V16:
        return Call("RequestStopTransaction", {"transactionId": transaction_id[:MAX_ID]}) if transaction_id else None
    is_number = transaction_id.isdecimal()
    return Call("RemoteStopTransaction", {"transactionId": int(transaction_id)}) if is_number else None


def key_call(key: str, version: OcppVersion) -> Call:
    """Give the charger another Basic key, which is hexadecimal text: so 1.6 has it (security extensions)."""
    if version is OcppVersion.V16:
        return Call("ChangeConfiguration", {"key": "AuthorizationKey", "value": key})
    return Call("SetVariables", {"setVariableData": [{"attributeValue": key, **_KEY_COMPONENT}]})


def result_of(answer: Payload) -> str:
    """A charger's answer in its own word; "Unknown" where it says none."""
    found: Any = answer.get("status")
    results = answer.get("setVariableResult")
    if isinstance(results, list) and results and isinstance(results[0], Mapping):
        found = results[0].get("attributeStatus")
    return found[:50] if isinstance(found, str) and found else "Unknown"


def _start_16(body: CommandBody) -> Call:
    where = {} if body.connector is None else {"connectorId": body.connector}
    return Call("RemoteStartTransaction", {"idTag": body.id_tag, **where})


def _start_2(body: CommandBody, start_id: int) -> Call:
    where = {} if body.connector is None else {"evseId": body.connector}
    token = {"idToken": body.id_tag, "type": "Central"}
    return Call("RequestStartTransaction", {"idToken": token, "remoteStartId": start_id, **where})


def _place(body: CommandBody, *, is_16: bool) -> dict[str, Any]:
    is_of_plug = body.message == "StatusNotification" and not is_16  # 2.x wants one there, and nowhere else (F06.FR.13)
    connector = 1 if body.connector is None and is_of_plug else body.connector
    if connector is None:
        return {}
    if is_16:
        return {"connectorId": connector}
    return {"evse": {"id": connector, **({"connectorId": 1} if is_of_plug else {})}}
