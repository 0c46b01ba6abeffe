"""A grid of real processes with an edge that lets any charger in, for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grid import Grid

CAPACITY_KW = 22.0


@pytest.fixture(scope="module")
def edge_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = Path(tmp_path_factory.mktemp("edge"))
    with Grid(folder, [CAPACITY_KW], gateways=1, edge={"registration": "open"}) as grid:
        yield grid
