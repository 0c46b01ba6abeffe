"""Substations come and go under load: 3, then 10, then 2."""

from __future__ import annotations

from collections.abc import Callable

from harness.books import audit
from harness.grid import SUBSTATIONS, Grid
from harness.load import Load, Seen, running_load
from harness.steps import pause
from harness.watch import Observations, watching

MOST, LEAST = 10, 2
NEW = [f"grid-substation-{number}" for number in range(3, MOST)]
GONE = [f"grid-substation-{number}" for number in range(LEAST, MOST)]


def test_scaling_loses_no_request_and_no_session(grid: Grid, tell: Callable[[str], None]) -> None:
    with running_load(grid) as load, watching(grid) as seen:
        ready_s = scale_out(grid)
        scale_in(grid)
    tell(load.summary())
    tell_first_cars(load, ready_s, tell)
    grid.scale("substation", MOST)  # sessions of a substation that was scaled in are on its volume
    grid.wait_for_rollout("substation")
    books = audit(grid, load)
    assert [one for one in load.failed if not is_of_a_scaled_in_substation(one)] == []
    assert load.interrupted == []
    assert books.faults == ([], [], [])
    load.assert_room()
    assert_exact(seen, tell)
    assert set(NEW) <= {one.substation for one in load.charged}


def is_of_a_scaled_in_substation(one: Seen) -> bool:
    """A driver asked for a session that is on the volume of a substation which is not running."""
    return one.operation != "charge" and one.code == "substation-unavailable" and one.subject.split(".")[0] in GONE


def scale_out(grid: Grid) -> dict[str, float]:
    """Scale to the most, and return when each new substation became ready."""
    pause("load on three substations", 5)
    grid.scale("substation", MOST)
    grid.wait_for_rollout("substation")
    ready_s = {pod.name: pod.ready_since_s for pod in grid.pods("substation")}
    pause("load on all substations", 15)
    return {name: since_s for name, since_s in ready_s.items() if name in NEW and since_s is not None}


def scale_in(grid: Grid) -> None:
    """Scale to the least."""
    grid.scale("substation", LEAST)
    grid.wait_for_rollout("substation")
    pause("load on two substations", 10)


def tell_first_cars(load: Load, ready_s: dict[str, float], tell: Callable[[str], None]) -> None:
    """Print the time from Ready to the first car; Kubernetes rounds the time of Ready down to a whole second."""
    for name, since_s in sorted(ready_s.items()):
        first_s = min((one.answered_s for one in load.charged if one.substation == name), default=float("inf"))
        tell(f"{name}: first car {first_s - since_s:.2f} s after Ready (uncertain by 1 s)")


def assert_exact(seen: Observations, tell: Callable[[str], None]) -> None:
    """The fleet is what Kubernetes says, but for the moment that a change takes."""
    tell(seen.summary())
    seen.assert_never_overfilled(*SUBSTATIONS, *NEW)
    seen.assert_fleets_followed()
