"""How hard the property tests search, which tests run on one worker, and the grid that those of a folder share.

`HYPOTHESIS_PROFILE=thorough` searches many random examples, else it is a few fixed ones.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support.grid import Grid

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# The tests of such a folder share a grid of real processes, or a browser: on one worker it is started once.
ONE_WORKER = ("balancer", "monitoring", "end_to_end", "console", "gateway", "attacks")
FIRST = (
    *ONE_WORKER,
    "third_party",
    "torture",
    "chargers_torture",
    "edge",
    "substation",
    "cli",
)  # what takes long, so that in the end no worker waits for another


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Hand out whole files, or whole folders."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGrid(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = PurePosixPath(nodeid.partition("::")[0])
            return str(file.parent if file.parent.name in ONE_WORKER else file)

    config.option.loadscopereorder = False
    return ByGrid(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of xdist
        items.sort(key=lambda item: _rank(item.path.relative_to(config.rootpath).parts[1]))


def _rank(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


@pytest.fixture
def grid(shared_grid: Grid) -> Grid:
    """The folder's `shared_grid`, empty and with all services alive, whatever the test before did to it."""
    shared_grid.mend()
    return shared_grid
