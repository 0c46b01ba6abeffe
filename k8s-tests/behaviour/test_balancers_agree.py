"""Two balancers, one fleet: they agree on it, and together they never overfill a substation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.grid import CAPACITY_KW, SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching

# Three substations of 100 kW hold 72 cars of at least 4.14 kW. So many more ask that the grid is full all the while.
FULL_AT_KW = 100
FLOOD_CARS_PER_S = 20
LONG_KWH = 50


@pytest.fixture
def small_grid(grid: Grid) -> Iterator[Grid]:
    """Empty, with lower limits; afterwards the limits are as before, and the cars that would stay long are gone."""
    grid.stop_all()
    grid.set_capacity(FULL_AT_KW)
    yield grid
    grid.stop_all()
    grid.set_capacity(CAPACITY_KW)


def test_full_grid_is_never_overfilled(small_grid: Grid, tell: Callable[[str], None]) -> None:
    grid = small_grid
    with running_load(grid, FLOOD_CARS_PER_S, LONG_KWH) as load, watching(grid) as seen:
        pause("flood", 20)
    balancers = {pod.name: grid.routed(pod.name) for pod in grid.pods("balancer")}
    tell(f"{load.summary()}; routed {balancers}")
    tell(seen.summary())
    seen.assert_never_overfilled(*SUBSTATIONS)
    assert (load.failed, load.interrupted) == ([], [])
    assert any(one.rejected for one in load.seen), "the grid was not full"
    assert all(count > 0 for count in balancers.values())


def test_balancers_have_the_same_fleet_and_the_same_totals(grid: Grid) -> None:
    pause("status to reach both", 2)
    names, totals = grid.fleets(), {pod.name: grid.ask(pod.name, "/status") for pod in grid.pods("balancer")}
    assert len(names) == 2
    assert set(map(frozenset, names.values())) == {frozenset(grid.serving())}
    assert len({status["capacity_kw"] for status in totals.values()}) == 1
    assert len({status["active_sessions"] for status in totals.values()}) == 1
