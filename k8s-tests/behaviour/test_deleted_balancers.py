"""All balancers' pods are deleted, and what their disks held with them, while the outcomes of attempts are unknown.

The answers of a substation are lost: it starts sessions, and no one hears of them. Then every balancer goes. No one is
left who knows which attempts those were, new balancers have never heard of that substation, and the cars are given
another place, by the old balancers before they end or by the new ones when clients repeat. When the substation is
heard again it shows sessions of cars that have another one by now. The numbers say which one stays.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.shell import wait_until
from harness.books import audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import running_load
from harness.steps import pause
from harness.watch import watching

# An attempt waits 0.8 s for an answer: so many are under way at the substation when the balancers go.
ATTEMPTS_UNDER_WAY_S = 0.5
CARS_PER_S = 12
UNHEARD_LONGER_S = 5


@pytest.mark.parametrize("delete", [Grid.replace, Grid.replace_at_once], ids=["in order", "at once"])
def test_no_car_keeps_two_sessions_when_all_balancers_forget(
    grid: Grid, delete: Callable[[Grid, str], None], tell: Callable[[str], None]
) -> None:
    unheard = grid.pod("grid-substation-1")
    with running_load(grid, CARS_PER_S) as load, watching(grid) as seen:
        pause("load before", 5)
        grid.stop_all(unheard.name)  # so that the next cars go there
        with grid.answers_lost(unheard):
            pause("attempts to be under way", ATTEMPTS_UNDER_WAY_S)
            delete(grid, "balancer")
            pause("the new balancers at work without it", UNHEARD_LONGER_S)
        pause("load after", 5)
    tell(load.summary())
    tell(seen.summary())
    grid.wait_for_fleet()
    wait_until("one session for each car", lambda: audit(grid, load).faults == ([], [], []))
    superseded = audit(grid, load).superseded
    tell(f"{superseded} sessions superseded")
    assert superseded > 0, "no outcome was unknown, so this has shown nothing"
    assert load.failed == []
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)
