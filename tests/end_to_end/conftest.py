"""One grid for all tests here: three substations, and two balancers over them with a gateway each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.grid import PATIENT_BALANCER, PATIENT_GATEWAY, Grid

CAPACITY_KW = 44.0  # room for four cars of 11 kW


@pytest.fixture(scope="session")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = tmp_path_factory.mktemp("grid")
    with Grid(
        folder, [CAPACITY_KW] * 3, balancers=2, gateways=2, gateway_settings=PATIENT_GATEWAY, **PATIENT_BALANCER
    ) as grid:
        yield grid
