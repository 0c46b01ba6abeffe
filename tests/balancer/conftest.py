"""One grid for the tests here: three substations and a balancer over them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.grid import Grid

CAPACITY_KW = 44.0  # room for four cars of 11 kW
TIMEOUTS = {"attempt_timeout_s": 2, "request_timeout_s": 7}  # longer than by default, as the machine may be busy


@pytest.fixture(scope="session")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with Grid(tmp_path_factory.mktemp("grid"), [CAPACITY_KW] * 3, balancers=2, **TIMEOUTS) as grid:
        yield grid
