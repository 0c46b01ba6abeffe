"""OCPP-J messages: what is read, what is not understood, and who is told so."""

from __future__ import annotations

import json

import pytest

from smartgrid.edge.ocpp.frames import CODES, Call, Refusal, Result, Unreadable, call, call_error, call_result, parse
from smartgrid.edge.ports import OcppVersion

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
EVERY = [V16, V201, V21]
MALFORMED = [
    b"",
    b"{}",
    b"[]",
    b"2",
    b"null",
    b'["2","id","Heartbeat",{}]',
    b'[true,"id","Heartbeat",{}]',
    b'[2,"id","Heartbeat",{}',
    b'[2,"id","Heartbeat",{"a":NaN}]',
    b'[2,"id","Heartbeat",{"a":1e999}]',
    b'[2,"id","Heartbeat",{"a":-1E+400}]',
    b'[2,"id","Heartbeat",{"a":' + b"9" * 250 + b"e99}]",
    b'[2,"id","Heartbeat",{"a":' + b"9" * 400 + b".5}]",
    b'[2,"id","Heartbeat",{"a":' + b"9" * 400 + b"]",
    b'[2,"id","Heartbeat",{"a":"\\ud800"}]',
    b'[2,"id","Heartbeat",{"a":"\xff"}]',
    b"[" * 100_000,
]


def replied(frame: object) -> list[object]:
    assert isinstance(frame, Unreadable), frame
    assert frame.reply is not None
    found = json.loads(frame.reply)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("version", EVERY)
def test_a_call_is_an_id_an_action_and_a_payload(version: OcppVersion) -> None:
    assert parse(b'[2,"id","Heartbeat",{"a":1}]', version) == Call("id", "Heartbeat", {"a": 1}, wants_answer=True)


@pytest.mark.parametrize("version", EVERY)
def test_an_answer_is_an_id_and_a_payload(version: OcppVersion) -> None:
    assert parse(b'[3,"id",{"a":1}]', version) == Result("id", {"a": 1})


@pytest.mark.parametrize("text", [b'[3,"id"]', b'[3,"id",null]', b'[3,"id",[]]'])
def test_an_answer_that_is_no_object_is_an_answer_all_the_same(text: bytes) -> None:
    assert parse(text, V16) == Result("id", None)


def test_a_refusal_may_leave_out_what_it_likes() -> None:
    assert parse(b'[4,"id","NotSupported","Sorry",{}]', V16) == Refusal("id", "NotSupported", "Sorry")
    assert parse(b'[4,"id"]', V16) == Refusal("id", "", "")
    assert parse(b"[4]", V16) == Refusal("-1", "", "")
    assert parse(b'[4,"id",null,7]', V16) == Refusal("id", "None", "7")


@pytest.mark.parametrize("text", MALFORMED)
def test_what_cannot_be_read_is_refused_by_the_version_s_own_code(text: bytes) -> None:
    assert replied(parse(text, V16))[:3] == [4, "-1", "FormationViolation"]
    assert replied(parse(text, V201))[:3] == [4, "-1", "RpcFrameworkError"]


@pytest.mark.parametrize("value", ["3e1234", "9" * 400, "1E+999"])
def test_a_text_that_looks_like_a_large_number_is_a_text(value: str) -> None:
    """As signatures in hexadecimal do."""
    text = f'[2,"id","DataTransfer",{{"data":["{value}"]}}]'
    assert parse(text.encode(), V16) == Call("id", "DataTransfer", {"data": [value]})


@pytest.mark.parametrize(
    "text", [b'[2,"id","Heartbeat"]', b'[2,"id","Heartbeat",null]', b'[2,"id",7,{}]', b'[2,"id","Heartbeat",{},1]']
)
def test_a_call_that_is_not_whole_is_refused_by_its_id(text: bytes) -> None:
    assert replied(parse(text, V16))[:3] == [4, "id", "FormationViolation"]
    assert replied(parse(text, V21))[:3] == [4, "id", "FormatViolation"]


@pytest.mark.parametrize("message_id", ["7", '""', "null", '"' + "x" * 65 + '"'])
def test_an_id_that_is_none_is_answered_as_minus_one(message_id: str) -> None:
    text = f'[2,{message_id},"Heartbeat",{{}}]'.encode()
    assert replied(parse(text, V16))[:3] == [4, "-1", "FormationViolation"]
    assert replied(parse(text, V201))[:3] == [4, "-1", "RpcFrameworkError"]


@pytest.mark.parametrize("text", [b"[3]", b"[3,7,{}]", b'[4,7,"x"]', b"[3,null,{}]"])
@pytest.mark.parametrize("version", EVERY)
def test_what_may_be_an_answer_is_never_answered(text: bytes, version: OcppVersion) -> None:
    frame = parse(text, version)
    assert isinstance(frame, Refusal) or (isinstance(frame, Unreadable) and frame.reply is None)


def test_an_unknown_message_type_is_ignored_in_1_6_and_refused_in_2_x() -> None:
    text = b'[9,"id",{}]'
    assert parse(text, V16) == Unreadable("an unknown message type", None)
    assert replied(parse(text, V201))[:3] == [4, "id", "MessageTypeNotSupported"]


def test_types_5_and_6_are_of_2_1_only() -> None:
    send, refused = b'[6,"id","NotifyPeriodicEventStream",{}]', b'[5,"id","InternalError","no",{}]'
    assert parse(send, V21) == Call("id", "NotifyPeriodicEventStream", {}, wants_answer=False)
    assert parse(refused, V21) == Refusal("id", "InternalError", "no", is_of_result=True)
    for text in (send, refused):
        assert replied(parse(text, V201))[2] == "MessageTypeNotSupported"
        assert parse(text, V16) == Unreadable("an unknown message type", None)


def test_a_send_that_is_not_whole_is_not_answered() -> None:
    assert parse(b'[6,"id"]', V21) == Unreadable("a SEND must be [6, id, action, {...}]", None)


def test_what_is_written_is_read_as_it_was() -> None:
    assert parse(call("id", "Reset", {"type": "Söft"}).encode(), V16) == Call("id", "Reset", {"type": "Söft"})
    assert parse(call_result("id", {}).encode(), V16) == Result("id", {})
    assert parse(call_error("id", "NotSupported", "x" * 300).encode(), V16) == Refusal("id", "NotSupported", "x" * 255)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_is_no_json_is_not_written(value: object) -> None:
    with pytest.raises(ValueError):
        call("id", "DataTransfer", {"data": value})
    with pytest.raises(ValueError):
        call_result("id", {"data": value})


@pytest.mark.parametrize("version", EVERY)
def test_our_own_trouble_has_no_code(version: OcppVersion) -> None:
    assert "InternalError" not in CODES[version]
