"""One grid with an edge that lets any charger in, and a substation for each program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.grid import PATIENT_BALANCER, PATIENT_GATEWAY, Grid
from support.processes import Process

CAPACITY_KW = 22.0
SUBSTATIONS = 11
# A program of others may need to be built first.
TIMEOUT_S = 2400


class Site(NamedTuple):
    """A substation that no other program uses, and where its chargers connect."""

    grid: Grid
    substation: Process
    name: str
    url: str


@pytest.fixture(scope="session")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = tmp_path_factory.mktemp("third-party")
    edge = {"registration": "open", "meter_interval_s": 5}
    settings = {"gateway_settings": PATIENT_GATEWAY, **PATIENT_BALANCER}
    with Grid(folder, [CAPACITY_KW] * SUBSTATIONS, gateways=1, edge=edge, **settings) as grid:
        yield grid


_numbers = itertools.count()


@pytest.fixture
def site(shared_grid: Grid) -> Site:
    substation = shared_grid.substations[next(_numbers)]
    name = str(substation.settings["name"])
    return Site(shared_grid, substation, name, f"ws://127.0.0.1:{shared_grid.edge.settings['ocpp_port']}/ocpp/{name}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "third_party" in item.path.parts:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
