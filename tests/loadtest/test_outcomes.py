"""What counts as succeeded, rejected and failed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.loadtest.outcomes import Result, Verdict, verdict_on_answer, verdict_on_silence


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_201_with_a_session_succeeded() -> None:
    assert verdict_on_answer(201, body(substation="substation-1")) == Verdict(
        Result.SUCCEEDED, substation="substation-1"
    )


@pytest.mark.parametrize("code", ["no-capacity", "draining"])
def test_503_that_says_there_is_no_room_was_rejected(code: str) -> None:
    assert verdict_on_answer(503, body(code=code)) == Verdict(Result.REJECTED, reason=f"503 {code}")


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (503, body(code="balancer-unreachable"), "503 balancer-unreachable"),
        (503, b"<html>overloaded</html>", "503"),
        (500, body(code="no-capacity"), "500 no-capacity"),
        (422, body(code="invalid-request"), "422 invalid-request"),
        (429, body(), "429"),
        (200, body(substation="substation-1"), "200"),
        (302, b"", "302"),
        (201, body(), "201 without a session"),
        (201, body(substation=None), "201 without a session"),
        (201, body(substation=""), "201 without a session"),
        (201, b'{"substation": "subst', "201 without a session"),
        (201, b"[]", "201 without a session"),
        (201, b"\xff\xfe", "201 without a session"),
    ],
)
def test_any_other_answer_failed(status: int, answer: bytes, reason: str) -> None:
    assert verdict_on_answer(status, answer) == Verdict(Result.FAILED, reason=reason)


def test_no_answer_failed() -> None:
    assert verdict_on_silence("connection lost") == Verdict(Result.FAILED, reason="connection lost")


@given(
    st.integers(100, 599),
    st.binary() | st.dictionaries(st.text(), st.text() | st.none()).map(lambda d: json.dumps(d).encode()),
)
@settings(max_examples=40)
def test_every_answer_gets_a_verdict(status: int, answer: bytes) -> None:
    verdict = verdict_on_answer(status, answer)
    assert (verdict.result == Result.SUCCEEDED) == (verdict.substation is not None) == (verdict.reason is None)


def test_a_servers_text_cannot_move_the_cursor() -> None:
    assert verdict_on_answer(201, body(substation="a\x1b[2Jb")).substation == "a?[2Jb"
    assert verdict_on_answer(500, body(code="x\ny")).reason == "500 x?y"
