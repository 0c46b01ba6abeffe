"""Who may talk to whom, by the network policies."""

from __future__ import annotations

from typing import Any

import pytest

from render.charts import LONG_RUNNING
from render.manifests import Chart, at, pod_template
from render.value_cases import CALLERS

PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}


@pytest.fixture(scope="module")
def policies(chart: Chart) -> dict[str, Any]:
    objects = chart.objects()
    return {service: objects[f"NetworkPolicy/grid-{service}"]["spec"] for service in LONG_RUNNING}


def callers(policy: dict[str, Any], port: str) -> list[str] | None:
    """Who may call this port, by component or name; None is everyone."""
    (rule,) = (rule for rule in policy["ingress"] if rule["ports"] == [{"port": port, "protocol": "TCP"}])
    if "from" not in rule:
        return None
    labels = [at(peer, "podSelector/matchLabels") for peer in rule["from"]]
    return [label.get("app.kubernetes.io/component") or label["app.kubernetes.io/name"] for label in labels]


def test_anyone_may_call_the_gateway(policies: dict[str, Any]) -> None:
    assert callers(policies["gateway"], "http") is None


@pytest.mark.parametrize(("called", "callers_of_it"), CALLERS.items())
def test_only_the_services_that_need_to_may_call(
    policies: dict[str, Any], called: str, callers_of_it: list[str]
) -> None:
    assert callers(policies[called], "http") == callers_of_it


def test_chargers_may_come_from_anywhere_unless_it_is_said_from_where(chart: Chart, policies: dict[str, Any]) -> None:
    assert callers(policies["edge"], "ocpp") is None
    ingress = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "ingress-nginx"}}}
    limited = chart.objects({"edge.networkPolicy.chargers": [ingress]})["NetworkPolicy/grid-edge"]["spec"]
    assert callers(limited, "ocpp") == ["edge", "ingress-nginx"], "edges pass chargers on to each other"


def test_metrics_are_for_prometheus_which_gets_nothing_else(policies: dict[str, Any]) -> None:
    for policy in policies.values():
        assert callers(policy, "metrics") == ["prometheus"]
        assert "prometheus" not in (callers(policy, "http") or [])


def test_prometheus_is_let_in_from_its_namespace_only(policies: dict[str, Any]) -> None:
    for policy in policies.values():
        (peer,) = at(policy, "ingress/1/from")
        assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
        assert peer["podSelector"] == {"matchLabels": PROMETHEUS}


def test_peers_are_of_the_same_release(policies: dict[str, Any]) -> None:
    for policy in policies.values():
        text = str(policy)
        assert text.count("app.kubernetes.io/component") == text.count("'app.kubernetes.io/instance': 'grid'")


def test_every_policy_limits_both_ways(policies: dict[str, Any]) -> None:
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies.values())


def test_all_may_ask_dns_and_those_whom_they_call_and_the_api_server_for_its_keys(
    policies: dict[str, Any],
) -> None:
    ports = {
        service: [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
        for service, policy in policies.items()
    }
    assert ports == {
        "substation": [[53, 53], [443, 6443]],
        "gateway": [[53, 53], [8080], [8080]],
        "balancer": [[53, 53], [8080], [443, 6443], [8080]],
        "edge": [[53, 53], [8080], [8080], [8080, 9000], [443, 6443]],
    }
    for caller in LONG_RUNNING:
        assert sorted(called(policies[caller])) == sorted(name for name in CALLERS if caller in CALLERS[name])


def called(policy: dict[str, Any]) -> list[str]:
    peers = [peer for rule in policy["egress"] for peer in rule.get("to", [])]
    return [at(peer, "podSelector/matchLabels")["app.kubernetes.io/component"] for peer in peers]


def test_who_needs_neither_pods_nor_keys_of_the_api_server_does_not_reach_it(chart: Chart) -> None:
    static = {"balancer.discovery": "static", "balancer.substations": ["http://a:1"]}
    for without in ({"global.auth.services.enabled": False}, {"global.auth.services.jwks.configMap": "keys"}):
        objects = chart.objects({**static, **without})
        assert [name for name in LONG_RUNNING if "6443" in str(objects[f"NetworkPolicy/grid-{name}"])] == []


def test_the_charts_own_test_reaches_dns_and_the_gateway_and_nobody_reaches_it(chart: Chart) -> None:
    objects = chart.objects()
    policy, pod = (objects[f"{kind}/grid-gateway-test-charge"] for kind in ("NetworkPolicy", "Pod"))
    assert at(policy, "spec/podSelector/matchLabels").items() <= at(pod, "metadata/labels").items()
    assert_reaches_the_gateway_only(policy["spec"])


def test_the_load_test_reaches_dns_and_the_gateway_and_nobody_reaches_it(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True})
    assert_reaches_the_gateway_only(objects["NetworkPolicy/grid-loadtest"]["spec"])


def assert_reaches_the_gateway_only(policy: dict[str, Any]) -> None:
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [8080]]
    assert called(policy) == ["gateway"]


def test_a_load_test_with_a_target_of_its_own_reaches_it_wherever_it_is(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True, "loadtest.target": "https://grid.example.com"})
    assert objects["NetworkPolicy/grid-loadtest"]["spec"]["egress"][1:] == [{}]


def test_every_pod_is_under_a_policy(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True})
    chosen = [at(policy, "spec/podSelector/matchLabels") for name, policy in objects.items() if "Policy/" in name]
    pods = [pod for manifest in objects.values() if (pod := pod_template(manifest))]
    assert len(pods) == 6
    for pod in pods:
        assert sum(labels.items() <= pod["metadata"]["labels"].items() for labels in chosen) == 1
