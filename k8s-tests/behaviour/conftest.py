"""The cluster, the images and a grid installed from the chart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import cast

import pytest

from cluster import backend
from cluster.backend import Backend
from cluster.lock import exclusive
from harness import images
from harness.api import KubeApi
from harness.grid import CAPACITY_KW, OPERATED_BY_TESTS, Grid
from harness.helm import Helm
from harness.namespace import remove_left, restricted_namespace

Progress = Callable[[], AbstractContextManager[None]]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs a cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def progress(request: pytest.FixtureRequest) -> Progress:
    """Lets what a block says through to the terminal: the first set-up takes a quarter of an hour."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    return cast("Progress", capture.global_and_fixture_disabled)


@pytest.fixture(scope="session")
def cluster(progress: Progress) -> Iterator[Backend]:
    """A running cluster; ended afterwards if it was not there before."""
    try:
        chosen = backend.make(backend.choose(backend.look()))
    except backend.NoBackendError as error:
        pytest.skip(f"no cluster: {error}")
    with ExitStack() as held:
        with progress():
            held.enter_context(exclusive("test"))  # two runs would use the same namespaces
            was_up = bring_up(chosen)
        yield chosen
        if not was_up and not os.environ.get("SMARTGRID_KEEP_CLUSTER"):
            with exclusive():
                chosen.down()


def bring_up(cluster: Backend) -> bool:
    """Set up and start a cluster; returns whether it was up before."""
    with exclusive():
        was_up = cluster.is_up()
        cluster.set_up()
        cluster.up()
    return was_up


@pytest.fixture(scope="session")
def api(cluster: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """The Kubernetes API as administrator, of a cluster without what a killed run has left."""
    client = KubeApi(cluster, tmp_path_factory.mktemp("credentials"))
    remove_left(client)
    yield client
    client.close()


@pytest.fixture(scope="session")
def common_values(cluster: Backend, progress: Progress) -> dict[str, object]:
    """What every grid is installed with: the five images, built and loaded, and who may look at it and operate it."""
    with progress():
        return {**images.build_all(cluster), **OPERATED_BY_TESTS}


@pytest.fixture(scope="session")
def installed_grid(cluster: Backend, api: KubeApi, common_values: dict[str, object]) -> Iterator[Grid]:
    """A grid of three substations, where an hour of charging takes a minute.

    The load brings 2.4 MW (8 cars a second that stay for 27 s at 11 kW), so there is room for it: in a full grid cars
    are refused, and what becomes of them tells nothing. A frozen pod is not restarted before a test lets it go on.
    """
    with restricted_namespace(api, "smart-grid-test") as namespace:
        helm = Helm(cluster, namespace, "grid")
        values = {
            **common_values,
            "substation.timeScale": 60,
            "substation.capacityKw": CAPACITY_KW,
            "edge.enabled": True,
            "edge.replicaCount": 1,
            "substation.livenessProbe.failureThreshold": 18,
        }
        helm.install(values)
        yield Grid(api, cluster, namespace, "grid", helm)


@pytest.fixture
def grid(installed_grid: Grid) -> Grid:
    """The grid as it was installed, whatever the test before did to it."""
    installed_grid.scale("substation", 3)
    for service in ("substation", "balancer", "gateway", "edge"):
        installed_grid.wait_for_rollout(service)
    installed_grid.wait_for_fleet()
    return installed_grid
