"""A substation that hangs (SIGSTOP): it takes requests and never answers."""

from __future__ import annotations

from collections.abc import Callable

from cluster.shell import wait_until
from harness.books import Books, audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching

FROZEN_S = 15


def test_others_take_the_cars_of_a_frozen_substation(grid: Grid, tell: Callable[[str], None]) -> None:
    frozen = grid.pod("grid-substation-1")
    with running_load(grid) as load, watching(grid) as seen:
        pause("load before", 3)
        grid.signal(frozen, "STOP")
        try:
            pause("the substation is frozen", FROZEN_S)
        finally:
            grid.signal(frozen, "CONT")
        pause("load after", 5)
    tell(load.summary())
    tell(seen.summary())
    grid.wait_for_fleet()
    assert [one for one in load.failed if one.operation == "charge"] == []
    seen.assert_never_overfilled(*SUBSTATIONS)
    # A car whose answer did not come in time was sent elsewhere; its session here is taken back once this one answers.
    wait_until("the frozen substation's sessions to be taken back", lambda: audit(grid, load) == Books([], []))
