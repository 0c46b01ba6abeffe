"""OCPP 1.6: what a Central System must answer, by the numbers of the cases of its certification (docs/ocpp-cases.md).

Each is played with a charger whose every word, and whose every answer, is held against OCPP's schemas.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge import commands
from smartgrid.edge.ports import OcppVersion
from smartgrid.edge.tags import Tag
from support.case_charger import CaseCharger
from support.edge_fleet import World


@pytest.fixture
def charger(tmp_path: Path) -> CaseCharger:
    return CaseCharger(tmp_path, OcppVersion.V16)


def charging(charger: CaseCharger, tag: str = "TAG") -> int:
    """A car that charges with 11 kW."""
    charger.status("Preparing")
    charger.authorize(tag)
    transaction = charger.start(tag)["transactionId"]
    charger.status("Charging")
    charger.offer(11.0)
    assert isinstance(transaction, int)
    return transaction


# ---------------------------------------------------------------------- messages that only have to be answered

FIRMWARE = ("Downloading", "Downloaded", "Installing", "Installed", "DownloadFailed", "InstallationFailed", "Idle")
SIGNED = ("SignatureVerified", "InvalidSignature", "InstallVerificationFailed", "InstallRebooting", "InstallScheduled")
TIME = "2027-01-15T08:00:00Z"
ANSWERED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    *(("TC_044_firmware", "FirmwareStatusNotification", {"status": status}, {}) for status in FIRMWARE),
    *(
        ("TC_045_diagnostics", "DiagnosticsStatusNotification", {"status": status}, {})
        for status in ("Uploading", "Uploaded", "UploadFailed", "Idle")
    ),
    ("TC_064_data_transfer", "DataTransfer", {"vendorId": "no.one"}, {"status": "UnknownVendorId"}),
    (
        "TC_064_data_transfer",
        "DataTransfer",
        {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "Authorize", "data": "{}"},
        {"status": "UnknownVendorId"},
    ),
    ("TC_074_sign_certificate", "SignCertificate", {"csr": "-----BEGIN"}, {"status": "Rejected"}),
    (
        "TC_077_security_event",
        "SecurityEventNotification",
        {"type": "InvalidChargePointCertificate", "timestamp": TIME},
        {},
    ),
    (
        "TC_078_security_event",
        "SecurityEventNotification",
        {"type": "InvalidCentralSystemCertificate", "timestamp": TIME, "techInfo": "x"},
        {},
    ),
    *(
        ("TC_079_security_log", "LogStatusNotification", {"status": status, "requestId": 1}, {})
        for status in ("Uploading", "Uploaded", "UploadFailure")
    ),
    *(
        ("TC_080_signed_firmware", "SignedFirmwareStatusNotification", {"status": status, "requestId": 1}, {})
        for status in FIRMWARE[:4]
    ),
    *(
        ("TC_081_signed_firmware", "SignedFirmwareStatusNotification", {"status": status, "requestId": 1}, {})
        for status in SIGNED
    ),
]


@pytest.mark.parametrize(
    ("action", "told", "answer"),
    [each[1:] for each in ANSWERED],
    ids=[f"{case}-{told.get('status', action)}" for case, action, told, _ in ANSWERED],
)
def test_messages_that_are_not_used_are_answered_and_harm_nothing(
    charger: CaseCharger, action: str, told: dict[str, Any], answer: dict[str, Any]
) -> None:
    transaction = charging(charger)
    assert charger.say(action, **told) == answer
    charger.stop(transaction, reason="EVDisconnected")
    assert charger.ended == [(1.0, "EVDisconnected")]


# ---------------------------------------------------------------------- boot and sessions


def test_tc_001_cold_boot(charger: CaseCharger) -> None:
    boot = charger.boot()
    assert (boot["status"], boot["interval"] > 0) == ("Accepted", True)
    charger.status("Available", 0)
    charger.status("Available", 1)
    assert charger.say("Heartbeat")["currentTime"] == charger.world.time()
    assert charger.free == 1


def test_tc_003_plug_first(charger: CaseCharger) -> None:
    charger.status("Preparing")
    assert charger.free == 0
    assert charger.authorize() == {"status": "Accepted"}
    told = charger.start()
    assert (told["idTagInfo"], told["transactionId"] > 0) == ({"status": "Accepted"}, True)
    charger.status("Charging")
    assert charger.sessions == [("TAG", 1)]


def test_tc_004_1_identification_first(charger: CaseCharger) -> None:
    assert charger.authorize() == {"status": "Accepted"}
    charger.status("Preparing")
    assert charger.start()["idTagInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_tc_004_2_identification_first_and_nobody_plugs_in(charger: CaseCharger) -> None:
    charger.authorize()
    charger.status("Preparing")
    charger.status("Available")
    assert charger.sessions == []
    assert charger.free == 1


def test_tc_005_1_the_car_is_disconnected(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.status("SuspendedEV")
    assert charger.stop(transaction, reason="EVDisconnected") == {}
    charger.status("Finishing")
    charger.status("Available")
    assert charger.ended == [(1.0, "EVDisconnected")]
    assert charger.free == 1


def test_tc_005_2_the_car_is_disconnected_and_its_transaction_goes_on(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.status("SuspendedEV")
    charger.run(120)
    charger.status("Charging")
    assert charger.ended == []
    charger.stop(transaction, reason="Local")
    assert charger.ended == [(1.0, "Local")]


def test_tc_007_a_tag_of_its_cache_that_was_not_asked_for(charger: CaseCharger) -> None:
    charger.status("Preparing")
    assert charger.start()["idTagInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_tc_068_stopped_by_the_tag_that_began_it(charger: CaseCharger) -> None:
    transaction = charging(charger)
    assert charger.stop(transaction, idTag="TAG", reason="Local") == {"idTagInfo": {"status": "Accepted"}}
    assert charger.ended == [(1.0, "Local")]


def test_tc_069_stopped_by_another_tag_of_its_group(charger: CaseCharger) -> None:
    charger.world.tags.update({"TAG": Tag("Accepted", "FAMILY"), "HER TAG": Tag("Accepted", "FAMILY")})
    of_family = {"status": "Accepted", "parentIdTag": "FAMILY"}
    assert charger.authorize("TAG") == of_family
    told = charger.start("TAG")
    assert told["idTagInfo"] == of_family
    assert charger.authorize("HER TAG") == of_family
    assert charger.stop(told["transactionId"], idTag="HER TAG", reason="Local") == {"idTagInfo": of_family}
    assert charger.ended == [(1.0, "Local")]


# ---------------------------------------------------------------------- tags that may not charge

REFUSED = {"TC_023_1": "Invalid", "TC_023_2": "Expired", "TC_023_3": "Blocked"}


@pytest.mark.parametrize("status", REFUSED.values(), ids=REFUSED)
def test_tc_023_a_tag_that_may_not_charge(charger: CaseCharger, status: str) -> None:
    charger.world.tags["THIEF"] = Tag(status)
    assert charger.authorize("THIEF") == {"status": status}


def test_tc_024_the_cable_cannot_be_locked(charger: CaseCharger) -> None:
    charger.authorize()
    charger.status("Faulted", error="ConnectorLockFailure")
    assert charger.sessions == []
    assert charger.free == 0


# ---------------------------------------------------------------------- what an operator has it do


def test_tc_010_remote_start_with_the_cable_plugged_in(charger: CaseCharger) -> None:
    charger.status("Preparing")
    order = charger.ordered(command="remote-start", id_tag="TAG", connector=1)
    assert order == ("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
    assert charger.authorize() == {"status": "Accepted"}  # AuthorizeRemoteTxRequests
    charger.start()
    assert charger.sessions == [("TAG", 1)]


def test_tc_011_remote_start_first(charger: CaseCharger) -> None:
    assert charger.ordered(command="remote-start", id_tag="TAG") == ("RemoteStartTransaction", {"idTag": "TAG"})
    charger.status("Preparing")
    charger.start()
    assert charger.sessions == [("TAG", 1)]


def test_tc_011_2_remote_start_and_nobody_plugs_in(charger: CaseCharger) -> None:
    charger.status("Preparing")
    charger.status("Available")
    assert (charger.sessions, charger.free) == ([], 1)


def test_tc_012_remote_stop(charger: CaseCharger) -> None:
    transaction = charging(charger)
    order = charger.ordered(str(transaction), command="remote-stop", connector=1)
    assert order == ("RemoteStopTransaction", {"transactionId": transaction})
    charger.stop(transaction, reason="Remote")
    assert charger.ended == [(1.0, "Remote")]


@pytest.mark.parametrize("kind", ["hard", "soft"], ids=["TC_013", "TC_014"])
def test_tc_013_reset_while_a_car_charges(charger: CaseCharger, kind: str) -> None:
    transaction = charging(charger)
    assert charger.ordered(command="reset", kind=kind) == ("Reset", {"type": kind.title()})
    charger.stop(transaction, reason=f"{kind.title()}Reset")
    charger.connect()
    assert charger.boot()["status"] == "Accepted"
    charger.status("Available")
    assert charger.ended == [(1.0, f"{kind.title()}Reset")]
    assert charger.profiles("TxDefaultProfile")  # they may be gone


@pytest.mark.parametrize("has_car", [False, True], ids=["TC_017", "TC_018"])
def test_tc_017_unlock(charger: CaseCharger, has_car: bool) -> None:
    transaction = charging(charger) if has_car else None
    assert charger.ordered(command="unlock", connector=1) == ("UnlockConnector", {"connectorId": 1})
    if transaction is not None:
        charger.stop(transaction, reason="UnlockCommand")
        assert charger.ended == [(1.0, "UnlockCommand")]


WORDS = {
    "TC_010": "Accepted",
    "TC_026": "Rejected",
    "TC_028": "Rejected",
    "TC_017_1": "Unlocked",
    "TC_017_2": "NotSupported",
    "TC_030": "UnlockFailed",
    "TC_055": "Rejected",
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_tc_026_an_operator_reads_the_chargers_own_word(word: str) -> None:
    assert commands.result_of({"status": word}) == word


@pytest.mark.parametrize("message", ["BootNotification", "StatusNotification", "MeterValues", "Heartbeat"])
def test_tc_054_trigger_message(charger: CaseCharger, message: str) -> None:
    order = charger.ordered(command="trigger", message=message, connector=1)
    assert order == ("TriggerMessage", {"requestedMessage": message, "connectorId": 1})


# ---------------------------------------------------------------------- power and network fail


def test_tc_032_1_a_power_failure_ends_the_transaction_after_the_boot(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.world.fleet.disconnected(charger.link)
    charger.run(60)
    charger.connect()
    charger.boot()
    charger.stop(transaction, meter=500, ago_s=60, reason="PowerLoss")
    charger.status("Available")
    assert charger.ended == [(0.5, "PowerLoss")]


@pytest.mark.parametrize("status", ["Accepted", "Invalid"], ids=["TC_037_1", "TC_037_3"])
def test_tc_037_a_start_while_it_was_offline(charger: CaseCharger, status: str) -> None:
    charger.world.tags["OFFLINE"] = Tag(status)
    told = charger.start("OFFLINE", ago_s=300)
    assert told["idTagInfo"] == {"status": status}
    charger.run(30)
    assert charger.sessions == ([("OFFLINE", 1)] if status == "Accepted" else [])
    stops = charger.asked_for("RemoteStopTransaction")
    assert stops == ([] if status == "Accepted" else [{"transactionId": told["transactionId"]}])


def test_tc_038_a_stop_while_it_was_offline(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.world.fleet.disconnected(charger.link)
    charger.run(600)
    charger.connect()
    assert charger.stop(transaction, ago_s=300, reason="Local") == {}
    assert charger.ended == [(1.0, "Local")]


def test_tc_039_a_start_and_its_stop_while_it_was_offline(charger: CaseCharger) -> None:
    told = charger.start(ago_s=600)
    assert charger.stop(told["transactionId"], ago_s=300, reason="Local") == {}
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == [(1.0, "Local")]


# ---------------------------------------------------------------------- reservations of somebody else


def test_tc_046_a_connector_that_is_reserved_is_not_free_and_the_start_says_by_which(charger: CaseCharger) -> None:
    charger.status("Reserved")
    assert charger.free == 0
    charger.status("Preparing")
    assert charger.start(reservationId=7)["idTagInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_tc_047_a_reservation_runs_out(charger: CaseCharger) -> None:
    charger.status("Reserved")
    charger.status("Available")
    assert charger.free == 1


# ---------------------------------------------------------------------- meter values


def values(charger: CaseCharger, *samples: dict[str, str], transaction: int | None = None) -> None:
    moment = {"timestamp": charger.world.time(), "sampledValue": list(samples)}
    more = {} if transaction is None else {"transactionId": transaction}
    assert charger.say("MeterValues", connectorId=1, meterValue=[moment], **more) == {}


def energy(wh: float, **more: str) -> dict[str, str]:
    return {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh", **more}


def test_tc_070_sampled_values(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.run(60)
    power = {"value": "10500", "measurand": "Power.Active.Import", "unit": "W"}
    values(charger, energy(170, context="Sample.Periodic"), power, transaction=transaction)
    report = charger.world.last_report()
    assert (report.energy_kwh, report.power_kw) == (0.17, 10.5)


@pytest.mark.parametrize("has_car", [True, False])
def test_tc_071_values_by_the_clock_with_a_car_and_without(charger: CaseCharger, has_car: bool) -> None:
    transaction = charging(charger) if has_car else None
    charger.run(60)
    values(charger, energy(170, context="Sample.Clock"), transaction=transaction)
    if has_car:
        assert charger.world.last_report().energy_kwh == 0.17
    else:
        assert charger.sessions == []


def test_signed_values_of_which_the_digits_are_no_number_are_passed_over(charger: CaseCharger) -> None:
    transaction = charging(charger)
    charger.run(60)
    signed = {"value": "31415926535897932384", "format": "SignedData", "context": "Transaction.End"}
    values(charger, energy(170), signed, transaction=transaction)
    assert charger.world.last_report().energy_kwh == 0.17


# ---------------------------------------------------------------------- smart charging


def test_tc_056_an_idle_connector_has_a_default_profile_of_0(charger: CaseCharger) -> None:
    charger.boot()
    profile = charger.profiles("TxDefaultProfile")[-1]
    assert profile["at"] == 1
    assert "transactionId" not in profile
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 0.0, "numberPhases": 3}
    ]


@pytest.mark.parametrize("is_remote", [False, True], ids=["TC_057", "TC_059"])
def test_tc_057_a_car_has_a_profile_of_its_transaction(charger: CaseCharger, is_remote: bool) -> None:
    if is_remote:
        assert "chargingProfile" not in charger.ordered(command="remote-start", id_tag="TAG", connector=1)[1]
    transaction = charging(charger)
    profile = charger.profiles()[-1]
    assert (profile["at"], profile["transactionId"]) == (1, transaction)
    assert profile["chargingProfileKind"] == "Absolute"
    assert profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 15.9


def test_tc_066_the_composite_schedule_is_asked_for_once_a_profile_stands(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(60)
    assert [each["connectorId"] for each in charger.asked_for("GetCompositeSchedule")] == [1]


def test_tc_072_a_car_has_its_profile_on_top_of_the_default_one(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(5)
    of_car, default = charger.profiles()[-1], charger.profiles("TxDefaultProfile")[-1]
    assert of_car["chargingProfileId"] != default["chargingProfileId"]
    assert default["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 6.0


# ---------------------------------------------------------------------- settings


def test_tc_019_one_setting_is_asked_for(charger: CaseCharger) -> None:
    charger.run(5)
    assert charger.asked_for("GetConfiguration") == [{"key": ["ChargingScheduleAllowedChargingRateUnit"]}]


@pytest.mark.parametrize(
    "word",
    ["Accepted", "RebootRequired", "Rejected", "NotSupported"],
    ids=["TC_021", "TC_021_reboot", "TC_040_2", "TC_040_1"],
)
def test_tc_021_settings_are_changed_and_what_is_refused_does_no_harm(tmp_path: Path, word: str) -> None:
    world, asked = World(tmp_path), list[str]()
    link = world.connect()
    for _ in range(40):
        for call in link.take("GetConfiguration"):
            call.accept()
        for call in link.take("ChangeConfiguration"):
            asked.append(call.payload["key"])
            call.accept(status=word)
    assert asked[:2] == ["MeterValueSampleInterval", "LocalAuthorizeOffline"]
    world.start(link)
    assert len(world.grid.starts) == 1


def test_tc_073_a_new_key_is_given_as_hexadecimal_text() -> None:
    call = commands.key_call("00112233445566778899AABBCCDDEEFF00112233", OcppVersion.V16)
    assert call == (
        "ChangeConfiguration",
        {"key": "AuthorizationKey", "value": "00112233445566778899AABBCCDDEEFF00112233"},
    )
