"""What the substations' autoscaler is set to, as the API server tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from balancer.discovery.scripted_api_server import ApiServer, Listing, Refusal, Script
from smartgrid.balancer.discovery.api_server import ApiServerError
from smartgrid.balancer.discovery.autoscaler import AutoscalerOf, autoscaler
from smartgrid.balancer.scaling.emptying import Autoscaler

PATH = "/apis/autoscaling/v2/namespaces/grid/horizontalpodautoscalers/grid-substation"


def metric(average: Any) -> dict[str, Any]:
    return {"type": "External", "external": {"metric": {"name": "x"}, "target": {"averageValue": average}}}


def found(**changes: Any) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "grid-substation"},
        "minReplicas": 2,
        "maxReplicas": 20,
        "metrics": [metric("70"), metric("1")],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600, "selectPolicy": "Max"}},
    }
    return {"kind": "HorizontalPodAutoscaler", "spec": spec | changes}


class OneObject(Listing):
    """The answer to every request: one object, and no list."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__([])
        self.told = told

    def body(self) -> dict[str, Any]:
        return self.told


def test_it_is_read_by_the_statefulsets_name(
    start_server: Callable[..., ApiServer], kubeconfig: Callable[[int], None]
) -> None:
    server = start_server(Script(OneObject(found())))
    kubeconfig(server.server_address[1])
    assert AutoscalerOf("", "grid-substation").read() == Autoscaler(70.0, 2, 20, 600.0)
    assert [request["path"] for request in server.script.requests] == [PATH]


def test_where_there_is_none_nothing_is_scaled(
    start_server: Callable[..., ApiServer], kubeconfig: Callable[[int], None]
) -> None:
    kubeconfig(start_server(Script(Refusal(404))).server_address[1])
    assert AutoscalerOf("", "grid-substation").read() is None


@pytest.mark.parametrize("code", [403, 500])
def test_a_refusal_is_no_news(
    start_server: Callable[..., ApiServer], kubeconfig: Callable[[int], None], code: int
) -> None:
    kubeconfig(start_server(Script(Refusal(code))).server_address[1])
    with pytest.raises(ApiServerError, match=f"it answered {code}"):
        AutoscalerOf("", "grid-substation").read()


@pytest.mark.parametrize(("average", "expected"), [("70", 70.0), ("70500m", 70.5), ("1k", 1000.0)])
def test_quantities_are_those_of_kubernetes(average: str, expected: float) -> None:
    told = autoscaler(found(metrics=[metric(average)]), "grid-substation")
    assert told is not None
    assert told.target_demand_kw == expected


def test_a_window_that_is_not_told_is_the_default() -> None:
    told = autoscaler(found(behavior={}), "grid-substation")
    assert told is not None
    assert told.settle_s == 300.0


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"spec": "x"},
        found(scaleTargetRef={"kind": "StatefulSet", "name": "other"}),
        found(scaleTargetRef={"kind": "Deployment", "name": "grid-substation"}),
        found(metrics=[]),
        found(metrics=None),
        found(metrics=[{"type": "Resource", "resource": {"name": "cpu"}}]),
        found(metrics=[metric("0")]),
        found(metrics=[metric("-70")]),
        found(metrics=[metric("many")]),
        found(metrics=[metric(70)]),
        found(metrics=[metric("9" * 400)]),
        found(maxReplicas=None),
        found(minReplicas=30),
        found(minReplicas=True),
        found(behavior={"scaleDown": {"selectPolicy": "Disabled"}}),
        found(behavior={"scaleDown": {"stabilizationWindowSeconds": "long"}}),
    ],
)
def test_of_one_that_is_not_as_the_chart_sets_it_nothing_follows(told: Any) -> None:
    assert autoscaler(told, "grid-substation") is None
