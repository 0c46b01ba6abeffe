"""OCPP's schemas, as PyPI `ocpp` has them."""

from __future__ import annotations

import json

import pytest
from pydantic_core import from_json

from smartgrid.edge.ocpp import schemas
from smartgrid.edge.ocpp.schemas import REQUEST, RESPONSE, actions, violation
from smartgrid.edge.ports import OcppVersion

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
WITHOUT_ANSWER = {"NotifyPeriodicEventStream"}


@pytest.mark.parametrize("version", [V16, V201, V21])
def test_all_compile_and_every_action_has_both(version: OcppVersion) -> None:
    for action in actions(version):
        for kind in (REQUEST, RESPONSE):
            if kind == REQUEST or action not in WITHOUT_ANSWER:
                violation(version, action, kind, {})


def test_each_version_has_its_own_actions() -> None:
    assert {"StartTransaction", "ChangeConfiguration"} <= actions(V16) - actions(V201)
    assert {"TransactionEvent", "SetVariables"} <= actions(V201) - actions(V16)
    assert "NotifyPeriodicEventStream" in actions(V21) - actions(V201)
    assert (len(actions(V16)), len(actions(V201)), len(actions(V21))) == (39, 64, 91)


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert violation(V16, "Heartbeat", REQUEST, {}) is None
    assert violation(V16, "Heartbeat", REQUEST, {"a": 1}) is not None
    found = violation(V16, "StatusNotification", REQUEST, {"connectorId": "1", "errorCode": "NoError", "status": "On"})
    assert found is not None
    assert "connectorId: " in found
    assert "status: " in found


def test_what_is_said_is_not_longer_than_it_must_be() -> None:
    found = violation(V16, "Authorize", REQUEST, {"idTag": "x" * 60_000})
    assert found is not None
    assert len(found) < 1000


def test_an_action_of_another_version_is_an_error() -> None:
    with pytest.raises(KeyError):
        violation(V16, "TransactionEvent", REQUEST, {})


def test_limits_with_one_decimal_are_all_within_the_schema_of_1_6() -> None:
    """`multipleOf 0.1` in binary floats refuses some of them in other checkers."""
    for tenths in range(0, 5000):
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": tenths / 10}],
            },
        }
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        assert violation(V16, "SetChargingProfile", REQUEST, payload) is None, tenths


@pytest.mark.parametrize("text", ["1" + "0" * 60, "-0.0", '"\\u0000"', "[" * 100 + "]" * 100])
def test_strange_values_are_checked_and_not_choked_on(text: str) -> None:
    assert violation(V16, "Heartbeat", REQUEST, from_json(json.dumps({"a": json.loads(text)}))) is not None


def test_the_code_of_the_package_is_not_loaded() -> None:
    assert schemas._files(V16)
    import subprocess
    import sys

    program = (
        "import sys; from smartgrid.edge.ocpp import schemas; from smartgrid.edge.ports import OcppVersion;"
        "schemas.violation(OcppVersion.V16, 'Heartbeat', 'Request', {});"
        "print([name for name in sys.modules if name.startswith(('ocpp.', 'jsonschema.'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
