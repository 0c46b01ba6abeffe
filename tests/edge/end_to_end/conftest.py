"""One grid with an edge for the tests here that break nothing: each has its substation to itself, as at first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from edge.end_to_end.chargers import OPEN, WAIT_S, street_of
from smartgrid.chargersim.street import Street
from support.grid import PATIENT_BALANCER, PATIENT_GATEWAY, Grid, stop_all
from support.processes import Process, wait_until

CAPACITY_KW = 22.0


class Site(NamedTuple):
    """`name` is the substation's; `street` is the test's own, with chargers that nobody else has."""

    grid: Grid
    street: Street
    substation: Process
    name: str


@pytest.fixture(scope="session")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = tmp_path_factory.mktemp("chargers")
    settings = {"gateway_settings": PATIENT_GATEWAY, **PATIENT_BALANCER}
    with Grid(folder, [CAPACITY_KW], gateways=1, edge=OPEN, **settings) as grid:
        yield grid


@pytest.fixture
def site(shared_grid: Grid) -> Iterator[Site]:
    (substation,) = shared_grid.substations
    with street_of(shared_grid) as street:
        yield Site(shared_grid, street, substation, str(substation.settings["name"]))
        _leave(street, substation)


def _leave(street: Street, substation: Process) -> None:
    """All cars go, and are gone for the grid too."""
    for handle in street.handles.values():
        handle.connect()
        handle.unplug()
    stop_all(substation)
    wait_until(lambda: _is_empty(substation), WAIT_S, "all sessions have ended")
    assert substation.call("PUT", "/capacity", json={"capacity_kw": CAPACITY_KW}).status == 200


def _is_empty(substation: Process) -> bool:
    status = substation.call("GET", "/status").json()
    return not status["active_sessions"] and not status["load_kw"] and not status.get("waiting_sessions")
