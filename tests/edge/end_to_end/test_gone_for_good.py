"""Chargers that never come back, at an edge that is killed and started again: their power is others', and an operator
can end their sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.end_to_end.chargers import OPEN, SETTLE_S, WAIT_S, street_of, wait_session
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Handle, Street
from support.grid import Grid
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)

LEASE_S = 10.0
SUBSTATION = "substation-0"
CAPACITY_KW = 16.0
"""Two cars are offered all of it; beside the safe currents of both it is enough for a third."""
GONE = ("gone-1", "gone-2")


def charging(street: Street, name: str) -> Handle:
    charger = street.add(SUBSTATION, name, Dialect16())
    wait_until(lambda: charger.is_connected, WAIT_S, f"{name} is connected")
    charger.plug(Car(), tag=name)
    wait_until(lambda: charger.power_kw > 0, SETTLE_S, f"{name} charges")
    return charger


def test_the_power_of_chargers_that_are_gone_is_free_after_a_lease_and_their_sessions_can_be_ended(
    tmp_path: Path,
) -> None:
    with Grid(tmp_path, [CAPACITY_KW], gateways=0, edge=OPEN, substation_settings={"lease_s": LEASE_S}) as grid:
        with street_of(grid) as street:
            for name in GONE:
                charging(street, name)
        grid.edge.kill()
        grid.edge.restart()

        with street_of(grid) as street:
            charging(street, "stays")
            assert grid.substations[0].call("GET", "/status").json()["load_kw"] <= CAPACITY_KW
        for name in GONE:
            path = f"/chargers/{SUBSTATION}/{name}"

            def is_removed(path: str = path) -> bool:
                return grid.edge.call("DELETE", path).status == 200

            wait_until(is_removed, WAIT_S, f"{name} can be removed")
            wait_session(grid.substations[0], name, "Idle")
