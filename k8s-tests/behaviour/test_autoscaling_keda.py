"""KEDA itself scales the substations by the chart's ScaledObject; only by `make test-keda`, as its build takes long."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from cluster import keda
from cluster.backend import Backend
from cluster.lock import exclusive
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.grid import Grid
from harness.helm import Helm
from harness.namespace import restricted_namespace
from harness.scaling import AUTOSCALED, BEFORE, assert_held, follow_the_cars, is_whole

pytestmark = [
    pytest.mark.skipif("SMARTGRID_TEST_KEDA" not in os.environ, reason="KEDA takes long to build: make test-keda"),
    pytest.mark.timeout(900),
]
KEDA: dict[str, object] = {
    "substation.autoscaling.kind": "keda",
    "substation.autoscaling.keda.pollingIntervalSeconds": 5,
    "substation.autoscaling.keda.failureThreshold": 1,
}


@pytest.fixture(scope="module")
def scaler(cluster: Backend, api: KubeApi) -> Iterator[None]:
    """KEDA, removed afterwards if it was not there before."""
    was_there = api.exists(f"/api/v1/namespaces/{keda.NAMESPACE}")
    with exclusive():
        keda.install(cluster)
    yield
    if not was_there:
        keda.remove(cluster)


def test_the_definition_that_the_chart_is_checked_against_is_kedas_own() -> None:
    kept = (keda.MODULE_FOLDER.parents[1] / "render" / "keda.sh_scaledobjects.yaml").read_text()
    assert kept == (keda.module() / keda.CRD).read_text()


@pytest.mark.usefixtures("scaler")
def test_keda_scales_substations_with_the_cars(
    cluster: Backend, api: KubeApi, common_values: dict[str, object], tell: Callable[[str], None]
) -> None:
    with restricted_namespace(api, "smart-grid-test-keda") as namespace:
        helm = Helm(cluster, namespace, "grid")
        helm.install({**common_values, **BEFORE})
        grid = Grid(api, cluster, namespace, "grid", helm)

        def turn_on() -> None:
            helm.upgrade({**common_values, **AUTOSCALED, **KEDA})

        follow_the_cars(grid, turn_on, without_balancers, tell)


def without_balancers(grid: Grid) -> None:
    """Whoever cannot be asked has no say: with no balancer at all the number stays."""
    grid.scale("balancer", 0)
    wait_until("KEDA to do without", lambda: has_fallen_back(grid), timeout_s=90)
    assert_held(grid, 4)
    grid.scale("balancer", 2)
    grid.wait_for_rollout("balancer")
    wait_until("the balancers' fleets", lambda: is_whole(grid), timeout_s=60)


def has_fallen_back(grid: Grid) -> bool:
    path = f"/apis/keda.sh/v1alpha1/namespaces/{grid.namespace}/scaledobjects/{grid.release}-substation"
    conditions = grid.api.get(path)["status"]["conditions"]
    return any(each["type"] == "Fallback" and each["status"] == "True" for each in conditions)
