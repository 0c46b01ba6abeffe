"""A grid that asks everyone for a token, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grid import PATIENT_BALANCER, PATIENT_GATEWAY, Grid
from support.identity import Identities


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="session")
def guarded_grid(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[Grid]:
    folder = Path(tmp_path_factory.mktemp("guarded"))
    with Grid(
        folder,
        [100, 100],
        gateways=1,
        edge={},
        gateway_settings=PATIENT_GATEWAY,
        identities=identities,
        **PATIENT_BALANCER,
    ) as grid:
        yield grid
