"""Sessions are begun and ended by one request each, and what became of it is told once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from edge.grid.harness import Running, end_order, running, start_order, the_only
from edge.grid.strange_substation import Said, StrangeSubstation, session_body
from smartgrid.edge.ports import Outcome
from support.ports import free_port


def test_a_start_carries_its_key_and_what_is_known_of_the_charger(substation: StrangeSubstation, edge: Running) -> None:
    outcome, session, _ = edge.started(start_order("key-1"))

    (asked,) = substation.asked("POST /charge")
    assert outcome is Outcome.DONE
    assert (session.session_id, session.state, session.charger, session.connector) == ("s-1", "Charging", "CP-1", 1)
    assert session.is_ours
    assert asked.headers["Idempotency-Key"] == "key-1"
    assert asked.body == {
        "vehicle_id": "TAG-1",
        "energy_kwh": None,
        "max_power_kw": 22.0,
        "min_power_kw": 4.14,
        "wait": True,
        "charger": {
            "charger": "CP-1",
            "connector": 1,
            "transaction_id": "77",
            "edge": edge.grid.edge,
            "rating_kw": 22.0,
            "fallback_kw": 4.14,
            "held_kw": 4.14,
            "is_controlled": True,
            "meter_kwh": 12.5,
            "started_at": "2027-01-15T08:00:00.000Z",
        },
    }


def test_a_car_that_waits_has_a_session_too(substation: StrangeSubstation, edge: Running) -> None:
    waiting = session_body("TAG-1", state="Waiting", position=2)
    substation.scripts["POST /charge"] = lambda _asked: Said(202, waiting)

    outcome, session, _ = edge.started(start_order())

    assert (outcome, session.state, session.position) == (Outcome.DONE, "Waiting", 2)


def test_what_is_settled_otherwise_is_refused_for_good(substation: StrangeSubstation, edge: Running) -> None:
    substation.scripts["POST /charge"] = lambda _asked: Said(409, {"code": "superseded", "detail": "That is why."})

    outcome, session, why = edge.started(start_order())

    assert (outcome, session) == (Outcome.REFUSED, None)
    assert "superseded: That is why." in why
    assert edge.grid.counters.deliveries["refused"] == 1


@pytest.mark.parametrize("status", [401, 403, 404, 415, 429, 500, 502, 503, 504, 302])
def test_whatever_may_be_better_the_next_time_is_for_later(
    substation: StrangeSubstation, edge: Running, status: int
) -> None:
    substation.scripts["POST /charge"] = lambda _asked: Said(status, b"<html>")

    outcome, session, why = edge.started(start_order())

    assert (outcome, session) == (Outcome.LATER, None)
    assert str(status) in why


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_not_understood_is_told_apart_from_what_is_for_later(
    substation: StrangeSubstation, edge: Running, status: int
) -> None:
    substation.scripts["POST /charge"] = lambda _asked: Said(status, b"<html>")

    assert edge.started(start_order())[0] is Outcome.UNUSABLE


@pytest.mark.parametrize("started_wall_s", [1e18, float("nan"), float("inf"), -1e18])
def test_what_cannot_be_said_is_told_apart_too_and_takes_nothing(
    substation: StrangeSubstation, edge: Running, started_wall_s: float
) -> None:
    outcome, session, why = edge.started(replace(start_order(), started_wall_s=started_wall_s))

    assert (outcome, session) == (Outcome.UNUSABLE, None)
    assert why
    assert substation.asked("POST /charge") == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"session_id": "../x", "vehicle_id": "a", "state": "b"}'])
def test_an_answer_that_is_no_session_leaves_it_open(substation: StrangeSubstation, edge: Running, body: bytes) -> None:
    substation.scripts["POST /charge"] = lambda _asked: Said(201, body)

    assert edge.started(start_order())[0] is Outcome.LATER


def test_no_answer_leaves_it_open(substation: StrangeSubstation, edge: Running) -> None:
    substation.scripts["POST /charge"] = lambda _asked: None

    assert edge.started(start_order())[0] is Outcome.LATER


def test_a_connection_that_was_closed_while_idle_costs_no_order(substation: StrangeSubstation, edge: Running) -> None:
    """The server closes it after its answer; the client has not seen that yet when it sends the next."""
    assert edge.started(start_order("k1"))[0] is Outcome.DONE
    answers = iter([None, *[Said(201, session_body("EV"))] * 5])
    substation.scripts["POST /charge"] = lambda _asked: next(answers)

    assert edge.started(start_order("k2"))[0] is Outcome.DONE
    assert [each.headers["Idempotency-Key"] for each in substation.asked("POST /charge")] == ["k1", "k2", "k2"]


def test_a_substation_that_is_not_known_yet_is_for_later() -> None:
    with running({}) as edge:
        outcome, _, why = edge.started(start_order())

        assert outcome is Outcome.LATER
        assert "not known where s0 is" in why


def test_nobody_at_the_address_is_for_later() -> None:
    with running({"s0": f"http://127.0.0.1:{free_port()}"}) as edge:
        assert edge.started(start_order())[0] is Outcome.LATER


@pytest.mark.parametrize("key", ["", "with space", "line\r\nbreak", "x" * 256])
def test_a_key_that_no_header_can_carry_is_refused(substation: StrangeSubstation, edge: Running, key: str) -> None:
    assert edge.started(start_order(key))[0] is Outcome.REFUSED
    assert not substation.requests


def test_an_end_carries_the_energy_and_the_reason(substation: StrangeSubstation, edge: Running) -> None:
    assert edge.ended(end_order(session_id="s-9")) == (Outcome.DONE, "")

    (asked,) = substation.asked("POST /charge/s-9/end")
    assert asked.body == {"energy_kwh": 7.5, "ended_at": "2027-01-15T09:00:00.000Z", "reason": "EVDisconnected"}


def test_an_end_whose_session_is_not_named_finds_that_of_its_start(
    substation: StrangeSubstation, edge: Running
) -> None:
    edge.started(start_order("key-1"))

    assert edge.ended(end_order("key-1", session_id=None))[0] is Outcome.DONE
    assert substation.asked("POST /charge/s-1/end")


def test_an_end_whose_session_nobody_knows_asks_for_its_start(substation: StrangeSubstation, edge: Running) -> None:
    outcome, why = edge.ended(end_order("key-1", session_id=None))

    assert outcome is Outcome.LATER
    assert "repeat the start" in why
    assert not substation.requests


def test_a_session_that_the_substation_has_lost_is_ended_for_good(substation: StrangeSubstation, edge: Running) -> None:
    substation.scripts["POST /charge/s-1/end"] = lambda _asked: Said(404, {"code": "not-found"})

    assert edge.ended(end_order())[0] is Outcome.REFUSED


def test_an_end_that_something_else_does_not_find_is_for_later(substation: StrangeSubstation, edge: Running) -> None:
    """A proxy's 404 is not the substation's."""
    substation.scripts["POST /charge/s-1/end"] = lambda _asked: Said(404, b"<h1>no such site</h1>")

    assert edge.ended(end_order())[0] is Outcome.LATER


def test_an_id_cannot_lead_elsewhere(substation: StrangeSubstation, edge: Running) -> None:
    edge.ended(end_order(session_id="../capacity?x="))

    assert [each.path for each in substation.requests] == ["/charge/..%2Fcapacity%3Fx%3D/end"]


def test_orders_that_wait_are_answered_when_the_edge_ends(substation: StrangeSubstation) -> None:
    release = threading.Event()

    def slow(_asked: object) -> Said:
        release.wait(20)
        return Said(201, session_body("EV"))

    substation.scripts["POST /charge"] = slow
    with running({"s0": substation.url}) as edge:
        results = [edge.start(start_order(f"k{number}")) for number in range(20)]
        substation.wait_asked("POST /charge", 8)
        assert len(substation.asked("POST /charge")) == 8  # so many are under way at once
    release.set()

    assert {the_only(each)[0] for each in results} == {Outcome.LATER}
