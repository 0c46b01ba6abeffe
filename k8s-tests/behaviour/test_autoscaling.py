"""The gateway's autoscaler adds pods under load and takes them away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from cluster.backend import Backend
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.grid import Grid
from harness.helm import Helm
from harness.load import running_load
from harness.namespace import restricted_namespace

# Small enough for the load that two cores can make to be far above the target.
CPU_REQUEST = "20m"
TARGET_PERCENT = 50
AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 5}]}


@pytest.fixture
def autoscaled(cluster: Backend, api: KubeApi, common_values: dict[str, object]) -> Iterator[Grid]:
    values: dict[str, object] = {
        **common_values,
        "substation.timeScale": 60,
        "gateway.resources.requests.cpu": CPU_REQUEST,
        "gateway.autoscaling": {
            "enabled": True,
            "minReplicas": 1,
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": TARGET_PERCENT,
            "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE},
        },
    }
    with restricted_namespace(api, "smart-grid-test-autoscaling") as namespace:
        helm = Helm(cluster, namespace, "grid")
        helm.install(values)
        yield Grid(api, cluster, namespace, "grid", helm)


def test_gateway_scales_up_under_load_and_down_again(autoscaled: Grid, tell: Callable[[str], None]) -> None:
    wait_until("an idle gateway", lambda: is_idle(autoscaled), timeout_s=180)
    start_s = time.monotonic()
    with running_load(autoscaled, cars_per_s=15) as load:
        wait_until("more gateways", lambda: len(autoscaled.pods("gateway")) > 1, timeout_s=120)
        tell(f"scaled up {time.monotonic() - start_s:.0f} s after the load began")
    over_s = time.monotonic()
    wait_until("one gateway", lambda: len(autoscaled.pods("gateway")) == 1, timeout_s=180)
    tell(f"scaled down {time.monotonic() - over_s:.0f} s after the load ended; {load.summary()}")
    assert load.failed == []


def is_idle(grid: Grid) -> bool:
    """One pod, measured to be below the target: its start took CPU time too, and may have scaled it up."""
    scaler = f"/apis/autoscaling/v2/namespaces/{grid.namespace}/horizontalpodautoscalers/{grid.release}-gateway"
    metrics = grid.api.get(scaler)["status"].get("currentMetrics") or [{}]
    used = metrics[0].get("resource", {}).get("current", {}).get("averageUtilization")
    return used is not None and used < TARGET_PERCENT and len(grid.pods("gateway")) == 1
