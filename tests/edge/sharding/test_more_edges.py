"""Chargers at several edges, all by real processes: they connect to one, and each is at the one that has its
substation; an edge more moves only the chargers that it gets, and whoever moves goes on in its session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.end_to_end.chargers import CAR_KW, SETTLE_S, WAIT_S, register_energy_kwh, session_of, wait_session
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Handle, Street
from smartgrid.edge.sharding.rendezvous import owner
from support.ports import free_port
from support.processes import Process, running, start_all, wait_until

pytestmark = pytest.mark.timeout(400)
CAPACITY_KW = 22.0


class Edge(Process):
    """One of a StatefulSet's: each has an address of its own, and all have the same ports."""

    def __init__(self, folder: Path, number: int, ocpp_port: int, api_port: int, substations: str) -> None:
        template = f"ws://127.77.0.{{n}}:{ocpp_port}|http://127.77.0.{{n}}:{api_port}"
        host = f"127.77.0.{number}"
        super().__init__(
            "edge",
            folder / f"edge-{number}",
            port=api_port,
            host=host,
            name=f"edge-{number}",
            ocpp_host=host,
            ocpp_port=ocpp_port,
            peer_template=template,
            substations=substations,
            registration="open",
            meter_interval_s=5,
        )
        self.url = f"http://{host}:{api_port}"
        self.ocpp_url = f"ws://{host}:{ocpp_port}/ocpp"


@dataclass
class Town:
    """Four substations with a charger each; edges 1 and 2, and 3 that is not started."""

    substations: list[Process]
    edges: list[Edge]
    street: Street
    chargers: dict[str, Handle]

    def seen(self, name: str) -> dict[str, Any]:
        """A charger as its own edge shows it, whichever is asked."""
        found: dict[str, Any] = self.edges[0].call("GET", f"/chargers/{name}/CP-{name}").json()
        return found

    def wait_at(self, edge: str, name: str) -> None:
        def is_there() -> bool:
            seen = self.seen(name)
            return bool(seen.get("connected")) and seen["edge"] == edge

        wait_until(is_there, WAIT_S, f"the charger of {name} is at {edge}")

    def all_charge(self) -> None:
        for name, charger in self.chargers.items():
            charger.plug(Car(), tag=f"EV-{name}")
        for name, charger in self.chargers.items():
            wait_until(lambda c=charger: c.power_kw > 0.9 * CAR_KW, SETTLE_S, f"the car at {name} charges")  # type: ignore[misc]


NAMES = ["s0", "s1", "s5", "s6"]
"""Each edge gets some, and a third one takes one of each."""


def owners(*edges: str) -> dict[str, str]:
    return {name: owner(name, edges) for name in NAMES}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    substations = [
        Process("substation", tmp_path / name, name=name, capacity_kw=CAPACITY_KW, lease_s=60) for name in NAMES
    ]
    urls = ",".join(f"{each.settings['name']}={each.url}" for each in substations)
    ocpp_port, api_port = free_port(), free_port()
    edges = [Edge(tmp_path, number, ocpp_port, api_port, urls) for number in (1, 2, 3)]
    with running(*substations), running(*edges[:2]):
        try:
            with Street(edges[0].ocpp_url, pause_s=0.2, longest_pause_s=1.0) as street:
                chargers = {name: street.add(name, f"CP-{name}", Dialect16()) for name in NAMES}
                yield Town(substations, edges, street, chargers)
        finally:
            edges[2].end()


def test_each_charger_is_at_the_edge_of_its_substation_and_charges_there(town: Town) -> None:
    for name, edge in owners("edge-1", "edge-2").items():
        town.wait_at(edge, name)

    town.all_charge()

    assert set(owners("edge-1", "edge-2").values()) == {"edge-1", "edge-2"}  # or it would not be tested


def test_an_edge_more_moves_only_the_chargers_that_it_gets_and_their_cars_go_on(town: Town) -> None:
    before, after = owners("edge-1", "edge-2"), owners("edge-1", "edge-2", "edge-3")
    for name, edge in before.items():
        town.wait_at(edge, name)
    town.all_charge()
    sessions = {name: session_of(each, f"EV-{name}") for name, each in zip(NAMES, town.substations, strict=True)}
    since = {name: town.seen(name)["since"] for name in NAMES}

    start_all([town.edges[2]])

    moved = {name for name in NAMES if after[name] != before[name]}
    assert moved
    for name in NAMES:
        town.wait_at(after[name], name)
    for name in set(NAMES) - moved:
        assert town.seen(name)["since"] == since[name], "its connection is the one that it had"
    for name, substation in zip(NAMES, town.substations, strict=True):
        assert session_of(substation, f"EV-{name}")["session_id"] == sessions[name]["session_id"]
    for name in NAMES:
        wait_until(lambda n=name: town.chargers[n].power_kw > 0.9 * CAR_KW, SETTLE_S, f"{name} charges")  # type: ignore[misc]
        assert town.street.most_between_kw(name, 0, town.street.clock.now_s()) <= CAPACITY_KW


def test_an_edge_more_knows_the_chargers_that_were_registered_before_it_came(town: Town) -> None:
    body = {"security_profile": 1, "key": "a-key-of-16-chars", "connectors": [{}, {}]}
    assert town.edges[0].call("PUT", "/chargers/s5/CP-new", json=body).status in (200, 201)

    start_all([town.edges[2]])

    shown = town.edges[2].call("GET", "/chargers/s5/CP-new").json()
    assert (shown["registered"], shown["security_profile"], len(shown["connectors"])) == (True, 1, 2)


def test_chargers_of_an_edge_that_is_killed_come_back_to_it_and_no_energy_is_lost(town: Town) -> None:
    placed = owners("edge-1", "edge-2")
    for name, edge in placed.items():
        town.wait_at(edge, name)
    town.all_charge()

    town.edges[1].kill()
    town.edges[1].restart()

    for name, edge in placed.items():
        town.wait_at(edge, name)
    for name, substation in zip(NAMES, town.substations, strict=True):
        town.chargers[name].unplug()
        session = wait_session(substation, f"EV-{name}", "Idle")
        assert session["delivered_kwh"] == pytest.approx(register_energy_kwh(town.chargers[name]), abs=0.001)
