"""A simulated charger of OCPP 1.6: what it says, by the schema, and what it does."""

from __future__ import annotations

import pytest

from chargersim.wire import WALL_S, Wire, answer_to, profile_16
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect import iso
from smartgrid.chargersim.dialect_16 import Dialect16


def wire(*faults: str, **options: object) -> Wire:
    found = Wire(Dialect16(), *faults, **options)  # type: ignore[arg-type]
    found.open()
    return found


def charging(*faults: str, **options: object) -> Wire:
    """With a car that has charged for ten seconds."""
    found = wire(*faults, **options)
    found.charger.plug(1, Car(), found.now_s, tag="EV-1")
    found.exchange()
    found.run(10)
    return found


def test_it_boots_once_and_says_its_states() -> None:
    found = wire()
    assert found.actions() == ["BootNotification", "StatusNotification", "StatusNotification"]

    found.close()
    found.open()
    assert found.actions().count("BootNotification") == 1
    assert found.actions()[3:] == ["StatusNotification", "StatusNotification"]


def test_one_that_is_not_accepted_says_nothing_but_boot() -> None:
    found = wire(answer=lambda action, payload, now_s: {"status": "Pending", "currentTime": iso(now_s), "interval": 1})

    found.run(10)
    assert set(found.actions()) == {"BootNotification"}
    assert 2 < len(found.actions()) < 13


def test_a_car_from_plug_to_departure() -> None:
    found = charging()
    found.run(60)
    found.charger.stop(1, found.now_s)
    found.charger.unplug(1, found.now_s)
    found.exchange()

    assert [a for a in found.actions() if a not in ("StatusNotification", "BootNotification")] == [
        "Authorize",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    ]
    states = [told["status"] for told in found.said("StatusNotification") if told["connectorId"] == 1]
    assert states == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    (stop,) = found.said("StopTransaction")
    assert stop["transactionId"] == 77
    assert stop["meterStop"] == int(found.outlets[0].register_kwh * 1000) > 150


def test_a_tag_that_is_not_accepted_charges_nothing() -> None:
    refused = {"idTagInfo": {"status": "Blocked"}}
    found = charging(answer=lambda a, p, s: refused if a == "Authorize" else answer_to(a, p, s))

    assert not found.said("StartTransaction")
    assert found.outlets[0].power_kw == 0


def test_a_start_that_is_refused_ends_at_once() -> None:
    refused = {"transactionId": 5, "idTagInfo": {"status": "Invalid"}}
    found = charging(answer=lambda a, p, s: refused if a == "StartTransaction" else answer_to(a, p, s))

    assert found.said("StopTransaction")[0]["reason"] == "DeAuthorized"
    assert found.outlets[0].power_kw == 0


def test_power_follows_a_profile_within_tick_and_reaction() -> None:
    found = charging()
    assert found.command("SetChargingProfile", profile_16(8.0)) == {"status": "Accepted"}

    found.run(6)
    assert found.outlets[0].current_a == 8


def test_a_profile_that_is_not_renewed_leaves_the_default() -> None:
    found = charging()
    found.command("SetChargingProfile", profile_16(6.0, "TxDefaultProfile", profile_id=2))
    found.command("SetChargingProfile", profile_16(12.0, duration_s=60))
    found.close()  # offline makes no difference

    found.run(59)
    assert found.outlets[0].current_a == 12
    found.run(8)
    assert found.outlets[0].current_a == 6


def test_a_tx_profile_needs_the_transaction_of_its_connector() -> None:
    assert wire().command("SetChargingProfile", profile_16(8.0)) == {"status": "Rejected"}
    assert charging().command("SetChargingProfile", profile_16(8.0, transaction_id=3)) == {"status": "Rejected"}


def test_zero_pauses_and_says_so() -> None:
    found = charging()
    found.command("SetChargingProfile", profile_16(0.0))
    found.run(6)

    assert found.outlets[0].power_kw == 0
    assert found.said("StatusNotification")[-1]["status"] == "SuspendedEVSE"


def test_watts_only_refuses_amperes() -> None:
    found = charging("watts-only")

    assert found.command("SetChargingProfile", profile_16(8.0)) == {"status": "Rejected"}
    assert found.command("SetChargingProfile", profile_16(5520.0, unit="W")) == {"status": "Accepted"}
    found.run(6)
    assert found.outlets[0].current_a == pytest.approx(8.0)


def test_one_that_ignores_accepts_and_goes_on() -> None:
    found = charging("ignores-profiles")
    assert found.command("SetChargingProfile", profile_16(8.0)) == {"status": "Accepted"}

    found.run(30)
    assert found.outlets[0].current_a == 16


def test_one_that_rejects_rejects() -> None:
    assert charging("rejects-profiles").command("SetChargingProfile", profile_16(8.0)) == {"status": "Rejected"}


def test_a_clock_of_1970_finds_an_absolute_profile_not_begun() -> None:
    found = charging("clock-of-1970")
    assert found.said("StartTransaction")[0]["timestamp"] < "1975"
    found.command("SetChargingProfile", profile_16(8.0, start_wall_s=WALL_S, duration_s=600))
    found.run(6)
    assert found.outlets[0].current_a == 16

    found.command("SetChargingProfile", profile_16(8.0, duration_s=600))
    found.run(6)
    assert found.outlets[0].current_a == 8


