"""What an operator changes at a substation through a balancer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.auth.scopes import GRID_READ
from support.grid import Grid, charge
from support.http import Reply
from support.identity import DRIVER, OPERATOR, Identities
from support.processes import Process, frozen, running, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


@pytest.fixture(autouse=True)
def _as_before(grid: Grid) -> Iterator[None]:
    yield
    for each in grid.substations:
        assert each.call("PUT", "/capacity", json={"capacity_kw": 44.0}).status == 200
        assert each.call("PUT", "/draining", json={"draining": False}).status == 200


def put(balancer: Process, path: str, body: object, **headers: str) -> Reply:
    return balancer.call("PUT", f"/substations/{path}", json=body, headers=headers)


def test_a_limit_is_the_substations_own_at_once(grid: Grid) -> None:
    reply = put(grid.balancer, "substation-1/capacity", {"capacity_kw": 12.5})

    assert (reply.status, reply.json()["name"], reply.json()["capacity_kw"]) == (200, "substation-1", 12.5)
    assert grid.substations[1].call("GET", "/status").json()["capacity_kw"] == 12.5


def test_a_drained_substation_gets_no_cars_from_any_balancer(grid: Grid) -> None:
    for name in grid.names[1:]:
        assert put(grid.balancer, f"{name}/draining", {"draining": True}).json()["state"] == "Draining"

    placed = [charge(each).json()["substation"] for each in grid.balancers for _ in range(2)]

    assert set(placed) == {"substation-0"}


def test_an_unknown_substation_is_not_found(grid: Grid) -> None:
    assert put(grid.balancer, "nowhere/draining", {"draining": True}).status == 404


def test_what_does_not_fit_is_refused_before_anyone_is_asked(grid: Grid) -> None:
    assert put(grid.balancer, "substation-1/capacity", {"capacity_kw": -1}).status == 422


def test_a_silent_substation_may_have_done_it(grid: Grid) -> None:
    with frozen(grid.substations[2]):
        reply = put(grid.balancer, "substation-2/capacity", {"capacity_kw": 40})

    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")


def test_a_dead_substation_has_surely_not(grid: Grid) -> None:
    grid.substations[2].kill()

    reply = put(grid.balancer, "substation-2/capacity", {"capacity_kw": 40})

    assert (reply.status, reply.json()["code"]) == (503, "substation-unavailable")
    grid.substations[2].restart()


def test_only_operators_may_and_the_balancer_proves_itself_to_the_substation(tmp_path: Path) -> None:
    identities = Identities(tmp_path / "issuer")
    substation = Process("substation", tmp_path / "s", name="s0", capacity_kw=100, **identities.believing)
    balancer = Process("balancer", tmp_path / "b", substations=f"s0={substation.url}", **identities.calling)
    with running(substation, balancer):

        def limited_by(who: str, *scopes: str) -> Reply:
            return put(balancer, "s0/capacity", {"capacity_kw": 50}, **identities.bearer(who, scopes))

        assert put(balancer, "s0/capacity", {"capacity_kw": 50}).status == 401
        assert limited_by("driver", *DRIVER).status == 403
        assert limited_by("viewer", GRID_READ).status == 403
        assert limited_by("operator", *OPERATOR).json()["capacity_kw"] == 50
        viewer = identities.bearer("viewer", [GRID_READ])
        wait_until(
            lambda: balancer.call("GET", "/status", headers=viewer).json()["capacity_kw"] == 50, what="it is seen"
        )
