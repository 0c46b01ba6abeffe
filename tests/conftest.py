"""How hard the property tests search, which tests run on one worker, and the grid that those of a folder share.

`HYPOTHESIS_PROFILE=thorough` searches many random examples, else it is a few fixed ones.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from _pytest.pathlib import import_path
from hypothesis import HealthCheck, settings

from support.grid import Grid

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A test's files need to outlive its processes and not the machine: in memory no commit waits for a disk.
MEMORY = Path("/dev/shm")
NEEDED_BYTES = 2 * 1024**3
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= NEEDED_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# The tests of such a folder share a grid of real processes, or a browser: on one worker it is started once.
ONE_WORKER = ("end_to_end", "console", "gateway", "attacks")
# Each test of such a file waits long for what takes its time in truth, and has a grid of its own or needs just one.
ONE_BY_ONE = (
    "edge/end_to_end/test_capacity.py",
    "edge/end_to_end/test_charging.py",
    "edge/end_to_end/test_faults.py",
    "edge/sharding/test_more_edges.py",
    "end_to_end/test_a_charger_charges.py",
    "third_party/test_ocpp_charge_point.py",
    "third_party/test_ocpp_go.py",
)
# What takes long, so that in the end no worker waits for another: what waits and what computes at the same time.
FIRST = (
    "monitoring/test_real_prometheus_of_chargers.py",
    "edge/end_to_end/test_capacity.py",
    "console",
    "protocol/test_model.py",
    "monitoring/test_real_prometheus.py",
    "third_party",
    "fuzz",
    "edge/end_to_end/test_charging.py",
    "end_to_end/test_a_charger_charges.py",
    "balancer/test_silent_substations.py",
    "edge/sharding/test_more_edges.py",
    "chargers_torture",
    "loadtest",
    "cli",
    "edge/grid",
    "edge/ocpp/test_bounds.py",
    "end_to_end",
    "gateway",
    "torture",
    "balancer",
    "edge",
    "substation",
    "monitoring",
    "attacks",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is collected stays to the end, so to look for garbage in it, again and again, would be for nothing: it took
    two of the five seconds that each worker collects for."""
    gc.disable()
    try:
        if hasattr(session.config, "workerinput"):
            _import_a_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _import_a_share(config: pytest.Config) -> None:
    """In a fresh clone nothing is compiled yet: each worker begins with other files, so that each is compiled once."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    worker = config.workerinput  # type: ignore[attr-defined]
    files = sorted((config.rootpath / "tests").rglob("test_*.py"))
    for path in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # is told where it is collected
            import_path(path, mode="importlib", root=config.rootpath, consider_namespace_packages=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Hand out whole files, or whole folders, or what waits long test by test."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGrid(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = PurePosixPath(nodeid.partition("::")[0])
            if str(file.relative_to("tests")) in ONE_BY_ONE:
                return nodeid
            return str(file.parent if file.parent.name in ONE_WORKER else file)

    config.option.loadscopereorder = False
    return ByGrid(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of xdist
        items.sort(key=lambda item: _rank(item.path.relative_to(config.rootpath / "tests")))


def _rank(path: Path) -> int:
    found = (FIRST.index(name) for name in (path.as_posix(), *map(str, path.parents)) if name in FIRST)
    return next(found, len(FIRST))


@pytest.fixture
def grid(shared_grid: Grid) -> Grid:
    """The folder's `shared_grid`, empty and with all services alive, whatever the test before did to it."""
    shared_grid.mend()
    return shared_grid
