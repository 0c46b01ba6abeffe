"""A car needs a free connector where chargers are known: the balancer knows how many there are, and sends it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, scripted_grid, seen
from support.grid import PATIENT_BALANCER
from support.processes import Process, wait_until
from support.scripted_substation import Request, Response, ScriptedSubstation


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    """`plain` knows of no chargers."""
    with scripted_grid(tmp_path, ["first", "second", "plain"]) as found:
        yield found


async def no_connector(substation: ScriptedSubstation, _request: Request) -> Response:
    """As a real one refuses."""
    return Response(503, {"code": "no-capacity", "status": 503, "title": "", "type": "", "detail": substation.name})


def know(grid: ScriptedGrid, **connectors: int) -> None:
    for name, number in connectors.items():
        grid[name].know_connectors(number)
    wait_until(
        lambda: all(seen(grid.balancer, name)["connectors"] == number for name, number in connectors.items()),
        60,
        "the balancer knows of them",
    )


def placed_at(grid: ScriptedGrid, cars: int) -> list[str]:
    replies = [charge(grid.balancer, f"key-{number}") for number in range(cars)]
    assert [reply.status for reply in replies] == [201] * cars
    return [reply.json()["substation"] for reply in replies]


def test_cars_go_to_free_connectors_and_then_where_no_chargers_are_known(grid: ScriptedGrid) -> None:
    know(grid, first=1, second=2)
    grid["plain"].set_load(0.0)

    assert sorted(placed_at(grid, 3)) == ["first", "second", "second"]
    assert charge(grid.balancer, "one-more").json()["substation"] == "plain"


def test_where_all_connectors_are_taken_and_chargers_are_known_everywhere_there_is_no_room(grid: ScriptedGrid) -> None:
    know(grid, first=1, second=1, plain=1)
    placed_at(grid, 3)
    for stub in grid.stubs:
        stub.scripts["POST /charge"] = no_connector

    reply = charge(grid.balancer, "one-more")

    assert (reply.status, reply.json()["code"]) == (503, "no-capacity")


def test_the_fleet_and_its_members_show_their_connectors(grid: ScriptedGrid) -> None:
    know(grid, first=4, second=2)
    placed_at(grid, 1)

    wait_until(lambda: grid.balancer.call("GET", "/status").json()["free_connectors"] == 5, 60, "one is taken")
    assert grid.balancer.call("GET", "/status").json()["connectors"] == 6
    plain = seen(grid.balancer, "plain")
    assert (plain["connectors"], plain["free_connectors"]) == (None, None)


def test_a_fleet_without_chargers_shows_none(grid: ScriptedGrid) -> None:
    wait_until(lambda: bool(seen(grid.balancer, "plain")["capacity_kw"]), 60, "it is seen")

    assert grid.balancer.call("GET", "/status").json().get("connectors") is None


def test_a_balancer_of_regions_prefers_the_region_with_a_free_connector(grid: ScriptedGrid, tmp_path: Path) -> None:
    know(grid, first=1)
    with scripted_grid(tmp_path / "east", ["other"]) as east:
        regions = f"west={grid.balancer.url},east={east.balancer.url}"
        with Process(
            "balancer", tmp_path / "top", poll_interval_s=0.25, substations=regions, **PATIENT_BALANCER
        ) as top:
            wait_until(lambda: seen(top, "west").get("free_connectors") == 1, 60, "the region's connectors are known")
            wait_until(lambda: bool(seen(top, "east").get("capacity_kw")), 60, "the other region is known")

            assert charge(top, "key-1").json()["substation"] == "west.first"
            wait_until(lambda: seen(top, "west")["free_connectors"] == 0, 60, "it is taken")
            placed = {charge(top, f"key-{number}").json()["substation"] for number in range(2, 8)}

            assert "west.first" not in placed
            assert "west" in {each.partition(".")[0] for each in placed}  # it has places without chargers still
