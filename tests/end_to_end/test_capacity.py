"""Whatever the balancers believe, no substation gives more than it has, and no room is left unused."""

from __future__ import annotations

import pytest

from support.grid import TOLERANCE_KW, Grid, charge, sessions, together

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

SLOTS = 4  # at each substation, for cars of 11 kW


def statuses(grid: Grid) -> list[dict[str, float]]:
    return [substation.call("GET", "/status").json() for substation in grid.substations]


@pytest.mark.parametrize("last", range(3))
def test_twenty_cars_at_the_last_slot_of_one_substation(grid: Grid, last: int) -> None:
    for number, substation in enumerate(grid.substations):
        for i in range(SLOTS - (number == last)):
            assert charge(substation, f"filler-{i}").status == 201

    replies = together(20, lambda i: charge(grid.gateways[i % 2], f"burst-{i}"))

    admitted = [reply.json() for reply in replies if reply.status == 201]
    assert [session["substation"] for session in admitted] == [f"substation-{last}"]
    refused = [reply for reply in replies if reply.status != 201]
    assert {(reply.status, reply.json()["code"]) for reply in refused} == {(503, "no-capacity")}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
    assert len(sessions(grid.substations[last], state="Charging")) == SLOTS


def test_the_others_take_those_that_the_full_one_refuses(grid: Grid) -> None:
    for i in range(SLOTS):
        assert charge(grid.substations[0], f"filler-{i}").status == 201  # not through a balancer: they hear of it later

    replies = together(8, lambda i: charge(grid.gateways[i % 2], f"car-{i}"))

    assert [reply.status for reply in replies] == [201] * 8
    assert {reply.json()["substation"] for reply in replies} == {"substation-1", "substation-2"}


def test_two_balancers_at_once_fill_the_grid_exactly(grid: Grid) -> None:
    replies = together(30, lambda i: charge(grid.balancers[i % 2], f"car-{i}"))

    assert sum(reply.status == 201 for reply in replies) == 3 * SLOTS
    assert {reply.status for reply in replies} == {201, 503}
    for status in statuses(grid):
        assert status["load_kw"] == pytest.approx(status["capacity_kw"], abs=TOLERANCE_KW)
        assert status["committed_kw"] <= status["capacity_kw"] + TOLERANCE_KW


def test_cars_that_can_be_regulated_share_what_two_balancers_placed(grid: Grid) -> None:
    replies = together(18, lambda i: charge(grid.gateways[i % 2], f"car-{i}", min_power_kw=4))

    assert [reply.status for reply in replies] == [201] * 18
    for status in statuses(grid):
        assert status["load_kw"] <= status["capacity_kw"] + TOLERANCE_KW
    assert sum(status["active_sessions"] for status in statuses(grid)) == 18
