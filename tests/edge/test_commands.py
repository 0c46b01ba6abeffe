"""What an operator's commands are in OCPP, held against OCPP's own schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import cast

import jsonschema_rs
import pytest
from pydantic import ValidationError

from smartgrid.edge import commands, own_chargers
from smartgrid.edge.commands import Call
from smartgrid.edge.ports import Answer, Link, OcppVersion, Payload
from smartgrid.protocol.chargers import CommandBody
from support import loops

COMMANDS = [
    {"command": "remote-start", "id_tag": "anna"},
    {"command": "remote-start", "id_tag": "anna", "connector": 2},
    {"command": "remote-stop", "connector": 1},
    {"command": "remote-stop", "session_id": "abc"},
    {"command": "unlock", "connector": 1},
    {"command": "reset"},
    {"command": "reset", "kind": "hard"},
    {"command": "trigger", "message": "BootNotification"},
    {"command": "trigger", "message": "StatusNotification", "connector": 1},
    {"command": "trigger", "message": "MeterValues", "connector": 2},
]
FILES = {OcppVersion.V16: "v16/schemas/{}.json", OcppVersion.V201: "v201/schemas/{}Request.json"}


def is_valid(call: Call, version: OcppVersion) -> bool:
    path = FILES[version].format(call.action)
    schema = json.loads(resources.files("ocpp").joinpath(path).read_text(encoding="utf-8-sig"))
    return jsonschema_rs.validator_for(schema).is_valid(call.payload)


def call(version: OcppVersion, **command: object) -> Call:
    return commands.call_of(CommandBody.model_validate(command), version, "17", start_id=5)


@pytest.mark.parametrize("version", FILES)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: "-".join(map(str, each.values())))
def test_each_command_is_a_call_as_the_schema_has_it(command: dict[str, object], version: OcppVersion):
    assert is_valid(call(version, **command), version)


@pytest.mark.parametrize("version", FILES)
def test_a_new_key_is_sent_as_the_schema_has_it(version: OcppVersion):
    assert is_valid(commands.key_call("00112233445566778899AABBCCDDEEFF00112233", version), version)


def test_21_is_asked_as_201_is():
    for command in COMMANDS:
        assert call(OcppVersion.V21, **command) == call(OcppVersion.V201, **command)


def test_a_stop_names_the_transaction_in_the_versions_own_type():
    assert call(OcppVersion.V16, command="remote-stop", connector=1).payload == {"transactionId": 17}
    assert call(OcppVersion.V201, command="remote-stop", connector=1).payload == {"transactionId": "17"}


def test_the_gentle_reset_is_the_default():
    assert call(OcppVersion.V16, command="reset").payload == {"type": "Soft"}
    assert call(OcppVersion.V201, command="reset").payload == {"type": "OnIdle"}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"status": "Accepted"}, "Accepted"),
        ({"status": "UnlockFailed"}, "UnlockFailed"),
        ({"setVariableResult": [{"attributeStatus": "RebootRequired"}]}, "RebootRequired"),
        ({}, "Unknown"),
        ({"status": 7}, "Unknown"),
        ({"setVariableResult": []}, "Unknown"),
        ({"status": "x" * 1000}, "x" * 50),
    ],
)
def test_an_answer_is_told_in_the_chargers_own_word(answer: dict[str, object], result: str):
    assert commands.result_of(answer) == result


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ({"command": "remote-start"}, "remote-start needs id_tag"),
        ({"command": "remote-stop"}, "remote-stop needs session_id or connector"),
        ({"command": "remote-stop", "connector": 1, "session_id": "a"}, "remote-stop needs session_id or connector"),
        ({"command": "unlock"}, "unlock needs connector"),
        ({"command": "trigger"}, "trigger needs message"),
    ],
)
def test_what_a_command_lacks_is_said(command: dict[str, object], sentence: str):
    with pytest.raises(ValidationError, match=sentence):
        CommandBody.model_validate(command)


def test_an_id_that_is_longer_than_ocpp_allows_is_cut_as_it_could_not_be_sent():
    stop = commands.stop_call("T" * 60, OcppVersion.V201)

    assert stop is not None
    assert is_valid(stop, OcppVersion.V201)


@pytest.mark.parametrize(
    ("transaction_id", "version"),
    [("", OcppVersion.V201), ("", OcppVersion.V16), ("no number", OcppVersion.V16)],
)
def test_a_transaction_without_an_id_that_its_charger_could_know_cannot_be_stopped(
    transaction_id: str, version: OcppVersion
):
    assert commands.stop_call(transaction_id, version) is None


def test_a_command_goes_before_all_that_is_asked_by_the_way():
    """Else it would wait as long as those who answer no questions keep these under way."""
    options: dict[str, object] = {}

    class Charger:
        def call(self, action: str, payload: Payload, on_answer: Callable[[Answer], None], **more: object) -> None:
            options.update(more)
            on_answer(Answer({"status": "Accepted"}))

    answer = loops.run(own_chargers._answer(cast("Link", Charger()), call(OcppVersion.V16, command="reset")))
    assert answer.payload == {"status": "Accepted"}
    assert options["first"] is True
