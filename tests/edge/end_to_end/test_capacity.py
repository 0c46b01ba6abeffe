"""Two cars on one substation follow its capacity, by their chargers' own meters; and whatever dies, they stay below it.

After a cut of the capacity the chargers' meters are below it within `CUT_BOUND_S`: the way down is a call of the edge,
the charger's tick (1 s here), and the car's own reaction (5 s, IEC 61851); the rest is for a busy machine. At all other
times what is drawn is below the capacity at every moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge.end_to_end.chargers import (
    CAR_KW,
    OPEN,
    SAFE_KW,
    SETTLE_S,
    STEP_KW,
    WAIT_S,
    charging_kw,
    session_of,
    set_capacity,
    street_of,
    wait_power,
)
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle, Street
from support.grid import Grid
from support.processes import wait_until

pytestmark = pytest.mark.timeout(600)

CUT_BOUND_S = 20.0
LEASE_S = 40.0
SUBSTATION_SETTINGS = {"lease_s": LEASE_S, "firm_capacity_kw": 6}
"""6 kW are sure at any time: the chargers' safe currents stay within them."""
SUBSTATION = "substation-0"
TOLERANCE_KW = 1e-6


class Limits:
    """Which capacity held when, by the street's clock."""

    def __init__(self, street: Street, capacity_kw: float) -> None:
        self._street = street
        self._since: list[tuple[float, float]] = [(0.0, capacity_kw)]

    def set(self, grid: Grid, capacity_kw: float) -> None:
        """A greater one holds from before it is asked for, a smaller one from when it was answered."""
        before_s = self._street.clock.now_s()
        set_capacity(grid.substations[0], capacity_kw)
        is_more = capacity_kw > self._since[-1][1]
        self._since.append((before_s if is_more else self._street.clock.now_s(), capacity_kw))

    def allowed_kw(self, at_s: float) -> float:
        """The greatest that held at some moment of the bound before."""
        ends = [since_s for since_s, _ in self._since[1:]] + [float("inf")]
        return max(kw for (_, kw), end_s in zip(self._since, ends, strict=True) if end_s + CUT_BOUND_S >= at_s)

    def check(self) -> None:
        """At every moment."""
        moments = self._street.moments(SUBSTATION)
        for moment, after in pairwise([*moments, moments[-1]._replace(at_s=self._street.clock.now_s())]):
            for at_s in (moment.at_s, after.at_s):
                assert moment.power_kw <= self.allowed_kw(at_s) + TOLERANCE_KW, (moment, self._since)


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    with Grid(tmp_path, [22.0], gateways=0, edge=OPEN, substation_settings=SUBSTATION_SETTINGS) as grid:
        yield grid


@pytest.fixture
def street(grid: Grid) -> Iterator[Street]:
    with street_of(grid) as street:
        yield street


def two_cars(street: Street) -> tuple[Handle, Handle]:
    """Both charging, one a charger of each version; the left one has come first."""
    left, right = street.add(SUBSTATION, "left", Dialect16()), street.add(SUBSTATION, "right", Dialect201())
    for charger, tag in ((left, "EV-LEFT"), (right, "EV-RIGHT")):
        wait_until(lambda each=charger: each.is_connected, WAIT_S, "it is connected")  # type: ignore[misc]
        charger.plug(Car(), tag=tag)
        wait_until(lambda each=charger: each.power_kw > 0, WAIT_S, "it charges")  # type: ignore[misc]
    return left, right


def wait_both(chargers: tuple[Handle, Handle], each_kw: float, why: str) -> None:
    for charger in chargers:
        wait_power(charger, each_kw, f"{why}: {charger.name}")


def test_two_cars_follow_15_9_6_and_22_kw(grid: Grid, street: Street) -> None:
    limits = Limits(street, 22.0)
    limits.set(grid, 15.0)
    left, right = two_cars(street)
    wait_both((left, right), 7.5, "15 kW for two")

    limits.set(grid, 9.0)
    wait_both((left, right), 4.5, "9 kW for two")

    limits.set(grid, 6.0)
    wait_until(lambda: right.power_kw == 0, SETTLE_S, "6 kW are not enough for two: the newer pauses")
    wait_power(left, 6.0, "6 kW for one")

    limits.set(grid, 22.0)
    wait_both((left, right), 11.0, "22 kW for two")
    limits.check()


def test_when_the_edge_is_killed_both_fall_to_the_safe_current_and_come_back_with_it(
    grid: Grid, street: Street
) -> None:
    limits = Limits(street, 22.0)
    chargers = two_cars(street)
    wait_both(chargers, 11.0, "22 kW for two")
    before = [session_of(grid.substations[0], tag)["session_id"] for tag in ("EV-LEFT", "EV-RIGHT")]

    grid.edge.kill()
    killed_s = street.clock.now_s()
    wait_both(chargers, SAFE_KW, "the profiles have run out")
    assert street.clock.now_s() - killed_s < LEASE_S + CUT_BOUND_S
    limits.check()

    grid.edge.restart()
    wait_both(chargers, 11.0, "the edge is back")
    after = [session_of(grid.substations[0], tag)["session_id"] for tag in ("EV-LEFT", "EV-RIGHT")]
    assert after == before
    limits.check()


def test_while_the_edge_is_dead_the_books_free_what_chargers_can_no_longer_draw(grid: Grid, street: Street) -> None:
    chargers = two_cars(street)
    wait_both(chargers, 11.0, "22 kW for two")
    grid.edge.kill()

    def load_kw() -> float:
        return float(grid.substations[0].call("GET", "/status").json()["load_kw"])

    assert load_kw() > 2 * CAR_KW - 2 * STEP_KW
    wait_until(lambda: load_kw() <= 2 * SAFE_KW + 0.01, SETTLE_S, "they are booked at their safe current")
    assert charging_kw(street, SUBSTATION) <= load_kw() + TOLERANCE_KW


def test_when_the_substation_is_killed_both_fall_to_the_safe_current_and_come_back_with_it(
    grid: Grid, street: Street
) -> None:
    limits = Limits(street, 22.0)
    chargers = two_cars(street)
    wait_both(chargers, 11.0, "22 kW for two")

    grid.substations[0].kill()
    killed_s = time.monotonic()
    wait_both(chargers, SAFE_KW, "the leases are over")
    assert time.monotonic() - killed_s < LEASE_S + CUT_BOUND_S

    grid.substations[0].restart()
    wait_both(chargers, 11.0, "the substation is back")
    limits.check()
