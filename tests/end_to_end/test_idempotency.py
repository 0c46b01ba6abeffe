"""One key, one session, by whichever gateway and balancer it comes."""

from __future__ import annotations

import pytest

from support.grid import Grid, charge, held, sessions, together
from support.processes import start_all, wait_until

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


@pytest.mark.parametrize("round_number", range(1))
def test_at_once_through_two_gateways_a_second_session_lasts_until_the_key_is_used_again(
    grid: Grid, round_number: int
) -> None:
    """What remains possible (docs/failure-modes.md): each balancer looks before the other has placed."""
    vehicle = key = f"EV-both-{round_number}"
    replies = together(20, lambda i: charge(grid.gateways[i % 2], vehicle, key=key))

    assert [reply.status for reply in replies] == [201] * 20
    answers = {reply.json()["session_id"] for reply in replies}
    assert len(held(grid.substations, vehicle)) == len(answers) <= 2

    for gateway in grid.gateways:
        gateway.kill()
    start_all(grid.gateways)
    for balancer in grid.balancers:
        balancer.kill()
    start_all(grid.balancers)
    last = charge(grid.gateway, vehicle, key=key).json()

    assert last["session_id"] in answers
    wait_until(lambda: len(held(grid.substations, vehicle)) == 1, 60, "the earlier one is ended")


def test_the_first_answer_comes_through_the_other_gateway_once_the_first_has_died(grid: Grid) -> None:
    first = charge(grid.gateways[0], "EV-moved", key="moved").json()
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
    assert charge(grid.gateways[0], "EV-mine", key="mine").status == 201

    other = charge(grid.gateways[1], "EV-yours", key="mine")

    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")
    assert held(grid.substations, "EV-yours") == []


def test_a_session_that_was_stopped_is_still_the_keys_first_answer(grid: Grid) -> None:
    first = charge(grid.gateways[0], "EV-ended", key="ended").json()
    assert grid.gateways[1].call("DELETE", f"/sessions/{first['session_id']}").status == 200

    again = charge(grid.gateways[1], "EV-ended", key="ended").json()

    assert (again["session_id"], again["state"]) == (first["session_id"], "Idle")
    assert [each["session_id"] for each in sessions(grid.gateway) if each["vehicle_id"] == "EV-ended"] == [
        first["session_id"]
    ]
