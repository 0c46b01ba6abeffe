"""OCPP 2.0.1 and 2.1: what a CSMS must answer, by the numbers of the use cases of part 2 (docs/ocpp-cases.md).

Each is played with a charger whose every word, and whose every answer, is held against OCPP's schemas.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge import commands
from smartgrid.edge.ports import OcppVersion, Outcome
from smartgrid.edge.tags import Tag
from support.case_charger import CaseCharger

V201, V21 = OcppVersion.V201, OcppVersion.V21


@pytest.fixture(params=[V201, V21], ids=str)
def charger(tmp_path: Path, request: pytest.FixtureRequest) -> CaseCharger:
    return CaseCharger(tmp_path, request.param)


def plugged(charger: CaseCharger) -> None:
    charger.status("Occupied")
    charger.event("Started", "CablePluggedIn", "EVConnected")


def charging(charger: CaseCharger) -> None:
    """A car that charges with 11 kW, in the transaction T1: the cable first, then the tag."""
    plugged(charger)
    assert charger.event("Updated", "Authorized", "EVConnected", tag="TAG")["idTokenInfo"]["status"] == "Accepted"
    charger.event("Updated", "ChargingStateChanged", "Charging", wh=0)
    charger.offer(11.0)


# ---------------------------------------------------------------------- messages that only have to be answered

TIME = "2027-01-15T08:00:00Z"
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
}
PROFILE = {
    "id": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "ChargingStationExternalConstraints",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [SCHEDULE],
}
CERTIFICATE = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "1",
    "responderURL": "http://127.0.0.1:9/ocsp",
}
ISO_15118 = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": "AA=="}
REPORT = {"requestId": 1, "generatedAt": TIME, "seqNo": 0, "tbc": False}
EVENT = {
    "eventId": 1,
    "timestamp": TIME,
    "trigger": "Delta",
    "actualValue": "true",
    "eventNotificationType": "HardWiredNotification",
    "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
    "variable": {"name": "Problem"},
}
ANSWERED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("A02_sign_certificate", "SignCertificate", {"csr": "-----BEGIN"}, {"status": "Rejected"}),
    ("A04_security_event", "SecurityEventNotification", {"type": "TamperDetectionActivated", "timestamp": TIME}, {}),
    ("B07_report", "NotifyReport", REPORT, {}),
    ("G05_lock_failure", "NotifyEvent", {"generatedAt": TIME, "seqNo": 0, "eventData": [EVENT]}, {}),
    (
        "H04_reservation_removed",
        "ReservationStatusUpdate",
        {"reservationId": 1, "reservationUpdateStatus": "Removed"},
        {},
    ),
    (
        "K09_profiles_reported",
        "ReportChargingProfiles",
        {"requestId": 1, "evseId": 1, "chargingLimitSource": "EMS", "chargingProfile": [PROFILE]},
        {},
    ),
    (
        "K11_external_limit",
        "NotifyChargingLimit",
        {"evseId": 1, "chargingLimit": {"chargingLimitSource": "EMS"}, "chargingSchedule": [SCHEDULE]},
        {},
    ),
    (
        "K12_external_limit_of_the_station",
        "NotifyChargingLimit",
        {"chargingLimit": {"chargingLimitSource": "SO", "isGridCritical": True}},
        {},
    ),
    ("K13_external_limit_released", "ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": 1}, {}),
    *(
        ("L01_firmware", "FirmwareStatusNotification", {"status": status, "requestId": 1}, {})
        for status in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed", "InvalidSignature")
    ),
    ("L03_published", "PublishFirmwareStatusNotification", {"status": "PublishFailed", "requestId": 1}, {}),
    ("M01_contract_certificate", "Get15118EVCertificate", ISO_15118, {"status": "Failed", "exiResponse": ""}),
    ("M06_certificate_status", "GetCertificateStatus", {"ocspRequestData": CERTIFICATE}, {"status": "Failed"}),
    ("N01_log", "LogStatusNotification", {"status": "Uploaded", "requestId": 1}, {}),
    ("N02_monitoring_report", "NotifyMonitoringReport", REPORT, {}),
    ("N07_event", "NotifyEvent", {"generatedAt": TIME, "seqNo": 0, "eventData": [EVENT]}, {}),
    (
        "N09_customer_information",
        "NotifyCustomerInformation",
        {"data": "x", "seqNo": 0, "generatedAt": TIME, "requestId": 1},
        {},
    ),
    ("O03_display_messages", "NotifyDisplayMessages", {"requestId": 1}, {}),
    ("P02_data_transfer", "DataTransfer", {"vendorId": "no.one"}, {"status": "UnknownVendorId"}),
]


@pytest.mark.parametrize(
    ("action", "told", "answer"), [each[1:] for each in ANSWERED], ids=[each[0] for each in ANSWERED]
)
def test_messages_that_are_not_used_are_answered_and_harm_nothing(
    charger: CaseCharger, action: str, told: dict[str, Any], answer: dict[str, Any]
) -> None:
    charging(charger)
    profiles = len(charger.profiles())
    assert charger.say(action, **told) == answer
    charger.run(1)
    assert len(charger.profiles()) == profiles
    charger.event("Ended", "EVDeparted", wh=1000, info={"stoppedReason": "EVDisconnected"})
    assert charger.ended == [(1.0, "EVDisconnected")]


# ---------------------------------------------------------------------- B: provisioning


def test_b01_g02_cold_boot_and_heartbeat(charger: CaseCharger) -> None:
    boot = charger.boot()
    assert (boot["status"], boot["interval"] > 0) == ("Accepted", True)
    charger.status("Available")
    assert charger.say("Heartbeat")["currentTime"] == charger.world.time()
    assert charger.free == 1


def test_b05_variables_are_set_one_by_one_and_b06_one_is_asked_for(charger: CaseCharger) -> None:
    charger.run(5)
    (asked,) = charger.asked_for("GetVariables")
    assert asked["getVariableData"][0]["variable"] == {"name": "RateUnit"}
    names = [each["setVariableData"][0]["variable"]["name"] for each in charger.asked_for("SetVariables")]
    assert names[:3] == ["TxUpdatedInterval", "LocalAuthorizeOffline", "OfflineTxForUnknownIdEnabled"]


@pytest.mark.parametrize(("kind", "word"), [("soft", "OnIdle"), ("hard", "Immediate")], ids=["B11", "B12"])
def test_b12_reset(charger: CaseCharger, kind: str, word: str) -> None:
    charging(charger)
    assert charger.ordered(command="reset", kind=kind) == ("Reset", {"type": word})
    charger.event("Ended", "ResetCommand", wh=1000, info={"stoppedReason": "ImmediateReset"})
    charger.connect()
    assert charger.boot()["status"] == "Accepted"
    assert charger.ended == [(1.0, "ImmediateReset")]


# ---------------------------------------------------------------------- C: authorization


@pytest.mark.parametrize("kind", ["ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "eMAID", "Central"])
def test_c01_c04_c05_c06_a_token_of_any_type(charger: CaseCharger, kind: str) -> None:
    charger.world.refused_tags.add("THIEF")
    assert charger.authorize("1234", kind) == {"status": "Accepted"}
    assert charger.authorize("THIEF", kind) == {"status": "Invalid"}


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
def test_c01_e05_a_token_that_may_not_charge(charger: CaseCharger, status: str) -> None:
    charger.world.tags["THIEF"] = Tag(status)
    assert charger.authorize("THIEF") == {"status": status}
    plugged(charger)
    assert charger.event("Updated", "Authorized", tag="THIEF")["idTokenInfo"] == {"status": status}
    charger.run(15)
    assert charger.sessions == []
    assert charger.asked_for("RequestStopTransaction") == []  # nothing flows, and another token may come
    charger.event("Updated", "ChargingStateChanged", "Charging")
    charger.run(15)
    assert charger.asked_for("RequestStopTransaction") == [{"transactionId": "T1"}]


@pytest.mark.parametrize("after_s", [2, 120])
def test_e05_the_right_token_after_a_wrong_one(charger: CaseCharger, after_s: float) -> None:
    charger.world.refused_tags.add("THIEF")
    plugged(charger)
    charger.event("Updated", "Authorized", "EVConnected", tag="THIEF")
    charger.event("Updated", "Deauthorized", "EVConnected")
    charger.run(after_s)
    assert charger.event("Updated", "Authorized", tag="TAG")["idTokenInfo"] == {"status": "Accepted"}
    charger.event("Updated", "ChargingStateChanged", "Charging", wh=0)
    charger.offer(11.0)
    charger.run(30)
    assert charger.sessions == [("TAG", 1)]
    assert charger.profiles()[-1]["transactionId"] == "T1"
    assert charger.asked_for("RequestStopTransaction") == []


def test_e05_one_that_draws_all_the_same_is_stopped(charger: CaseCharger) -> None:
    charger.world.refused_tags.add("THIEF")
    plugged(charger)
    charger.event("Updated", "Authorized", "EVConnected", tag="THIEF")
    sample = {"value": 10_500, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}}
    charger.event(
        "Updated", "MeterValuePeriodic", meterValue=[{"timestamp": charger.world.time(), "sampledValue": [sample]}]
    )
    charger.run(15)
    assert charger.asked_for("RequestStopTransaction") == [{"transactionId": "T1"}]


def test_e05_it_comes_before_the_car_too(charger: CaseCharger) -> None:
    charger.world.refused_tags.add("THIEF")
    charger.event("Started", "Authorized", tag="THIEF")
    charger.event("Updated", "Authorized", tag="TAG")
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    charger.run(30)
    assert charger.sessions == [("TAG", 1)]
    assert charger.asked_for("RequestStopTransaction") == []


def test_e05_a_right_token_does_not_revive_what_the_substation_has_refused(charger: CaseCharger) -> None:
    charger.world.grid.outcome = Outcome.REFUSED
    plugged(charger)
    charger.event("Updated", "Authorized", "Charging", tag="TAG")
    charger.world.grid.outcome = Outcome.DONE
    charger.event("Updated", "Authorized", tag="HER TAG")
    charger.run(60)
    assert charger.sessions == []
    assert charger.asked_for("RequestStopTransaction")


def test_c02_a_start_button(charger: CaseCharger) -> None:
    button = {"idToken": "", "type": "NoAuthorization"}
    plugged(charger)
    assert charger.event("Updated", "Authorized", idToken=button)["idTokenInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("CP1/1", 1)]


def test_c07_a_contract_certificate_is_not_checked_and_its_emaid_is_a_tag(charger: CaseCharger) -> None:
    answer = charger.say(
        "Authorize", idToken={"idToken": "DE1", "type": "eMAID"}, iso15118CertificateHashData=[CERTIFICATE]
    )
    assert answer == {"idTokenInfo": {"status": "Accepted"}}


def test_c09_tokens_of_a_group(charger: CaseCharger) -> None:
    charger.world.tags.update({"TAG": Tag("Accepted", "FAMILY"), "HER TAG": Tag("Accepted", "FAMILY")})
    of_family = {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}
    assert charger.authorize("HER TAG") == of_family
    plugged(charger)
    assert charger.event("Updated", "Authorized", tag="TAG", wh=0)["idTokenInfo"] == of_family
    answer = charger.event("Updated", "StopAuthorized", "EVConnected", tag="HER TAG", wh=1000)
    assert answer["idTokenInfo"] == of_family
    charger.event("Ended", "EVDeparted", info={"stoppedReason": "Local"})
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == [(1.0, "Local")]


def test_c15_an_invalid_token_that_began_offline_is_told_so_and_stopped(charger: CaseCharger) -> None:
    charger.world.refused_tags.add("THIEF")
    answer = charger.event("Started", "Authorized", "Charging", tag="THIEF", ago_s=300, offline=True)
    assert answer["idTokenInfo"] == {"status": "Invalid"}
    charger.run(15)
    assert charger.sessions == []
    assert charger.asked_for("RequestStopTransaction") == [{"transactionId": "T1"}]


def test_c16_a_master_pass_is_a_token_of_its_group(charger: CaseCharger) -> None:
    charger.world.tags["POLICE"] = Tag("Accepted", "MASTER")
    charging(charger)
    assert charger.authorize("POLICE")["groupIdToken"] == {"idToken": "MASTER", "type": "Central"}
    answer = charger.event("Ended", "StopAuthorized", tag="POLICE", wh=1000, info={"stoppedReason": "MasterPass"})
    assert answer["idTokenInfo"]["groupIdToken"]["idToken"] == "MASTER"
    assert charger.ended == [(1.0, "MasterPass")]


# ---------------------------------------------------------------------- E: transactions


def test_e01_s1_a_car_in_its_bay_is_not_plugged_in(charger: CaseCharger) -> None:
    assert charger.event("Started", "EVDetected") == {}
    charger.event("Updated", "Authorized", tag="TAG")
    assert charger.sessions == []
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


def test_e01_s1_also_where_it_names_no_evse_yet(charger: CaseCharger) -> None:
    assert charger.event("Started", "EVDetected", evse=None) == {}
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    charger.event("Updated", "Authorized", tag="TAG", evse=None)
    assert charger.sessions == [("TAG", 1)]


def test_e01_s2_e02_the_cable_first(charger: CaseCharger) -> None:
    plugged(charger)
    assert charger.sessions == []
    answer = charger.event("Updated", "Authorized", "EVConnected", tag="TAG")
    assert answer["idTokenInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_e01_s3_e03_the_token_first(charger: CaseCharger) -> None:
    assert charger.authorize() == {"status": "Accepted"}
    charger.event("Started", "Authorized", tag="TAG")
    assert charger.sessions == []
    charger.status("Occupied")
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


@pytest.mark.parametrize("trigger", ["Authorized", "CablePluggedIn", "ChargingStateChanged"])
@pytest.mark.parametrize("car", ["EVConnected", "Charging", "SuspendedEVSE"])
def test_e01_s5_s6_a_transaction_that_begins_once_power_may_flow(charger: CaseCharger, trigger: str, car: str) -> None:
    answer = charger.event("Started", trigger, car, tag="TAG", wh=0)
    assert answer["idTokenInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_e01_s4_a_transaction_that_begins_with_signed_data(charger: CaseCharger) -> None:
    assert "idTokenInfo" in charger.event("Started", "SignedDataReceived", "EVConnected", tag="TAG")
    assert charger.sessions == [("TAG", 1)]


def test_e03_nobody_plugs_in(charger: CaseCharger) -> None:
    charger.event("Started", "Authorized", tag="TAG")
    charger.event("Ended", "EVConnectTimeout", info={"stoppedReason": "Timeout"})
    assert (charger.sessions, charger.ended) == ([], [])


def test_e03_a_status_that_comes_late_does_not_end_one_that_waits_for_its_car(charger: CaseCharger) -> None:
    charger.status("Reserved")
    charger.event("Started", "Authorized", tag="TAG")
    charger.status("Available")  # as its reservation is used up
    charger.run(45)
    charger.status("Occupied")
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == []


def test_e03_a_tag_is_remembered_over_a_restart_until_its_car_is_plugged_in(charger: CaseCharger) -> None:
    charger.event("Started", "EVDetected", "Idle")
    charger.event("Updated", "Authorized", "Idle", tag="TAG")
    charger.world.restart()
    charger.connect()
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


def test_e02_a_cable_that_is_pulled_before_the_tag_is_no_car(charger: CaseCharger) -> None:
    charger.event("Started", "EVDetected", "Idle")
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    charger.event("Updated", "EVCommunicationLost", "Idle")
    charger.run(60)
    charger.event("Updated", "Authorized", "Idle", tag="TAG")
    assert charger.sessions == []
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


def test_e03_one_whose_end_never_comes_keeps_its_connector_for_a_quarter_of_an_hour(charger: CaseCharger) -> None:
    charger.status("Available")
    charger.event("Started", "Authorized", tag="TAG")
    charger.boot()
    charger.status("Available")
    assert charger.free == 0
    charger.run(910)
    assert charger.free == 1


def test_e04_begun_offline(charger: CaseCharger) -> None:
    charger.event("Started", "Authorized", "Charging", tag="TAG", wh=0, ago_s=600, offline=True)
    charger.event("Updated", "MeterValuePeriodic", wh=500, ago_s=300, offline=True)
    charger.event("Updated", "MeterValuePeriodic", wh=900)
    charger.run(15)
    assert charger.sessions == [("TAG", 1)]
    assert charger.world.last_report().energy_kwh == 0.9


ENDS = {
    "S1_EVDeparted": ("EVDeparted", "EVDisconnected"),
    "S2_EVCommunicationLost": ("EVCommunicationLost", "EVDisconnected"),
    "S3_StopAuthorized": ("StopAuthorized", "Local"),
    "S3_RemoteStop": ("RemoteStop", "Remote"),
    "S3_Deauthorized": ("Deauthorized", "DeAuthorized"),
    "S5_ChargingStateChanged": ("ChargingStateChanged", "StoppedByEV"),
    "S5_EnergyLimitReached": ("EnergyLimitReached", "EnergyLimitReached"),
    "S5_AbnormalCondition": ("AbnormalCondition", "EmergencyStop"),
    "UnlockCommand": ("UnlockCommand", "Remote"),
    "ResetCommand": ("ResetCommand", "Reboot"),
    "PowerLoss": ("AbnormalCondition", "PowerLoss"),
}


@pytest.mark.parametrize(("trigger", "reason"), ENDS.values(), ids=ENDS)
def test_e06_a_transaction_ends(charger: CaseCharger, trigger: str, reason: str) -> None:
    charging(charger)
    assert charger.event("Ended", trigger, wh=1000, evse=None, info={"stoppedReason": reason}) == {}
    assert charger.ended == [(1.0, reason)]


def test_e06_without_a_reason_it_is_local(charger: CaseCharger) -> None:
    charging(charger)
    charger.event("Ended", "StopAuthorized", tag="TAG", wh=1000)
    assert charger.ended == [(1.0, "Local")]


def test_e07_stopped_by_its_own_token(charger: CaseCharger) -> None:
    charging(charger)
    answer = charger.event("Updated", "StopAuthorized", "EVConnected", tag="TAG", wh=1000)
    assert answer["idTokenInfo"] == {"status": "Accepted"}
    charger.status("Available")
    charger.event("Ended", "EVCommunicationLost", "Idle", info={"stoppedReason": "Local"})
    assert charger.ended == [(1.0, "Local")]


@pytest.mark.parametrize("ago_s", [0, 300])
def test_e08_ended_while_it_was_offline(charger: CaseCharger, ago_s: float) -> None:
    charging(charger)
    charger.world.fleet.disconnected(charger.link)
    charger.run(600)
    charger.connect()
    charger.event("Ended", "StopAuthorized", wh=1000, ago_s=ago_s, offline=True)
    assert charger.ended == [(1.0, "Local")]


def test_e09_the_cable_is_pulled_at_the_car_and_that_ends_it(charger: CaseCharger) -> None:
    charging(charger)
    charger.event("Ended", "EVCommunicationLost", "Idle", wh=1000, info={"stoppedReason": "EVDisconnected"})
    charger.status("Available")
    assert charger.ended == [(1.0, "EVDisconnected")]


def test_e10_the_cable_is_pulled_at_the_car_and_plugged_in_again(charger: CaseCharger) -> None:
    charging(charger)
    charger.event("Updated", "EVCommunicationLost", "Idle", wh=500)
    charger.run(300)
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    charger.event("Updated", "ChargingStateChanged", "Charging")
    assert charger.ended == []
    charger.event("Ended", "StopAuthorized", wh=1000)
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == [(1.0, "Local")]


def test_e10_also_where_its_connector_was_free_meanwhile(charger: CaseCharger) -> None:
    charging(charger)
    charger.event("Updated", "EVCommunicationLost", "Idle", wh=500)
    charger.status("Available")
    charger.event("Updated", "MeterValuePeriodic", wh=500)
    charger.run(60)
    charger.event("Updated", "MeterValuePeriodic", wh=500)
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == [(0.5, "EVDisconnected")]

    charger.status("Occupied")
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    charger.event("Updated", "ChargingStateChanged", "Charging")
    assert charger.sessions == [("TAG", 1)] * 2
    charger.offer(11.0)
    assert charger.profiles()[-1]["transactionId"] == "T1"
    charger.run(600)
    charger.event("Ended", "StopAuthorized", wh=1500)
    assert charger.ended == [(0.5, "EVDisconnected"), (1.0, "Local")]


def test_e10_a_word_of_before_revives_nothing(charger: CaseCharger) -> None:
    charging(charger)
    charger.status("Available")
    charger.run(60)
    charger.event("Updated", "ChargingStateChanged", "EVConnected", ago_s=90, offline=True)
    charger.event("Started", "Authorized", "Charging", tag="NEXT", transaction="T2")
    charger.event("Updated", "ChargingStateChanged", "EVConnected")
    assert charger.sessions == [("TAG", 1), ("NEXT", 1)]
    assert [why for _, why in charger.ended] == ["EVDisconnected"]


def test_e11_the_network_is_lost_while_a_car_charges(charger: CaseCharger) -> None:
    charging(charger)
    charger.world.fleet.disconnected(charger.link)
    charger.run(60)
    charger.connect()
    charger.event("Updated", "MeterValuePeriodic", "Charging", wh=500, ago_s=30, offline=True)
    assert charger.world.last_report().energy_kwh == 0.5
    assert charger.ended == []


def test_e12_begun_and_ended_offline(charger: CaseCharger) -> None:
    charger.event("Started", "Authorized", "Charging", tag="TAG", wh=0, ago_s=900, offline=True)
    charger.event("Ended", "StopAuthorized", wh=1000, ago_s=300, offline=True)
    assert charger.sessions == [("TAG", 1)]
    assert charger.ended == [(1.0, "Local")]


def test_e13_what_cannot_be_kept_is_answered_when_it_is_said_again(charger: CaseCharger) -> None:
    told = {"eventType": "Started", "triggerReason": "Authorized", "timestamp": charger.world.time(), "seqNo": 0}
    told |= {"transactionInfo": {"transactionId": "T1", "chargingState": "Charging"}, "evse": {"id": 1}}
    charger.world.inbox.is_full = True
    assert charger.link.say("TransactionEvent", **told) is None
    assert charger.link.refused == {}
    charger.world.inbox.is_full = False
    assert charger.say("TransactionEvent", **told) == {}
    assert charger.sessions == [("CP1/1", 1)]


def test_e15_the_charging_ends_and_the_car_stays(charger: CaseCharger) -> None:
    charging(charger)
    charger.event("Updated", "ChargingStateChanged", "SuspendedEV", wh=1000)
    charger.run(600)
    assert charger.world.last_report().car == "SuspendedEV"
    assert charger.ended == []


def test_e01_fr_07_numbers_begin_at_0_with_each_transaction(charger: CaseCharger) -> None:
    for name in ("T1", "T2"):
        charger.event("Started", "Authorized", "Charging", tag="TAG", wh=0, transaction=name)
        charger.event("Ended", "StopAuthorized", wh=1000, transaction=name)
        charger.run(5)
    assert charger.sessions == [("TAG", 1)] * 2
    assert charger.ended == [(1.0, "Local")] * 2


# ---------------------------------------------------------------------- F: remote control


def test_f01_remote_start_with_the_cable_plugged_in(charger: CaseCharger) -> None:
    plugged(charger)
    action, payload = charger.ordered(command="remote-start", id_tag="TAG", connector=1)
    assert action == "RequestStartTransaction"
    assert (payload["evseId"], payload["idToken"]) == (1, {"idToken": "TAG", "type": "Central"})
    token = {"idToken": "TAG", "type": "Central"}
    answer = charger.event("Updated", "RemoteStart", idToken=token, info={"remoteStartId": payload["remoteStartId"]})
    assert answer["idTokenInfo"] == {"status": "Accepted"}
    assert charger.sessions == [("TAG", 1)]


def test_f02_remote_start_first(charger: CaseCharger) -> None:
    charger.event("Started", "RemoteStart", info={"remoteStartId": 5}, tag="TAG")
    assert charger.sessions == []
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


def test_f03_f04_remote_stop(charger: CaseCharger) -> None:
    charging(charger)
    order = charger.ordered("T1", command="remote-stop", connector=1)
    assert order == ("RequestStopTransaction", {"transactionId": "T1"})


def test_f05_unlock(charger: CaseCharger) -> None:
    assert charger.ordered(command="unlock", connector=1) == ("UnlockConnector", {"evseId": 1, "connectorId": 1})


@pytest.mark.parametrize("connector", [1, None])
def test_f06_a_status_is_triggered_of_one_plug(charger: CaseCharger, connector: int | None) -> None:
    _, payload = charger.ordered(command="trigger", message="StatusNotification", connector=connector)
    assert payload == {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}


@pytest.mark.parametrize("message", ["BootNotification", "MeterValues", "Heartbeat"])
def test_f06_trigger_message(charger: CaseCharger, message: str) -> None:
    _, payload = charger.ordered(command="trigger", message=message, connector=1)
    assert payload == {"requestedMessage": message, "evse": {"id": 1}}


WORDS = ["Accepted", "Rejected", "Unlocked", "OngoingAuthorizedTransaction", "UnknownConnector", "NotImplemented"]


@pytest.mark.parametrize("word", WORDS)
def test_f01_f05_an_operator_reads_the_chargers_own_word(word: str) -> None:
    assert commands.result_of({"status": word}) == word


# ---------------------------------------------------------------------- G: availability

STATUSES = [("Available", 1), ("Occupied", 0), ("Reserved", 0), ("Unavailable", 0), ("Faulted", 0)]


@pytest.mark.parametrize(("status", "free"), STATUSES)
def test_g01_a_connector_is_free_as_its_status_says(charger: CaseCharger, status: str, free: int) -> None:
    charger.status(status)
    assert charger.free == free


def notify(charger: CaseCharger, status: str, plug: int = 1) -> None:
    """G01.FR: a NotifyEvent says the same; OCPP 2.1 would have chargers say it so only."""
    component = {"name": "Connector", "evse": {"id": 1, "connectorId": plug}}
    event = {
        **EVENT,
        "timestamp": charger.world.time(),
        "actualValue": status,
        "component": component,
        "variable": {"name": "AvailabilityState"},
    }
    assert charger.say("NotifyEvent", generatedAt=charger.world.time(), seqNo=0, eventData=[event]) == {}


@pytest.mark.parametrize(("status", "free"), STATUSES)
def test_g01_or_as_an_event_of_the_connector_says(charger: CaseCharger, status: str, free: int) -> None:
    notify(charger, status)
    assert charger.free == free


def test_g01_such_an_event_tells_of_the_plug_too(charger: CaseCharger) -> None:
    charger.event("Started", "Authorized", tag="TAG")
    notify(charger, "Occupied")
    assert charger.sessions == [("TAG", 1)]


def test_g01_events_of_all_else_say_nothing_of_it(charger: CaseCharger) -> None:
    notify(charger, "Available")
    for changes in (
        {"component": {"name": "Connector"}, "variable": {"name": "AvailabilityState"}},
        {"variable": {"name": "AvailabilityState"}},
        {"component": {"name": "Connector", "evse": {"id": 1}}},
    ):
        event = {**EVENT, "actualValue": "Faulted", **changes}
        charger.say("NotifyEvent", generatedAt=charger.world.time(), seqNo=0, eventData=[event])
    assert charger.free == 1


def test_g01_a_car_at_one_of_two_plugs_is_at_the_evse(charger: CaseCharger) -> None:
    charging(charger)
    charger.status("Available", plug=2)
    charger.run(60)
    assert charger.ended == []
    assert charger.free == 0


def test_g01_an_evse_of_two_plugs_is_free_once_the_car_has_left(charger: CaseCharger) -> None:
    charging(charger)
    charger.status("Unavailable", plug=2)
    charger.event("Ended", "EVCommunicationLost", wh=1000, info={"stoppedReason": "EVDisconnected"})
    charger.status("Available", plug=1)
    charger.status("Available", plug=2)
    assert charger.free == 1


def test_g01_a_plug_that_is_broken_leaves_the_other_one(charger: CaseCharger) -> None:
    charger.status("Available", plug=1)
    charger.status("Faulted", plug=2)
    assert charger.free == 1


def test_g01_what_was_told_of_plugs_ends_with_a_boot(charger: CaseCharger) -> None:
    charger.status("Occupied", plug=2)
    charger.boot()
    charger.status("Available", plug=1)
    assert charger.free == 1


def test_g01_after_a_restart_the_order_in_which_plugs_are_told_does_not_end_a_transaction(
    charger: CaseCharger,
) -> None:
    charging(charger)
    charger.world.restart()
    charger.connect()
    charger.offer(11.0)
    charger.status("Available", plug=2)
    charger.status("Occupied", plug=1)
    charger.run(60)
    assert charger.ended == []


def test_g01_a_car_that_draws_is_there_whatever_its_status_says(charger: CaseCharger) -> None:
    charging(charger)
    charger.status("Available")
    charger.run(10)
    sample = {"value": 10_500, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}}
    moment = {"timestamp": charger.world.time(), "sampledValue": [sample]}
    charger.event("Updated", "MeterValuePeriodic", meterValue=[moment])
    charger.run(60)
    assert charger.ended == []
    charger.run(300)
    assert [why for _, why in charger.ended] == ["EVDisconnected"]


# ---------------------------------------------------------------------- H: reservation


def test_h01_h03_a_reservation_is_used(charger: CaseCharger) -> None:
    charger.status("Reserved")
    charger.event("Started", "Authorized", tag="TAG", reservationId=7)
    charger.event("Updated", "CablePluggedIn", "EVConnected")
    assert charger.sessions == [("TAG", 1)]


# ---------------------------------------------------------------------- I: tariff and cost


def test_i01_i03_no_cost_is_told(charger: CaseCharger) -> None:
    charging(charger)
    assert "totalCost" not in charger.event("Ended", "StopAuthorized", wh=1000)


# ---------------------------------------------------------------------- J: meter values


@pytest.mark.parametrize("evse", [0, 1])
@pytest.mark.parametrize("context", ["Sample.Clock", "Trigger", "Other"])
def test_j01_values_without_a_transaction(charger: CaseCharger, evse: int, context: str) -> None:
    moment = {"timestamp": charger.world.time(), "sampledValue": [{"value": 100.0, "context": context}]}
    assert charger.say("MeterValues", evseId=evse, meterValue=[moment]) == {}
    assert charger.sessions == []


CONTEXTS = ["Transaction.Begin", "Sample.Periodic", "Sample.Clock", "Interruption.Begin", "Transaction.End"]


@pytest.mark.parametrize("context", CONTEXTS)
def test_j02_values_of_a_transaction(charger: CaseCharger, context: str) -> None:
    charging(charger)
    charger.run(60)
    moment = {"timestamp": charger.world.time(), "sampledValue": [{"value": 170.0, "context": context}]}
    assert charger.event("Updated", "MeterValuePeriodic", meterValue=[moment]) == {}
    assert charger.world.last_report().energy_kwh == 0.17


def test_j02_all_values_at_the_end_of_a_transaction(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(120)
    moments = [
        {"timestamp": charger.world.time(ago_s), "sampledValue": [{"value": wh, "context": "Sample.Periodic"}]}
        for ago_s, wh in ((120, 0.0), (60, 170.0), (0, 340.0))
    ]
    charger.event("Ended", "StopAuthorized", meterValue=moments)
    assert charger.ended == [(0.34, "Local")]


def test_j02_signed_values(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(60)
    signed = {
        "signedMeterData": "T0NNRg==",
        "signingMethod": "ECDSA-secp256k1-SHA256",
        "encodingMethod": "OCMF Format",
        "publicKey": "",
    }
    moment = {"timestamp": charger.world.time(), "sampledValue": [{"value": 170.0, "signedMeterValue": signed}]}
    charger.event("Updated", "MeterValuePeriodic", meterValue=[moment])
    assert charger.world.last_report().energy_kwh == 0.17


# ---------------------------------------------------------------------- K: smart charging


def test_k01_k02_a_car_has_a_profile_of_its_transaction(charger: CaseCharger) -> None:
    charging(charger)
    profile = charger.profiles()[-1]
    assert (profile["at"], profile["transactionId"], profile["chargingProfileKind"]) == (1, "T1", "Absolute")
    (schedule,) = profile["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"][0]["limit"] == 15.9


def test_k01_an_idle_connector_has_a_default_profile_of_0(charger: CaseCharger) -> None:
    charger.boot()
    profile = charger.profiles("TxDefaultProfile")[-1]
    assert "transactionId" not in profile
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 0.0


def test_k08_the_composite_schedule_is_asked_for_once_a_profile_stands(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(60)
    assert [each["evseId"] for each in charger.asked_for("GetCompositeSchedule")] == [1]


def needs(charger: CaseCharger, evse: int = 1) -> str:
    wanted = {"requestedEnergyTransfer": "AC_three_phase", "departureTime": "2027-01-15T18:00:00Z"}
    answer = charger.say("NotifyEVChargingNeeds", evseId=evse, chargingNeeds=wanted)
    return str(answer["status"])


def test_k15_k17_a_car_that_tells_its_needs_is_given_its_profile(charger: CaseCharger) -> None:
    charging(charger)
    charger.run(10)
    before = len(charger.profiles())
    assert needs(charger) == "Accepted"
    charger.run(1)
    (profile,) = charger.profiles()[before:]
    assert (profile["at"], profile["transactionId"]) == (1, "T1")
    told = charger.say(
        "NotifyEVChargingSchedule",
        evseId=1,
        timeBase=charger.world.time(),
        chargingSchedule=profile["chargingSchedule"][0],
    )
    assert told == {"status": "Accepted"}
    charger.run(10)
    assert len(charger.profiles()) == before + 1


def test_k16_a_car_whose_share_changes_has_another_profile(charger: CaseCharger) -> None:
    charging(charger)
    charger.offer(7.0)
    limits = [each["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] for each in charger.profiles()]
    assert limits[-1] == 10.1


def test_k15_one_without_power_yet_has_it_later(charger: CaseCharger) -> None:
    plugged(charger)
    assert needs(charger) == "Processing"
    charger.event("Updated", "Authorized", tag="TAG")
    assert needs(charger) == "Processing"
    charger.offer(11.0)
    assert charger.profiles()[-1]["transactionId"] == "T1"


def test_k15_without_a_transaction_or_for_one_that_is_refused_there_is_none(charger: CaseCharger) -> None:
    assert needs(charger) == needs(charger, 9) == "Rejected"
    charger.world.refused_tags.add("THIEF")
    charger.event("Started", "Authorized", "EVConnected", tag="THIEF")
    assert needs(charger) == "Rejected"


def test_k15_one_that_asks_without_end_does_not_wear_its_memory_out(charger: CaseCharger) -> None:
    charging(charger)
    said = []
    for _ in range(400):
        said.append(needs(charger))
        charger.run(0.5)
    assert said[0] == "Accepted"
    assert said[-1] == "Processing"
    assert len(charger.profiles()) < 300


# ---------------------------------------------------------------------- A: security


def test_a01_a_new_password(charger: CaseCharger) -> None:
    action, payload = commands.key_call("00112233445566778899AABBCCDDEEFF00112233", charger.version)
    assert action == "SetVariables"
    assert payload["setVariableData"][0]["variable"] == {"name": "BasicAuthPassword"}
