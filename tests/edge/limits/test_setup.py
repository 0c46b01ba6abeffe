"""The set-up of a charger after its limits, as a dialogue with chargers of several minds."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema_rs
import pytest

from smartgrid.edge.limits.measurands import MEASURANDS
from smartgrid.edge.limits.quirks import DEFAULT, Quirks
from smartgrid.edge.limits.setup import SetUp, fingerprint, meter_interval_s, setup, unit_in
from smartgrid.edge.ports import ConnectorSpec, OcppVersion, RateUnit

Answers = Callable[[str, dict[str, Any]], dict[str, Any] | None]
every_version = pytest.mark.parametrize("version", OcppVersion)


def talk(version: OcppVersion, answer: Answers, quirks: Quirks = DEFAULT) -> tuple[SetUp, list[tuple[str, Any]]]:
    """The whole dialogue; every call is held against its schema."""
    dialogue = setup(version, quirks, 10, (ConnectorSpec(), ConnectorSpec(1, 16)), 0.0)
    calls = []
    call = next(dialogue)
    while True:
        _check(version, call)
        calls.append(call)
        try:
            call = dialogue.send(answer(*call))
        except StopIteration as done:
            return done.value, calls


def willing(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    if action == "GetConfiguration":
        return {"configurationKey": [{"key": payload["key"][0], "readonly": True, "value": "Power"}]}
    if action == "GetVariables":
        [asked] = payload["getVariableData"]
        return {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "W", **asked}]}
    if action == "SetVariables":
        return {"setVariableResult": [{"attributeStatus": "Accepted"}]}
    return {"status": "Accepted"}


@every_version
def test_a_willing_charger_is_set_up_in_a_few_calls(version: OcppVersion) -> None:
    found, calls = talk(version, willing)
    assert found == SetUp(RateUnit.WATTS, MEASURANDS, (), False)
    assert len(calls) == 7


@every_version
def test_the_list_of_measurands_is_built_one_by_one_where_it_is_refused(version: OcppVersion) -> None:
    def picky(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        status = "Rejected" if "Offered" in json.dumps(payload) or "Voltage" in json.dumps(payload) else "Accepted"
        if action == "SetVariables":
            return {"setVariableResult": [{"attributeStatus": status}]}
        return {"status": status}

    found, _ = talk(version, picky)
    assert found.measurands == MEASURANDS[:3]


@every_version
@pytest.mark.parametrize(
    "answer",
    [None, {}, {"status": 7}, {"status": "NotSupported"}, {"configurationKey": 7, "getVariableResult": [7]},
     {"setVariableResult": [{}]}, {"configurationKey": [{"key": "x"}]}],
)  # fmt: skip
def test_a_charger_that_refuses_or_says_nonsense_is_gone_on_from(version: OcppVersion, answer: Any) -> None:
    found, calls = talk(version, lambda action, payload: answer)
    assert (found.unit, found.measurands, len(found.refused)) == (None, (), 5)
    assert len(calls) <= 12


def test_a_reboot_that_is_needed_is_told() -> None:
    found, _ = talk(OcppVersion.V16, lambda action, payload: {"status": "RebootRequired"})
    assert (found.needs_reboot, found.refused) == (True, ())


@every_version
def test_the_rating_is_written_where_the_model_wants_it(version: OcppVersion) -> None:
    _, calls = talk(version, willing, Quirks(sets_charge_point_max=True))
    action, payload = calls[0]
    assert (action, "48" in json.dumps(payload)) == ("SetChargingProfile", True)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Current", RateUnit.AMPERES), ("Power", RateUnit.WATTS), ("W", RateUnit.WATTS), ("A", RateUnit.AMPERES),
        ("Current,Power", None), ("A, W", None), ("", None), ("Volts", None), (" power ", RateUnit.WATTS),
    ],
)  # fmt: skip
def test_the_unit_is_taken_from_what_a_charger_says(text: str, unit: RateUnit | None) -> None:
    assert unit_in(text) is unit


def test_meters_are_read_less_often_the_more_there_are() -> None:
    assert [meter_interval_s(n) for n in (1, 5_000, 5_001, 10_000, 20_000, 10**6)] == [10, 10, 20, 20, 60, 60]


def test_what_would_be_set_up_the_same_has_the_same_fingerprint() -> None:
    one = (ConnectorSpec(),)
    same = fingerprint(OcppVersion.V16, DEFAULT, 10, one)
    assert same == fingerprint(OcppVersion.V16, Quirks(), 10, one)
    assert same != fingerprint(OcppVersion.V16, DEFAULT, 20, one)
    assert same != fingerprint(OcppVersion.V16, Quirks(unit=RateUnit.WATTS), 10, one)
    assert same != fingerprint(OcppVersion.V201, DEFAULT, 10, one)
    assert same != fingerprint(OcppVersion.V16, DEFAULT, 10, (ConnectorSpec(1),))


def _check(version: OcppVersion, call: tuple[str, dict[str, Any]]) -> None:
    folder = {OcppVersion.V16: "v16", OcppVersion.V201: "v201", OcppVersion.V21: "v21"}[version]
    suffix = "" if version is OcppVersion.V16 else "Request"
    text = (resources.files("ocpp") / folder / "schemas" / f"{call[0]}{suffix}.json").read_text("utf-8-sig")
    jsonschema_rs.validator_for(json.loads(text)).validate(call[1])
