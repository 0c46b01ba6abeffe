"""The API server is stopped for 30 s: the grid goes on with the fleet that it knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.existing import NotPossibleError
from harness.books import audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching

AWAY_S = 30


def test_cars_are_charged_without_the_api_server(grid: Grid, tell: Callable[[str], None]) -> None:
    with running_load(grid) as load, watching(grid) as seen:
        pause("load before", 3)
        stop_api_server(grid)
        away_since_s = grid.now_s()
        try:
            pause("the API server is away", AWAY_S)
        finally:
            back_s = grid.now_s()
            grid.backend.start_api_server()
        pause("load after", 3)
    meanwhile = [one for one in load.charged if away_since_s < one.answered_s < back_s]
    tell(f"{load.summary()}; {len(meanwhile)} of the cars while the API server was away")
    tell(seen.summary())
    books = audit(grid, load)
    assert (load.failed, load.interrupted) == ([], [])
    assert meanwhile != []
    assert books.faults == ([], [], [])
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)


def test_fleet_follows_again_afterwards(grid: Grid) -> None:
    stop_api_server(grid)
    grid.backend.start_api_server()
    grid.scale("substation", 4)
    grid.wait_for_rollout("substation")
    grid.wait_for_fleet()
    assert all(len(fleet) == 4 for fleet in grid.fleets().values())


def stop_api_server(grid: Grid) -> None:
    """Stop it, where the cluster is ours to do so."""
    try:
        grid.backend.stop_api_server()
    except NotPossibleError as error:
        pytest.skip(str(error))
