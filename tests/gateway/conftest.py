"""One grid for the tests here: three substations, a balancer and a gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.grid import PATIENT_BALANCER, Grid

CAPACITY_KW = 44.0  # room for four cars of 11 kW


@pytest.fixture(scope="session")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with Grid(tmp_path_factory.mktemp("grid"), [CAPACITY_KW] * 3, gateways=1, **PATIENT_BALANCER) as grid:
        yield grid
