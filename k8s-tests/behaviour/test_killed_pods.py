"""`kill -9` of each pod of each service under load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cluster.shell import wait_until
from harness.books import audit
from harness.grid import SUBSTATIONS, Grid, Pod
from harness.load import Seen, running_load
from harness.steps import pause
from harness.watch import watching

# From noting the time to the end of the process: two programs are started on the node in between.
KILL_TAKES_S = 0.5
# From the API server's word that a pod is not ready to the last node's having heard it.
SERVICE_FOLLOWS_S = 1.0


@dataclass(frozen=True)
class Kill:
    """A pod was killed at `at_s`; until `last_sent_s` requests could still be sent to it."""

    at_s: float
    last_sent_s: float

    def explains(self, one: Seen) -> bool:
        """Whether the request was under way then, at any pod: which pod it was the client cannot know."""
        return one.sent_s <= self.last_sent_s and one.first_answered_s >= self.at_s


@pytest.mark.parametrize("service", ["substation", "balancer", "gateway"])
def test_kill_interrupts_only_what_was_under_way_and_repeats_find_it(
    grid: Grid, service: str, tell: Callable[[str], None]
) -> None:
    kills: list[Kill] = []
    with running_load(grid) as load, watching(grid) as seen:
        for pod in grid.pods(service):
            pause("load before the kill", 3)
            kills.append(kill(grid, pod, service))
    under_way = [one for one in load.seen if any(each.explains(one) for each in kills)]
    tell(f"{load.summary()}; {len(kills)} pods killed, {len(under_way)} requests under way then")
    tell(seen.summary())
    grid.wait_for_fleet()
    wait_until("one session for each car", lambda: audit(grid, load).faults == ([], [], []))
    tell(f"{audit(grid, load).superseded} sessions superseded")
    assert [one for one in load.interrupted if one not in under_way] == []
    assert load.failed == []
    load.assert_room()
    seen.assert_never_overfilled(*SUBSTATIONS)


def kill(grid: Grid, pod: Pod, service: str) -> Kill:
    """Kill a pod's processes and wait until it serves again.

    A substation's cars go to the others. Gateways and balancers are reached through their Services: until these have
    left the dead pod out, new requests go there too, and so may the second try.
    """
    at_s = grid.now_s()
    grid.signal(pod, "KILL")
    wait_until(f"end of {pod.name}", lambda: has_ended(grid, pod), timeout_s=60, interval_s=0.05)
    noticed_s = grid.now_s()
    wait_until(f"restart of {pod.name}", lambda: grid.pod(pod.name).restarts > pod.restarts, timeout_s=60)
    wait_until(f"readiness of {pod.name}", lambda: grid.pod(pod.name).ready, timeout_s=60)
    return Kill(at_s, at_s + KILL_TAKES_S if service == "substation" else noticed_s + SERVICE_FOLLOWS_S)


def has_ended(grid: Grid, pod: Pod) -> bool:
    """Whether Kubernetes has noticed."""
    now = grid.pod(pod.name)
    return not now.ready or now.restarts > pod.restarts
