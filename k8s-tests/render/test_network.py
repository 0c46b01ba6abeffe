"""Who may talk to whom, by the network policies."""

from __future__ import annotations

from typing import Any

import pytest

from render.charts import LONG_RUNNING
from render.manifests import Chart, at

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


def test_only_the_gateway_may_call_the_balancer(policies: dict[str, Any]) -> None:
    assert callers(policies["balancer"], "http") == ["gateway"]


def test_only_the_balancer_may_call_substations(policies: dict[str, Any]) -> None:
    assert callers(policies["substation"], "http") == ["balancer"]


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


def test_all_may_ask_dns_the_gateway_the_balancer_and_the_balancer_substations_and_the_api_server(
    policies: dict[str, Any],
) -> None:
    ports = {
        service: [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
        for service, policy in policies.items()
    }
    assert ports == {
        "substation": [[53, 53]],
        "gateway": [[53, 53], [8080]],
        "balancer": [[53, 53], [8080], [443, 6443]],
    }
    assert called(policies["gateway"]) == ["balancer"]
    assert called(policies["balancer"]) == ["substation"]


def called(policy: dict[str, Any]) -> list[str]:
    peers = [peer for rule in policy["egress"] for peer in rule.get("to", [])]
    return [at(peer, "podSelector/matchLabels")["app.kubernetes.io/component"] for peer in peers]


def test_a_balancer_without_kubernetes_does_not_reach_the_api_server(chart: Chart) -> None:
    objects = chart.objects({"balancer.discovery": "static", "balancer.substations": ["http://a:1"]})
    assert "6443" not in str(objects["NetworkPolicy/grid-balancer"])


def test_the_test_pod_and_the_load_test_are_under_no_policy(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True})
    assert {name for name in objects if name.startswith("NetworkPolicy/")} == {
        f"NetworkPolicy/grid-{service}" for service in LONG_RUNNING
    }
