"""The same charger in OCPP 2.0.1: transactions are events, numbered, with the charger's own id."""

from __future__ import annotations

from typing import Any

import pytest

from chargersim.wire import Wire
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_201 import Dialect201


def charging(*faults: str, **options: Any) -> Wire:
    found = Wire(Dialect201(), *faults, **options)
    found.open()
    found.charger.plug(1, Car(), found.now_s, tag="EV-1")
    found.run(10)
    return found


def transaction_id(found: Wire) -> str:
    return str(found.said("TransactionEvent")[0]["transactionInfo"]["transactionId"])


def profile(
    found: Wire, limit: float, purpose: str = "TxProfile", *, profile_id: int = 1, **schedule: Any
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": profile_id,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                **schedule,
            }
        ],
    }
    if purpose == "TxProfile":
        told["transactionId"] = transaction_id(found)
    return {"evseId": 1, "chargingProfile": told}


def test_a_car_from_plug_to_departure() -> None:
    found = charging()
    found.run(60)
    found.charger.unplug(1, found.now_s)
    found.exchange()

    events = found.said("TransactionEvent")
    assert [each["eventType"] for each in events][:: len(events) - 1] == ["Started", "Ended"]
    assert [each["seqNo"] for each in events] == list(range(len(events)))
    assert events[0]["idToken"]["idToken"] == "EV-1"
    assert {each["transactionInfo"]["transactionId"] for each in events} == {transaction_id(found)}
    assert "MeterValuePeriodic" in [each["triggerReason"] for each in events]
    assert events[-1]["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    assert [each["connectorStatus"] for each in found.said("StatusNotification")][-1] == "Available"


def test_started_may_come_with_the_cable_and_the_token_later() -> None:
    found = charging("starts-at-plug")

    events = found.said("TransactionEvent")
    assert (events[0]["triggerReason"], "idToken" in events[0]) == ("CablePluggedIn", False)
    authorized = next(each for each in events if each["triggerReason"] == "Authorized")
    assert authorized["idToken"]["idToken"] == "EV-1"
    assert found.outlets[0].current_a == 16


def test_power_follows_a_profile_and_falls_back_when_it_runs_out() -> None:
    found = charging()
    default = profile(found, 6.0, "TxDefaultProfile", profile_id=2)
    assert found.command("SetChargingProfile", default) == {"status": "Accepted"}
    assert found.command("SetChargingProfile", profile(found, 12.0, duration=60)) == {"status": "Accepted"}

    found.run(6)
    assert found.outlets[0].current_a == 12
    found.run(60)
    assert found.outlets[0].current_a == 6


def test_a_tx_profile_is_renewed_under_its_own_id_and_no_other() -> None:
    found = charging()
    found.command("SetChargingProfile", profile(found, 12.0, profile_id=1))

    assert found.command("SetChargingProfile", profile(found, 8.0, profile_id=9)) == {"status": "Rejected"}
    assert found.command("SetChargingProfile", profile(found, 8.0, profile_id=1)) == {"status": "Accepted"}


def test_a_tx_profile_needs_a_transaction() -> None:
    found = charging()
    told = profile(found, 8.0)
    del told["chargingProfile"]["transactionId"]

    assert found.command("SetChargingProfile", told) == {"status": "Rejected"}


def test_offline_events_come_late_and_say_so() -> None:
    found = Wire(Dialect201())
    found.open()
    found.close()
    found.charger.plug(1, Car(), found.now_s, tag="EV-1")
    found.run(70)
    found.charger.unplug(1, found.now_s)

    found.open()
    events = found.said("TransactionEvent")
    assert [each["eventType"] for each in events] == ["Started", "Updated", "Ended"]
    assert all(each["offline"] for each in events)
    assert found.charger.kept_messages == 0


def test_variables_are_set_and_read() -> None:
    found = charging()
    place = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
    answer = found.command("SetVariables", {"setVariableData": [{"attributeValue": "10", **place}]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"

    answer = found.command("GetVariables", {"getVariableData": [place]})
    assert answer["getVariableResult"][0]["attributeValue"] == "10"
    assert found.command("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}) == {"status": "NotSupported"}


@pytest.mark.parametrize("is_right", [True, False])
def test_remote_stop_asks_for_the_transaction_by_its_id(is_right: bool) -> None:
    found = charging()
    told = {"transactionId": transaction_id(found) if is_right else "other"}

    assert found.command("RequestStopTransaction", told) == {"status": "Accepted" if is_right else "Rejected"}
    assert (found.outlets[0].power_kw == 0) is is_right
