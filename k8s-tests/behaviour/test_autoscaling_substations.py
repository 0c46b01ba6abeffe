"""Substations follow the power that cars want, and none is taken away while a car charges there.

By a plain HPA on a small external metrics API; `test_autoscaling_keda.py` shows the same by KEDA.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.backend import Backend
from harness.api import KubeApi
from harness.external_metrics import LET_IN, external_metrics
from harness.grid import Grid
from harness.helm import Helm
from harness.namespace import restricted_namespace
from harness.scaling import AUTOSCALED, BEFORE, follow_the_cars


def test_substations_are_as_many_as_power_is_wanted_and_as_cars_hold(
    cluster: Backend, api: KubeApi, common_values: dict[str, object], tell: Callable[[str], None]
) -> None:
    with restricted_namespace(api, "smart-grid-test-substations") as namespace:
        helm = Helm(cluster, namespace, "grid")
        helm.install({**common_values, **BEFORE, **LET_IN})
        autoscaled = {**common_values, **AUTOSCALED, **LET_IN, "substation.autoscaling.kind": "hpa"}
        grid = Grid(api, cluster, namespace, "grid", helm)

        def turn_on() -> None:
            helm.upgrade(autoscaled)

        with external_metrics(api, namespace, "grid"):
            follow_the_cars(grid, turn_on, lambda _: None, tell)
