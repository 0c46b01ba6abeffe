"""What a car sends, what counts as succeeded, rejected and failed, and how the end of a wait is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.loadtest.request import (
    InLine,
    Result,
    Verdict,
    Wait,
    body_of,
    look_again_s,
    time_s,
    verdict_on_answer,
    verdict_on_look,
    verdict_on_silence,
)
from smartgrid.protocol.models import ChargeBody
from smartgrid.workload.ramp import request_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON_S = NOON.timestamp()
CAR = ChargeRequest("EV-1", 5.9, PowerRange(1.38, 7.4))


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
    assert isinstance(verdict, Verdict)
    assert (verdict.result == Result.SUCCEEDED) == (verdict.substation is not None) == (verdict.reason is None)


def test_a_servers_text_cannot_move_the_cursor() -> None:
    assert verdict_on_answer(201, body(substation="a\x1b[2Jb")) == Verdict(Result.SUCCEEDED, "a?[2Jb")
    assert verdict_on_answer(500, body(code="x\ny")) == Verdict(Result.FAILED, reason="500 x?y")


def test_a_car_that_stays_until_it_is_full_names_no_departure() -> None:
    assert json.loads(body_of(CAR, NOON, None)) == {
        "vehicle_id": "EV-1",
        "energy_kwh": 5.9,
        "max_power_kw": 7.4,
        "min_power_kw": 1.38,
    }


def test_a_departure_counts_from_the_start_of_the_run() -> None:
    leaving = ChargeRequest("EV-1", 5.9, PowerRange(1.38, 7.4), departure_s=120)
    assert json.loads(body_of(leaving, NOON, None))["departure_time"] == "2026-06-01T12:02:00+00:00"


def test_a_car_that_may_wait_says_until_when() -> None:
    sent = json.loads(body_of(CAR, NOON, NOON + timedelta(minutes=5)))
    assert (sent["wait"], sent["wait_until"]) == (True, "2026-06-01T12:05:00+00:00")


@given(st.integers(-(2**63), 2**63), st.integers(0, 10**6), st.none() | st.just(NOON))
@settings(max_examples=40)
def test_the_gateway_accepts_every_car(seed: int, index: int, wait_until: datetime | None) -> None:
    ChargeBody.model_validate_json(body_of(request_of(seed, index), NOON, wait_until))


WAITING = {
    "session_id": "substation-1.x",
    "substation": "substation-1",
    "state": "Waiting",
    "started_at": None,
    "ended_at": None,
    "joined_at": "2026-06-01T12:00:00Z",
    "expected_start": "2026-06-01T12:00:30Z",
}
IN_LINE = InLine("substation-1.x", NOON_S, NOON_S + 30)


def test_202_lets_a_car_wait() -> None:
    assert verdict_on_answer(202, body(**WAITING)) == IN_LINE
    untold = WAITING | {"expected_start": None}
    assert verdict_on_answer(202, body(**untold)) == InLine("substation-1.x", NOON_S, None)


@pytest.mark.parametrize(
    "wrong", [{"session_id": 7}, {"joined_at": "soon"}, {"joined_at": None}, {"state": "Charging"}]
)
def test_202_without_a_session_that_waits_failed(wrong: dict[str, object]) -> None:
    verdict = verdict_on_answer(202, body(**WAITING | wrong))
    assert verdict == Verdict(Result.FAILED, reason="202 without a session that waits")


def test_a_car_waits_as_long_as_its_session_says_so() -> None:
    assert verdict_on_look(IN_LINE, WAITING) is None
    assert verdict_on_look(IN_LINE, {}) is None  # an answer that says nothing


def test_a_wait_ends_with_a_start_wherever_it_was() -> None:
    started = WAITING | {"state": "Charging", "substation": "substation-2", "started_at": "2026-06-01T12:00:40Z"}
    assert verdict_on_look(IN_LINE, started) == (Verdict(Result.SUCCEEDED, "substation-2"), Wait(40, told_s=30))


def test_a_start_counts_even_if_the_session_has_ended_since() -> None:
    ended = WAITING | {"state": "Idle", "started_at": "2026-06-01T12:00:40Z", "ended_at": "2026-06-01T12:01:00Z"}
    assert verdict_on_look(IN_LINE, ended) == (Verdict(Result.SUCCEEDED, "substation-1"), Wait(40, told_s=30))


def test_a_car_that_left_without_a_start_was_rejected() -> None:
    left = WAITING | {"state": "Idle", "ended_at": "2026-06-01T12:05:00Z", "end_reason": "WaitExpired"}
    verdict = Verdict(Result.REJECTED, reason="waited in vain: WaitExpired")
    assert verdict_on_look(IN_LINE, left) == (verdict, Wait(300, told_s=30))


def test_a_session_that_another_took_the_place_of_says_nothing_of_the_end() -> None:
    superseded = WAITING | {"state": "Idle", "ended_at": "2026-06-01T12:00:10Z", "end_reason": "Superseded"}
    assert verdict_on_look(IN_LINE, superseded) is None


@pytest.mark.parametrize(
    ("expected_start", "in_s"),
    [("2026-06-01T12:00:04Z", 4), ("2026-06-01T11:00:00Z", 1), ("2026-06-01T13:00:00Z", 10), (None, 10), ("soon", 10)],
)
def test_it_is_looked_at_again_about_when_it_should_start(expected_start: str | None, in_s: float) -> None:
    assert look_again_s(time_s(expected_start), NOON_S) == in_s
