"""The substations' autoscaler as the chart renders it, also against KEDA's own definition of a ScaledObject.

keda.sh_scaledobjects.yaml is `config/crd/bases/keda.sh_scaledobjects.yaml` of KEDA 2.21.0 (Apache License 2.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from render.manifests import Chart, at
from render.value_cases import SCALED, SCALER

CRD = Path(__file__).with_name("keda.sh_scaledobjects.yaml")
ON: dict[str, Any] = {"substation.autoscaling.enabled": True}
HPA = ON | {"substation.autoscaling.kind": "hpa"}
PROMETHEUS = ON | {
    "substation.autoscaling.keda.trigger": "prometheus",
    "substation.autoscaling.keda.prometheus.authenticationRef": "mine",
}


def strict(schema: Any) -> Any:
    """As an API server takes it that warns of what it does not know: nothing but the named properties."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "properties" in schema and schema.get("type") == "object" else {}
        return closed | {name: strict(child) for name, child in schema.items() if not name.startswith("x-kubernetes")}
    return [strict(child) for child in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="module")
def keda() -> jsonschema_rs.Validator:
    """KEDA's schema of a ScaledObject."""
    (version,) = (each for each in yaml.safe_load(CRD.read_text())["spec"]["versions"] if each["name"] == "v1alpha1")
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema_rs.validator_for(schema)


@pytest.mark.parametrize("values", [ON, PROMETHEUS], ids=["metrics-api", "prometheus"])
def test_a_scaled_object_is_as_keda_defines_it(chart: Chart, keda: jsonschema_rs.Validator, values: Any) -> None:
    keda.validate(chart.objects(values)[SCALED])


def test_that_check_would_find_a_field_that_keda_does_not_know(chart: Chart, keda: jsonschema_rs.Validator) -> None:
    rendered = chart.objects(ON)[SCALED]
    assert not keda.is_valid(rendered | {"spec": rendered["spec"] | {"minReplicas": 2}})


def test_substations_are_not_scaled_unless_that_is_wanted(chart: Chart) -> None:
    assert not {SCALED, SCALER, "Service/grid-demand", "NetworkPolicy/grid-demand"} & chart.objects().keys()


def test_what_asks_for_more_counts_demand_by_its_target_or_one_more_than_the_highest_that_is_busy(chart: Chart) -> None:
    metrics = at(chart.objects(HPA)[SCALER], "spec/metrics")
    assert [(at(each, "external/metric/name"), at(each, "external/target")) for each in metrics] == [
        ("smartgrid_demand_kw", {"type": "AverageValue", "averageValue": "70"}),
        ("smartgrid_busy_floor", {"type": "AverageValue", "averageValue": "1"}),
    ]


def test_keda_asks_each_balancer_that_is_ready_at_the_port_of_its_metrics(chart: Chart) -> None:
    objects = chart.objects(ON)
    triggers = at(objects[SCALED], "spec/triggers")
    assert [
        (each["metadata"]["valueLocation"], each["metadata"]["targetValue"], each["metadata"]["aggregationType"])
        for each in triggers
    ] == [("demand_kw", "70", "max"), ("busy_floor", "1", "max")]
    assert {each["metadata"]["url"] for each in triggers} == {"http://grid-demand.power.svc:9090/autoscaling"}
    service = objects["Service/grid-demand"]["spec"]
    assert (
        service["selector"].items() <= at(objects["Deployment/grid-balancer"], "spec/template/metadata/labels").items()
    )
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(9090, "metrics")]


def test_with_prometheus_an_empty_answer_is_no_answer(chart: Chart) -> None:
    triggers = at(chart.objects(PROMETHEUS)[SCALED], "spec/triggers")
    assert [each["metadata"]["query"] for each in triggers] == [
        'max(smartgrid_demand_kw{job="balancer",namespace="power"})',
        'max(smartgrid_busy_floor{job="balancer",namespace="power"})',
    ]
    assert {each["metadata"]["ignoreNullValues"] for each in triggers} == {"false"}


def test_without_an_answer_no_substation_is_taken_away(chart: Chart) -> None:
    assert at(chart.objects(ON)[SCALED], "spec/fallback") == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }


def test_whoever_makes_it_the_autoscaler_has_the_statefulsets_name_by_which_the_balancer_looks_for_it(
    chart: Chart,
) -> None:
    renamed = {"substation.fullnameOverride": "mine", "balancer.substationService": "mine"}
    for values, name in ((ON, "grid-substation"), (ON | renamed, "mine")):
        objects = chart.objects(values)
        scaled = objects[f"ScaledObject/{name}"]["spec"]
        assert at(scaled, "advanced/horizontalPodAutoscalerConfig/name") == name
        assert objects["ConfigMap/grid-balancer"]["data"]["SMARTGRID_KUBERNETES_SERVICE"] == name
        assert at(objects["Role/grid-balancer"], "rules/1/resourceNames") == [name]
        assert f"StatefulSet/{name}" in objects


def test_it_is_fast_up_and_slow_down(chart: Chart) -> None:
    behavior = at(chart.objects(HPA)[SCALER], "spec/behavior")
    assert behavior["scaleUp"] == {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 60},
            {"type": "Percent", "value": 50, "periodSeconds": 60},
        ],
        "tolerance": "0",
    }
    assert behavior["scaleDown"] == {
        "stabilizationWindowSeconds": 600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
        "tolerance": "0",
    }


def test_a_cluster_that_does_not_know_tolerance_is_not_told_of_it(chart: Chart) -> None:
    older = Chart(chart.helm, chart.package, kube_version="1.32")
    assert "tolerance" not in str(older.objects(HPA)[SCALER])


def test_keda_is_let_in_from_its_namespace_only_and_only_where_it_reads_from_the_balancers(chart: Chart) -> None:
    policy = chart.objects(ON)["NetworkPolicy/grid-demand"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [
        {
            "ports": [{"port": "metrics", "protocol": "TCP"}],
            "from": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
                    "podSelector": {"matchLabels": {"app": "keda-operator"}},
                }
            ],
        }
    ]
    for values in (HPA, PROMETHEUS):
        assert "NetworkPolicy/grid-demand" not in chart.objects(values)


def test_balancers_that_anyone_may_reach_stay_so(chart: Chart) -> None:
    """A policy that lets KEDA in would keep everyone else out."""
    assert "NetworkPolicy/grid-demand" not in chart.objects(ON | {"balancer.networkPolicy.enabled": False})