def test_what_happens_offline_is_told_later_in_order_with_its_own_times() -> None:
    found = wire()
    found.close()
    found.now_s = 100.0
    found.charger.plug(1, Car(), 100.0, tag="EV-1")
    found.run(200)
    found.charger.unplug(1, found.now_s)
    found.run(100)
    assert not found.said("StartTransaction")

    found.open()
    told = [name for name in found.actions() if name in ("StartTransaction", "MeterValues", "StopTransaction")]
    assert told == ["StartTransaction", "MeterValues", "MeterValues", "MeterValues", "StopTransaction"]
    assert {each["transactionId"] for each in found.said("MeterValues")} == {77}
    assert found.said("StopTransaction")[0]["transactionId"] == 77
    assert found.charger.kept_messages == 0


@pytest.mark.parametrize(("fault", "expected"), [("offline-id-minus-one", -1), ("offline-id-zero", 0)])
def test_some_name_an_offline_transaction_by_a_placeholder(fault: str, expected: int) -> None:
    found = wire(fault)
    found.close()
    found.charger.plug(1, Car(), found.now_s, tag="EV-1")
    found.run(70)
    found.charger.unplug(1, found.now_s)

    found.open()
    assert [each["transactionId"] for each in found.said("MeterValues")] == [expected]
    assert found.said("StopTransaction")[0]["transactionId"] == expected


def test_a_transaction_message_is_said_until_it_is_taken() -> None:
    found = wire(call_timeout_s=30.0, retry_pause_s=2.0)
    found.charger.plug(1, Car(), found.now_s)
    found.exchange()
    found.is_deaf = True
    found.charger.swipe(1, "EV-1", found.now_s)  # nobody answers: it lets the car in by itself
    found.run(100)
    assert len(found.said("StartTransaction")) >= 2

    found.is_deaf = False
    found.run(35)
    assert found.charger.kept_messages == 0
    assert len({str(each) for each in found.said("StartTransaction")}) == 1


def test_after_three_errors_a_transaction_message_is_dropped_and_counted() -> None:
    found = charging(answer=lambda a, p, s: None if a == "StartTransaction" else answer_to(a, p, s))
    found.run(60)

    assert len(found.said("StartTransaction")) == 3
    assert found.charger.dropped_messages == 1


def test_a_reboot_ends_what_it_did_and_keeps_profiles_and_messages() -> None:
    found = charging()
    found.command("SetChargingProfile", profile_16(6.0, "TxDefaultProfile", profile_id=2))
    found.charger.reboot(found.now_s)
    assert found.outlets[0].power_kw == 0

    found.open()
    assert found.actions().count("BootNotification") == 2
    assert found.said("StopTransaction")[0]["reason"] == "Reboot"
    found.charger.swipe(1, "EV-1", found.now_s)
    found.exchange()
    found.run(10)
    assert found.outlets[0].current_a == 6


def test_remote_start_and_stop() -> None:
    found = wire()
    assert found.command("RemoteStartTransaction", {"idTag": "EV-9"}) == {"status": "Rejected"}
    found.charger.plug(1, Car(), found.now_s)
    found.exchange()

    assert found.command("RemoteStartTransaction", {"idTag": "EV-9", "connectorId": 1}) == {"status": "Accepted"}
    assert found.said("StartTransaction")[0]["idTag"] == "EV-9"
    assert found.command("RemoteStopTransaction", {"transactionId": 77}) == {"status": "Accepted"}
    assert found.said("StopTransaction")[0]["reason"] == "Remote"


def test_configuration_changes_how_often_it_reads_its_meter() -> None:
    found = charging()
    told = {"key": "MeterValueSampleInterval", "value": "10"}
    assert found.command("ChangeConfiguration", told) == {"status": "Accepted"}

    found.run(60)
    assert len(found.said("MeterValues")) == 6
    answer = found.command("GetConfiguration", {"key": ["MeterValueSampleInterval", "Nonsense"]})
    assert answer["configurationKey"][0]["value"] == "10"
    assert answer["unknownKey"] == ["Nonsense"]


def test_unknown_commands_are_refused() -> None:
    assert wire().command("GetLocalListVersion", {}) == {"error": "NotImplemented"}


def test_a_charger_without_a_power_meter_tells_its_register_alone() -> None:
    found = charging("no-power-meter")
    found.run(60)

    (told,) = found.said("MeterValues")[0]["meterValue"]
    assert [each["measurand"] for each in told["sampledValue"]] == ["Energy.Active.Import.Register"]


def test_unused_phases_may_read_zero_volts() -> None:
    found = wire("zero-volt-phases")
    found.charger.plug(1, Car(phases=1), found.now_s, tag="EV-1")
    found.run(70)

    (told,) = found.said("MeterValues")[0]["meterValue"]
    volts = {each["phase"]: each["value"] for each in told["sampledValue"] if each["measurand"] == "Voltage"}
    assert volts == {"L1-N": "230.000", "L2-N": "0.000", "L3-N": "0.000"}


def test_repeats_come_under_another_message_id() -> None:
    found = charging("repeats-messages")

    first, second = [
        message_id
        for message_id, action in zip(found.message_ids, found.actions(), strict=True)
        if action == "StartTransaction"
    ]
    assert first != second
