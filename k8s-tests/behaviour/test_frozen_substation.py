"""A substation that hangs (SIGSTOP): it takes requests and never answers."""

from __future__ import annotations

from collections.abc import Callable

from cluster.shell import wait_until
from harness.books import audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching

FROZEN_S = 15


def test_others_take_the_cars_of_a_frozen_substation(grid: Grid, tell: Callable[[str], None]) -> None:
    frozen = grid.pod("grid-substation-1")
    with running_load(grid) as load, watching(grid) as seen:
        pause("load before", 3)
        with grid.frozen(frozen):
            pause("the substation is frozen", FROZEN_S)
        pause("load after", 5)
    tell(load.summary())
    tell(seen.summary())
    grid.wait_for_fleet()
    assert [one for one in load.failed + load.interrupted if one.operation == "charge"] == []
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)
    # A car whose answer did not come in time was sent elsewhere; its session here gives way once this one answers.
    wait_until("one session for each car", lambda: audit(grid, load).faults == ([], [], []))
    tell(f"{audit(grid, load).superseded} sessions superseded")
