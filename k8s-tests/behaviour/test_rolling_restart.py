"""A rolling restart of each service under load: clients notice nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.books import audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching


@pytest.mark.parametrize("service", ["substation", "balancer", "gateway"])
def test_rolling_restart_fails_no_request(grid: Grid, service: str, tell: Callable[[str], None]) -> None:
    with running_load(grid) as load, watching(grid) as seen:
        pause("load before the restart", 3)
        grid.restart(service)
        pause("load after the restart", 3)
    tell(load.summary())
    tell(seen.summary())
    grid.wait_for_fleet()
    books = audit(grid, load)
    assert (load.failed, load.interrupted) == ([], [])
    assert books.faults == ([], [], [])
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)
