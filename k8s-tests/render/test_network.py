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


def callers(policy: dict[str, Any]) -> list[str]:
    """By component or name, of the one ingress rule; empty is everyone."""
    (rule,) = policy["ingress"]
    labels = [at(peer, "podSelector/matchLabels") for peer in rule.get("from", [])]
    return [label.get("app.kubernetes.io/component") or label["app.kubernetes.io/name"] for label in labels]


def test_anyone_may_call_the_gateway(policies: dict[str, Any]) -> None:
    assert callers(policies["gateway"]) == []


def test_only_the_gateway_and_prometheus_may_call_the_balancer(policies: dict[str, Any]) -> None:
    assert callers(policies["balancer"]) == ["gateway", "prometheus"]


def test_only_the_balancer_and_prometheus_may_call_substations(policies: dict[str, Any]) -> None:
    assert callers(policies["substation"]) == ["balancer", "prometheus"]


def test_prometheus_is_let_in_from_its_namespace_only(policies: dict[str, Any]) -> None:
    for service in ("balancer", "substation"):
        peer = at(policies[service], "ingress/0/from/1")
        assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
        assert peer["podSelector"] == {"matchLabels": PROMETHEUS}


def test_peers_are_of_the_same_release(policies: dict[str, Any]) -> None:
    for policy in policies.values():
        text = str(policy)
        assert text.count("app.kubernetes.io/component") == text.count("'app.kubernetes.io/instance': 'grid'")


def test_every_policy_limits_both_ways_to_the_port_that_is_served(policies: dict[str, Any]) -> None:
    for policy in policies.values():
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert at(policy, "ingress/0/ports") == [{"port": "http", "protocol": "TCP"}]


def test_all_may_ask_dns_the_gateway_the_balancer_the_balancer_substations_and_both_the_api_server(
    policies: dict[str, Any],
) -> None:
    ports = {
        service: [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
        for service, policy in policies.items()
    }
    assert ports == {
        "substation": [[53, 53], [443, 6443]],
        "gateway": [[53, 53], [8080]],
        "balancer": [[53, 53], [8080], [443, 6443]],
    }
    assert called(policies["gateway"]) == ["balancer"]
    assert called(policies["balancer"]) == ["substation"]


def called(policy: dict[str, Any]) -> list[str]:
    peers = [peer for rule in policy["egress"] for peer in rule.get("to", [])]
    return [at(peer, "podSelector/matchLabels")["app.kubernetes.io/component"] for peer in peers]


def test_who_needs_neither_pods_nor_keys_of_the_api_server_does_not_reach_it(chart: Chart) -> None:
    static = {"balancer.discovery": "static", "balancer.substations": ["http://a:1"]}
    for without in ({"global.auth.services.enabled": False}, {"global.auth.services.jwks.configMap": "keys"}):
        objects = chart.objects({**static, **without})
        assert [name for name in LONG_RUNNING if "6443" in str(objects[f"NetworkPolicy/grid-{name}"])] == []


def test_the_test_pod_and_the_load_test_are_under_no_policy(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True})
    assert {name for name in objects if name.startswith("NetworkPolicy/")} == {
        f"NetworkPolicy/grid-{service}" for service in LONG_RUNNING
    }
