"""Nothing that a charger may ask goes unanswered: each action of each version, with the least and with all it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from smartgrid.edge.ocpp import schemas
from smartgrid.edge.ports import OcppVersion
from support.edge_fleet import World

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
BOTH = {
    "Authorize", "BootNotification", "DataTransfer", "FirmwareStatusNotification", "Heartbeat", "LogStatusNotification",
    "MeterValues", "SecurityEventNotification", "SignCertificate", "StatusNotification",
}  # fmt: skip
OF_2 = BOTH | {
    "ClearedChargingLimit", "Get15118EVCertificate", "GetCertificateStatus", "NotifyChargingLimit",
    "NotifyCustomerInformation", "NotifyDisplayMessages", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule",
    "NotifyEvent", "NotifyMonitoringReport", "NotifyReport", "PublishFirmwareStatusNotification",
    "ReportChargingProfiles", "ReservationStatusUpdate", "TransactionEvent",
}  # fmt: skip
OF_CHARGERS = {
    V16: BOTH
    | {"DiagnosticsStatusNotification", "SignedFirmwareStatusNotification", "StartTransaction", "StopTransaction"},
    V201: OF_2,
    V21: OF_2
    | {
        "BatterySwap", "ClosePeriodicEventStream", "NotifyDERAlarm", "NotifyDERStartStop", "NotifyPriorityCharging",
        "OpenPeriodicEventStream", "ReportDERControl",
    },
}  # fmt: skip
"""What is answered. Of 2.1 there are tariffs, tax numbers, certificate chains and dynamic schedules besides."""
EVERY = [(version, action) for version, actions in OF_CHARGERS.items() for action in sorted(actions)]


def example(schema: dict[str, Any], root: dict[str, Any], *, is_full: bool, depth: int = 0) -> Any:
    """A value that the schema allows: with what it must have, or with all it may."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example(root["definitions"][name], root, is_full=is_full, depth=depth + 1)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        wanted = set(schema.get("required", ()))
        if is_full and depth < 6:
            wanted |= set(schema.get("properties", ())) - {"customData"}
        return {
            name: example(each, root, is_full=is_full, depth=depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name in wanted
        }
    if kind == "array":
        return [example(schema["items"], root, is_full=is_full, depth=depth + 1)]
    if kind == "string":
        return "2026-11-26T12:00:00Z" if schema.get("format") == "date-time" else "1"
    return True if kind == "boolean" else min(max(1, schema.get("minimum", 1)), schema.get("maximum", 1))


@pytest.mark.parametrize("is_full", [False, True], ids=["least", "all"])
@pytest.mark.parametrize(("version", "action"), EVERY, ids=str)
def test_what_a_charger_may_ask_has_an_answer_by_the_schema(
    tmp_path: Path, version: OcppVersion, action: str, is_full: bool
) -> None:
    world = World(tmp_path)
    link = world.connect(version=version)
    schema = from_json(schemas._files(version)[action, schemas.REQUEST].read_bytes().removeprefix(b"\xef\xbb\xbf"))
    payload = example(schema, schema, is_full=is_full)
    assert schemas.violation(version, action, schemas.REQUEST, payload) is None

    world.fleet.called(link, "m1", action, payload)
    world.clock.run(1)
    answer = link.answers["m1"]
    assert schemas.violation(version, action, schemas.RESPONSE, answer) is None


@pytest.mark.parametrize("version", list(OcppVersion))
def test_all_else_is_recognized_and_not_supported(tmp_path: Path, version: OcppVersion) -> None:
    world = World(tmp_path)
    link = world.connect(version=version)
    others = sorted(schemas.actions(version) - OF_CHARGERS[version])
    for action in others:
        world.fleet.called(link, action, action, {})
    assert link.answers == {}
    assert link.refused == dict.fromkeys(others, "NotSupported")
