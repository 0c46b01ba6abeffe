"""What a member's answer to a charge means: all but `Unknown` is certain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from smartgrid.balancer.placement.attempt import (
    Admitted,
    Asked,
    Car,
    Faulty,
    HolderAway,
    NotSent,
    Outcome,
    Refused,
    Superseded,
    Unknown,
    ask,
    judge,
)
from smartgrid.domain.request import PowerRange
from smartgrid.http_client.answer import Answer
from smartgrid.http_client.client import HttpClient
from smartgrid.protocol import headers
from support.scripted_substation import ScriptedSubstation, ScriptedSubstations, done_but_lost, not_done, silence

SESSION: dict[str, Any] = {
    "session_id": "x_-7",
    "vehicle_id": "EV-1",
    "substation": "one",
    "state": "Charging",
    "energy_kwh": 10,
    "delivered_kwh": 0.0,
    "power_kw": 1.5,
    "max_power_kw": 11,
    "min_power_kw": 1,
    "started_at": "2027-01-01T12:00:00Z",
    "ended_at": None,
    "departure_time": None,
    "end_reason": None,
}
STATUS = {headers.STATUS: "{}"}
CAR = Car(b'{"vehicle_id": "EV-1"}', PowerRange(1, 11), "key", (5,))


def told(status: int, body: object, sent: dict[str, str] | None = None) -> Outcome:
    return judge("one", Answer(status, sent or {}, body if isinstance(body, bytes) else json.dumps(body).encode()))


def test_a_session_is_told_as_this_balancer_shows_it() -> None:
    outcome = told(201, SESSION)

    assert outcome == Admitted({**SESSION, "session_id": "one.x_-7", "substation": "one"}, replayed=False)


def test_only_a_members_own_429_is_a_certain_no() -> None:
    """A proxy's rate limit says nothing of what has become of the car."""
    problem = {"code": "quota-exceeded"}
    assert told(429, problem, STATUS) == Refused("quota-exceeded")
    assert told(429, problem) == Unknown()
    assert told(503, problem, STATUS) == Unknown()
    assert told(429, {"code": "rate-limited"}, STATUS) == Unknown()


@pytest.mark.parametrize("code", [[], {}, None, 7])
def test_a_code_that_is_no_text_says_nothing(code: object) -> None:
    assert {type(told(status, {"code": code}, STATUS)) for status in (409, 422, 429, 503)} == {Unknown}


def test_a_regions_session_names_the_substation_within_it() -> None:
    outcome = told(201, {**SESSION, "session_id": "substation-1.x", "substation": "substation-1"})

    assert isinstance(outcome, Admitted)
    assert (outcome.session["session_id"], outcome.session["substation"]) == ("one.substation-1.x", "one.substation-1")


def test_a_session_that_the_key_had_before_says_so() -> None:
    assert told(201, SESSION, {headers.REPLAYED: "true"}) == Admitted(
        {**SESSION, "session_id": "one.x_-7"}, replayed=True
    )


def test_what_a_newer_member_adds_is_passed_on() -> None:
    outcome = told(201, {**SESSION, "colour": "green"})

    assert isinstance(outcome, Admitted)
    assert outcome.session["colour"] == "green"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b"{}",
        {**SESSION, "session_id": "x\r\nSet-Cookie: a=b"},
        {**SESSION, "session_id": "x" * 301},
        {**SESSION, "session_id": 7},
        {**SESSION, "state": "Flying"},
        {**SESSION, "power_kw": "much"},
        {**SESSION, "superseded_by": "http://elsewhere"},
        json.dumps(SESSION).replace("1.5", "NaN").encode(),
    ],
)
def test_a_201_without_a_session_may_have_started_one(body: object) -> None:
    assert told(201, body) == Unknown()


@pytest.mark.parametrize("code", ["no-capacity", "draining", "storage-unavailable"])
def test_a_no_with_a_status_is_certain(code: str) -> None:
    assert told(503, {"code": code}, STATUS) == Refused(code)


@pytest.mark.parametrize("code", ["no-capacity", "substation-unavailable"])
def test_a_no_without_a_status_is_that_of_a_proxy(code: str) -> None:
    assert told(503, {"code": code}) == Unknown()


def test_a_region_says_that_the_holder_is_away() -> None:
    assert told(503, {"code": "substation-unavailable"}, STATUS) == HolderAway()


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_request_that_is_wrong_is_wrong_everywhere(status: int) -> None:
    outcome = told(status, {"code": "what-is-wrong"})

    assert isinstance(outcome, Faulty)
    assert outcome.answer.status == status


@pytest.mark.parametrize(
    ("by", "seen"), [("../two.y", "two.y"), ("../../west.two.y", "../west.two.y"), ("two.y", "one.two.y")]
)
def test_a_superseded_session_names_the_one_that_counts(by: str, seen: str) -> None:
    assert told(409, {"code": "superseded", "superseded_by": by}) == Superseded(seen)


@pytest.mark.parametrize("by", [None, 7, "", "..", "a b", "../" * 9 + "x"])
def test_a_superseded_session_that_names_nothing_tells_nothing(by: object) -> None:
    assert told(409, {"code": "superseded", "superseded_by": by}) == Unknown()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"code": "overloaded"}),
        (503, b"<html>"),
        (429, {"code": "rate-limited"}),
        (500, {"code": "internal-error"}),
        (502, b""),
        (504, {"code": "outcome-unknown"}),
        (302, b""),
        (404, {"code": "not-found"}),
        (200, SESSION),
        (422, b"[]"),
        (400, b"<html>of a proxy</html>"),
    ],
)
def test_all_else_may_have_started_a_session(status: int, body: object) -> None:
    assert told(status, body, STATUS) == Unknown()


# ---------------------------------------------------------------------- on the wire


@pytest.fixture
def stub() -> Iterator[ScriptedSubstation]:
    with ScriptedSubstations(["one"]) as stubs:
        yield stubs["one"]


@pytest.fixture
def client(stub: ScriptedSubstation) -> Iterator[HttpClient]:
    client = HttpClient(stub.url)
    yield client
    client.close()


def test_an_attempt_carries_the_key_its_number_and_the_wish_for_a_status(
    stub: ScriptedSubstation, client: HttpClient
) -> None:
    asked = ask("one", client, CAR, (5, 2, 77), 20)

    assert isinstance(asked.outcome, Admitted)
    [request] = stub.asked("POST /charge")
    assert (request.headers["idempotency-key"], request.headers["smartgrid-number"]) == ("key", "5.2.77")
    assert request.headers["smartgrid-status"] == "wanted"
    assert request.headers["traceparent"].startswith("00-")
    assert request.body == CAR.body


@pytest.mark.parametrize("script", [done_but_lost, not_done])
def test_an_answer_that_does_not_come_tells_nothing(stub: ScriptedSubstation, client: HttpClient, script: Any) -> None:
    stub.scripts["POST"] = script

    assert ask("one", client, CAR, (5, 0, 77), 20) == Asked(Unknown())
    assert len(stub.asked("POST")) == 1, "one number is never sent twice"


def test_nor_does_one_that_comes_too_late(stub: ScriptedSubstation, client: HttpClient) -> None:
    stub.scripts["POST"] = silence

    assert ask("one", client, CAR, (5, 0, 77), 0.1) == Asked(Unknown())


def test_a_refused_connection_is_certain(stub: ScriptedSubstation, client: HttpClient) -> None:
    stub.vanish()

    assert ask("one", client, CAR, (5, 0, 77), 20) == Asked(NotSent())
