"""Limits as messages: by the schemas of PyPI `ocpp`, and what they mean at which time."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import pytest

from smartgrid.edge.limits import payloads
from smartgrid.edge.ports import LimitOrder, OcppVersion, ProfileKind, RateUnit

NOON = 1_780_000_000.0  # 2026-05-28T20:26:40Z
FOLDERS = {OcppVersion.V16: ("v16", ""), OcppVersion.V201: ("v201", "Request"), OcppVersion.V21: ("v21", "Request")}
TX = LimitOrder(1, ProfileKind.TX, 16.3, RateUnit.AMPERES, 3, 840, 1, transaction_id="7", profile_id=11)
DEFAULT = LimitOrder(1, ProfileKind.TX_DEFAULT, 6.0, RateUnit.AMPERES, 3, None, 2, profile_id=12)
every_version = pytest.mark.parametrize("version", OcppVersion)


@cache
def schema(folder: str, name: str) -> Any:
    text = (resources.files("ocpp") / folder / "schemas" / f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text))


def check(version: OcppVersion, call: tuple[str, dict[str, Any]]) -> None:
    folder, suffix = FOLDERS[version]
    schema(folder, call[0] + suffix).validate(call[1])


def profile_of(order: LimitOrder, version: OcppVersion, **more: float) -> dict[str, Any]:
    action, payload = payloads.set_charging_profile(order, version, NOON, **more)
    check(version, (action, payload))
    found: dict[str, Any] = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedule = found["chargingSchedule"]
    return found | {"schedule": schedule[0] if isinstance(schedule, list) else schedule}


@every_version
@pytest.mark.parametrize("kind", ProfileKind)
@pytest.mark.parametrize("unit", RateUnit)
@pytest.mark.parametrize("duration_s", [None, 840])
@pytest.mark.parametrize("then_limit", [None, 6.0])
@pytest.mark.parametrize("is_relative", [False, True])
def test_every_form_is_as_its_schema_wants_it(
    version: OcppVersion, kind: ProfileKind, unit: RateUnit, duration_s: int | None, then_limit: float | None,
    is_relative: bool,
) -> None:  # fmt: skip
    order = replace(TX, kind=kind, unit=unit, duration_s=duration_s, then_limit=then_limit, is_relative=is_relative)
    profile_of(replace(order, transaction_id="7" if kind is ProfileKind.TX else None), version)


def test_every_tenth_of_an_ampere_is_one_to_the_schema_of_1_6() -> None:
    for tenths in range(801):
        profile_of(replace(TX, limit=tenths / 10), OcppVersion.V16)


@every_version
def test_a_limit_of_a_transaction_ends_when_it_was_ordered_to(version: OcppVersion) -> None:
    found = profile_of(TX, version)
    assert (found["chargingProfileKind"], found["validTo"]) == ("Absolute", "2026-05-28T20:40:40Z")
    assert (found["schedule"]["startSchedule"], found["schedule"]["duration"]) == ("2026-05-28T20:25:40Z", 900)
    assert found["transactionId"] == (7 if version is OcppVersion.V16 else "7")


@every_version
def test_what_stays_has_no_end_and_needs_no_clock(version: OcppVersion) -> None:
    found = profile_of(DEFAULT, version)
    assert found["chargingProfileKind"] == "Relative"
    assert not {"validTo", "transactionId"} & found.keys()
    assert not {"duration", "startSchedule"} & found["schedule"].keys()


@every_version
def test_a_profile_that_stays_goes_on_with_the_safe_current(version: OcppVersion) -> None:
    found = profile_of(replace(DEFAULT, limit=16.0, duration_s=840, then_limit=6.0), version)
    periods = [(period["startPeriod"], period["limit"]) for period in found["schedule"]["chargingSchedulePeriod"]]
    assert periods == [(0, 16.0), (900, 6.0)]
    assert "validTo" not in found
    assert "duration" not in found["schedule"]


def test_the_whole_charger_is_connector_0() -> None:
    order = replace(DEFAULT, kind=ProfileKind.CHARGE_POINT_MAX, limit=32.0)
    _, old = payloads.set_charging_profile(order, OcppVersion.V16, NOON)
    _, new = payloads.set_charging_profile(order, OcppVersion.V201, NOON)
    assert (old["connectorId"], old["csChargingProfiles"]["chargingProfilePurpose"]) == (0, "ChargePointMaxProfile")
    assert (new["evseId"], new["chargingProfile"]["chargingProfilePurpose"]) == (0, "ChargingStationMaxProfile")


def test_2_1_ends_a_limit_by_its_time_offline_too() -> None:
    found = profile_of(TX, OcppVersion.V21)
    assert (found["maxOfflineDuration"], found["invalidAfterOfflineDuration"]) == (840, True)
    assert "maxOfflineDuration" not in profile_of(DEFAULT, OcppVersion.V21)
    assert "maxOfflineDuration" not in profile_of(TX, OcppVersion.V201)


@every_version
def test_the_composite_schedule_is_asked_for_and_read(version: OcppVersion) -> None:
    check(version, payloads.get_composite_schedule(1, version, RateUnit.AMPERES))
    inner = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4140}]}
    answer = {"status": "Accepted", "chargingSchedule" if version is OcppVersion.V16 else "schedule": inner}
    assert payloads.composite_limit(answer, version) == (4140.0, RateUnit.WATTS)


@pytest.mark.parametrize(
    "schedule",
    [
        None, [], "A", {}, {"chargingRateUnit": "A"}, {"chargingRateUnit": "A", "chargingSchedulePeriod": []},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [7]},
        {"chargingRateUnit": "V", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]},
        {"chargingRateUnit": [], "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": "6"}]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": True}]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": -1}]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": float("nan")}]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 9, "limit": 6}]},
    ],
)  # fmt: skip
def test_nonsense_is_no_composite_schedule(schedule: Any) -> None:
    assert payloads.composite_limit({"status": "Accepted", "chargingSchedule": schedule}, OcppVersion.V16) is None


@every_version
def test_all_profiles_can_be_cleared(version: OcppVersion) -> None:
    for call in payloads.clear_all_profiles(version):
        check(version, call)
