"""One key, one session, by whichever gateway and balancer it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.grid import Grid, charge, charge_known_to, held, sessions, together
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_twenty_at_once_with_one_key_through_one_gateway_get_one_session(grid: Grid) -> None:
    replies = together(20, lambda _: charge(grid.gateway, "EV-once", key="once"))

    assert [reply.status for reply in replies] == [201] * 20
    assert len({reply.json()["session_id"] for reply in replies}) == 1
    assert len(held(grid.substations, "EV-once")) == 1


def test_twenty_at_once_with_one_key_through_one_balancer_get_one_session(grid: Grid) -> None:
    replies = together(20, lambda _: charge(grid.balancer, "EV-one", key="one-balancer"))

    assert [reply.status for reply in replies] == [201] * 20
    assert len({reply.json()["session_id"] for reply in replies}) == 1
    assert len(held(grid.substations, "EV-one")) == 1


def test_at_once_through_two_gateways_one_session_is_left_and_the_other_names_it(grid: Grid) -> None:
    """What remains possible (docs/protocol.md): each balancer looks before the other has placed."""
    replies = together(20, lambda i: charge(grid.gateways[i % 2], "EV-both", key="both"))
    told = {reply.json()["session_id"] for reply in replies}
    wait_until(lambda: len(held(grid.substations, "EV-both")) == 1, 60, "one session is left")
    (kept,) = (each for each in map(record_of(grid), told) if each["end_reason"] is None)

    assert [reply.status for reply in replies] == [201] * 20
    assert {record_of(grid)(name).get("superseded_by") for name in told - {kept["session_id"]}} <= {kept["session_id"]}
    for gateway in grid.gateways:
        assert charge(gateway, "EV-both", key="both").json()["session_id"] == kept["session_id"]


def record_of(grid: Grid) -> Callable[[str], dict[str, Any]]:
    """How a session that a client was told of stands now."""
    return lambda name: grid.gateway.call("GET", f"/sessions/{name}").json()  # type: ignore[no-any-return]


def test_the_first_answer_comes_through_the_other_gateway_once_the_first_has_died(grid: Grid) -> None:
    first = charge_known_to(grid.balancers[1], grid.gateways[0], "EV-moved", "moved").json()
    grid.gateways[0].kill()
    grid.balancers[0].kill()

    again = charge(grid.gateways[1], "EV-moved", key="moved")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])
    assert len(held(grid.substations, "EV-moved")) == 1


def test_the_first_answer_comes_from_gateway_and_balancer_that_have_forgotten_it(grid: Grid) -> None:
    first = charge(grid.gateway, "EV-back", key="back").json()
    for process in (grid.gateway, grid.balancer):
        process.kill()
    grid.balancer.restart()
    grid.gateway.restart()

    again = charge(grid.gateway, "EV-back", key="back")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])
    assert len(held(grid.substations, "EV-back")) == 1


def test_a_key_with_another_body_is_refused_by_the_other_balancer_too(grid: Grid) -> None:
    assert charge_known_to(grid.balancers[1], grid.gateways[0], "EV-mine", "mine").status == 201

    other = charge(grid.gateways[1], "EV-yours", key="mine")

    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")
    assert held(grid.substations, "EV-yours") == []


def test_a_session_that_was_stopped_is_still_the_keys_first_answer(grid: Grid) -> None:
    first = charge_known_to(grid.balancers[1], grid.gateways[0], "EV-ended", "ended").json()
    assert grid.gateways[1].call("DELETE", f"/sessions/{first['session_id']}").status == 200

    again = charge(grid.gateways[1], "EV-ended", key="ended").json()

    assert (again["session_id"], again["state"]) == (first["session_id"], "Idle")
    assert [each["session_id"] for each in sessions(grid.gateway) if each["vehicle_id"] == "EV-ended"] == [
        first["session_id"]
    ]
