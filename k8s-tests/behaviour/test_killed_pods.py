"""`kill -9` of each pod of each service under load."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.shell import wait_until
from harness.books import audit
from harness.grid import SUBSTATIONS, Grid, Pod
from harness.load import Load, running_load
from harness.steps import pause
from harness.watch import watching


@pytest.mark.parametrize("service", ["substation", "balancer", "gateway"])
def test_kill_interrupts_no_more_than_what_was_under_way_and_repeats_find_it(
    grid: Grid, service: str, tell: Callable[[str], None]
) -> None:
    kills: list[float] = []
    with running_load(grid) as load, watching(grid) as seen:
        for pod in grid.pods(service):
            pause("load before the kill", 3)
            kills.append(kill(grid, pod))
    allowed = sum(under_way(load, at_s) for at_s in kills)
    tell(f"{load.summary()}; {len(kills)} pods killed, {allowed} requests under way then")
    tell(seen.summary())
    grid.wait_for_fleet()
    wait_until("one session for each car", lambda: audit(grid, load).faults == ([], [], []))
    assert len(load.interrupted) <= allowed
    assert load.failed == []
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)


def kill(grid: Grid, pod: Pod) -> float:
    """Kill a pod's processes, wait until it serves again, and return when it was killed."""
    at_s = grid.now_s()
    grid.signal(pod, "KILL")
    wait_until(f"restart of {pod.name}", lambda: grid.pod(pod.name).restarts > pod.restarts, timeout_s=60)
    wait_until(f"readiness of {pod.name}", lambda: grid.pod(pod.name).ready, timeout_s=60)
    return at_s


def under_way(load: Load, at_s: float) -> int:
    """Requests that had been sent and not answered, at any pod: which pod it was the client cannot know."""
    return sum(one.sent_s <= at_s + KILL_TAKES_S and one.first_answered_s >= at_s for one in load.seen)


# From noting the time to the end of the process: two programs are started on the node in between.
KILL_TAKES_S = 0.5
