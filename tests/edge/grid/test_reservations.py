"""A driver asks the gateway for power before plugging in: the car is placed where a connector is free, and found there
when it plugs in. All of it by real processes, with an edge's grid in place of a whole edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edge.grid.harness import LONGEST_S, Running, end_order, running, start_order
from smartgrid.edge.ports import ChargerId, OpenSession, Outcome
from support.grid import Grid, in_rotation, sessions
from support.http import Reply
from support.processes import wait_until


@dataclass
class Town:
    """`substation-0` has chargers, `substation-1` does not know of any."""

    grid: Grid
    edge: Running

    def connectors(self, total: int, free: int, promised: int = 0) -> None:
        """As an edge tells them, once the balancer knows of them; so many of those free are reserved."""
        self.edge.do(self.edge.grid.connectors, "substation-0", total, free)

        def seen() -> tuple[Any, Any]:
            found = self.grid.balancer.call("GET", "/substations").json()["substations"]
            shown = next(each for each in found if each["name"] == "substation-0")
            return shown["connectors"], shown["free_connectors"]

        wait_until(lambda: seen() == (total, free - promised), LONGEST_S, "the balancer knows the connectors")

    def ask(self, vehicle_id: str) -> Reply:
        body = {"vehicle_id": vehicle_id, "energy_kwh": 20, "max_power_kw": 11}
        return self.grid.gateway.call("POST", "/charge", json=body)

    def plug_in(self, vehicle_id: str, connector: int = 1) -> OpenSession:
        order = start_order(
            f"{vehicle_id}-{connector}",
            charger=ChargerId("substation-0", "CP-1"),
            connector=connector,
            vehicle_id=vehicle_id,
            fallback_kw=0.0,
            held_kw=0.0,
        )
        outcome, session, why = self.edge.started(order)
        assert outcome is Outcome.DONE, why
        assert isinstance(session, OpenSession)
        return session


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    grid = Grid(tmp_path, [22.0, 22.0], gateways=1)
    with grid:
        for name in grid.names:
            wait_until(lambda name=name: in_rotation(grid.balancer, name), LONGEST_S, f"{name} is in rotation")  # type: ignore[misc]
        with running(balancer_url=grid.balancer.url) as edge:
            edge.watch("substation-0")
            edge.wait_offers(substation="substation-0")
            yield Town(grid, edge)


def test_a_car_is_placed_where_a_connector_is_free_and_found_there_when_it_plugs_in(town: Town) -> None:
    town.connectors(total=2, free=2)

    asked = town.ask("EV-1")
    assert (asked.status, asked.json()["substation"], asked.json()["state"]) == (201, "substation-0", "Reserved")
    plugged = town.plug_in("EV-1")

    assert asked.json()["session_id"].endswith(plugged.session_id)
    (shown,) = sessions(town.grid.gateway)
    assert (shown["state"], shown["charger"], shown["connector"]) == ("Charging", "CP-1", 1)


def test_a_reserved_connector_is_promised_to_no_one_else(town: Town) -> None:
    town.connectors(total=2, free=2)

    placed = [town.ask(f"EV-{number}").json()["substation"] for number in range(3)]

    assert placed == ["substation-0", "substation-0", "substation-1"]


def test_a_car_that_comes_without_asking_charges_and_keeps_its_place(town: Town) -> None:
    town.connectors(total=2, free=2)
    town.ask("EV-1")
    stranger = town.plug_in("STRANGER", connector=2)
    town.connectors(total=2, free=1, promised=1)

    mine = town.plug_in("EV-1", connector=1)

    assert stranger.session_id != mine.session_id
    assert {each["vehicle_id"] for each in sessions(town.grid.substations[0])} == {"EV-1", "STRANGER"}


def test_a_session_that_ends_at_the_charger_is_ended_for_the_driver(town: Town) -> None:
    town.connectors(total=2, free=2)
    town.ask("EV-1")
    session = town.plug_in("EV-1")

    order = replace(end_order("EV-1-1", session.session_id), charger=ChargerId("substation-0", "CP-1"))
    assert town.edge.ended(order)[0] is Outcome.DONE

    (shown,) = sessions(town.grid.gateway)
    assert (shown["delivered_kwh"], shown["end_reason"]) == (7.5, "Departed")


def test_a_charging_car_that_its_driver_stops_is_stopping_for_its_edge(town: Town) -> None:
    town.connectors(total=2, free=2)
    asked = town.ask("EV-1")
    town.plug_in("EV-1")

    assert town.grid.gateway.call("DELETE", f"/sessions/{asked.json()['session_id']}").status == 200

    wait_until(
        lambda: [each.state for each in town.edge.heard.of("substation-0")[-1].sessions] == ["Stopping"],
        LONGEST_S,
        "the edge is told",
    )
