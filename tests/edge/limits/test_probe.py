"""The probe: every step's call is one that a schema allows, and what the answers together say of a charger."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema_rs
import pytest

from smartgrid.edge.limits.probe import BY_NAME, NO_ANSWER, STEPS, Step, call_of, quirks_of, result_of
from smartgrid.edge.limits.quirks import QuirksEntry
from smartgrid.edge.ports import OcppVersion

NOON = 1_780_000_000.0
every_version = pytest.mark.parametrize("version", OcppVersion)
TAKES_ALL = {step.name: "Accepted" for step in STEPS}


def quirks(**results: str) -> dict[str, Any]:
    """What differs from the defaults, of a charger that takes all but this."""
    given = TAKES_ALL | {name.replace("_", "-"): result for name, result in results.items()}
    entry = quirks_of(given, "acme-box", "Acme", "Box", "a test")
    QuirksEntry.model_validate(entry)
    return {name: value for name, value in entry.items() if name not in {"name", "vendor", "model", "source"}}


@every_version
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_step_is_a_call_that_its_schema_allows(version: OcppVersion, step: Step) -> None:
    action, payload = call_of(step, version, 1, NOON)
    folder = {OcppVersion.V16: "v16", OcppVersion.V201: "v201", OcppVersion.V21: "v21"}[version]
    suffix = "" if version is OcppVersion.V16 else "Request"
    text = (resources.files("ocpp") / folder / "schemas" / f"{action}{suffix}.json").read_text("utf-8-sig")
    jsonschema_rs.validator_for(json.loads(text)).validate(payload)


def test_a_charger_that_takes_all_needs_no_quirk() -> None:
    assert quirks(units="Current,Power", composite="6 A, its clock +1 s") == {}


def test_a_charger_that_takes_watts_only() -> None:
    assert quirks(default_a="Rejected", periods_a="Rejected", default_0a="Rejected") == {"unit": "W"}


def test_a_charger_that_takes_amperes_only_and_says_so_needs_no_quirk() -> None:
    assert quirks(units="Current", default_w="Rejected") == {}


def test_a_charger_that_says_another_unit_than_it_takes_needs_a_quirk() -> None:
    assert quirks(units="Power", default_w="Rejected") == {"unit": "A"}


def test_a_charger_that_refuses_0_a_cannot_pause() -> None:
    assert quirks(default_0a="Rejected") == {"can_pause": False}


def test_a_charger_that_has_no_stack_level_0_is_written_to_at_1() -> None:
    assert quirks(default_a="Rejected", default_w="Rejected", default_0a="Rejected")["stack_level"] == 1


def test_a_charger_that_takes_no_two_periods_cannot_be_limited_by_its_default_profile() -> None:
    assert quirks(periods_a="Rejected") == {"kinds": ["TxProfile"]}


def test_a_charger_whose_clock_is_far_off() -> None:
    assert quirks(composite="6 A, its clock -1780000000 s") == {"clock": "relative"}


@every_version
def test_what_it_answers_is_said_in_a_word(version: OcppVersion) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]}
    start = "2026-05-28T20:27:10Z"
    composite = {"status": "Accepted"} | (
        {"scheduleStart": start, "chargingSchedule": schedule}
        if version is OcppVersion.V16
        else {"schedule": schedule | {"scheduleStart": start}}
    )
    setting = {"configurationKey": [{"key": "x", "value": "Power"}]}
    if version is not OcppVersion.V16:
        setting = {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "Power", "variable": {}}]}

    assert result_of(BY_NAME["composite"], version, composite, NOON) == "6 A, its clock +30 s"
    assert result_of(BY_NAME["units"], version, setting, NOON) == "Power"
    assert result_of(BY_NAME["units"], version, {}, NOON) == "unknown"
    assert result_of(BY_NAME["default-a"], version, {"status": "Rejected"}, NOON) == "Rejected"
    assert result_of(BY_NAME["default-a"], version, None, NOON) == NO_ANSWER


@pytest.mark.parametrize("answer", [{}, {"status": 7}, {"status": "Accepted", "chargingSchedule": 7, "schedule": 7}])
@every_version
def test_nonsense_is_no_reason_to_fall(version: OcppVersion, answer: dict[str, Any]) -> None:
    for step in STEPS:
        assert isinstance(result_of(step, version, answer, NOON), str)
