"""What a service mesh needs of the chart, and what the chart tells Istio (docs/mesh.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from render.charts import LONG_RUNNING
from render.manifests import ISTIO_APIS, Chart, Manifest, at, pod_template
from render.value_cases import CALLERS, OF_REGIONS, WORKLOADS

MODES = ("istio-sidecar", "istio-ambient")
DRIVERS = {"issuer": "https://login.example.com", "audience": "grid", "jwks": "https://login.example.com/keys"}
HBONE = {"port": 15008, "protocol": "TCP"}
ISTIOD = {"port": 15012, "protocol": "TCP"}
PROBES = {
    "ports": [{"port": "metrics", "protocol": "TCP"}],
    "from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}],
}
RUN_ONCE = ("Job/grid-loadtest-1", "Pod/grid-gateway-test-charge")
ISTIO_KINDS = {"VirtualService", "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication"}
WANTED: dict[str, Any] = {
    "loadtest.enabled": True,
    "global.auth.issuers": [DRIVERS],
    "global.istio.policies": "auto",
    "global.istio.checkTokens": "auto",
}


def installed(chart: Chart, mode: str, **values: Any) -> dict[str, Manifest]:
    """The chart in such a mesh, with all that Istio can be told, on a cluster that knows Istio's kinds."""
    return chart.objects({**WANTED, "global.mesh": mode, **values}, apis=ISTIO_APIS)


def policy(objects: dict[str, Manifest], service: str) -> Manifest:
    spec: Manifest = objects[f"NetworkPolicy/grid-{service}"]["spec"]
    return spec


# ------------------------------------------------------------------ whatever the mesh


def test_every_port_of_a_service_says_its_protocol_so_that_no_proxy_has_to_guess(chart: Chart) -> None:
    objects = chart.objects({"substation.autoscaling.enabled": True})
    services = [manifest for manifest in objects.values() if manifest["kind"] == "Service"]
    assert len(services) > len(LONG_RUNNING)
    ports = [port for service in services for port in at(service, "spec/ports")]
    assert {(port["name"], port.get("appProtocol")) for port in ports} == {
        ("http", "http"), ("metrics", "http"), ("ocpp", "http"),
    }  # fmt: skip


def test_a_gateway_that_speaks_https_says_so(chart: Chart) -> None:
    objects = chart.objects({"gateway.tls.secretName": "cert"})
    assert at(objects["Service/grid-gateway"], "spec/ports/0/appProtocol") == "https"


@pytest.mark.parametrize("mode", ["none", *MODES])
def test_pods_that_run_once_stay_outside_as_a_sidecar_would_keep_them_from_ending(chart: Chart, mode: str) -> None:
    objects = chart.objects({"loadtest.enabled": True, "global.mesh": mode})
    for name in RUN_ONCE:
        labels = at(pod_template(objects[name]), "metadata/labels")
        assert labels["sidecar.istio.io/inject"] == "false"
        assert labels["istio.io/dataplane-mode"] == "none"


def test_without_a_mesh_nothing_is_said_of_one(chart: Chart) -> None:
    objects = chart.objects({}, apis=ISTIO_APIS)
    assert ISTIO_KINDS.isdisjoint(manifest["kind"] for manifest in objects.values())
    told = json.dumps([manifest for name, manifest in objects.items() if name not in RUN_ONCE])
    assert "istio" not in told
    assert not [port for port in ("15008", "15012") if port in told]


# ------------------------------------------------------------------ how pods are in it


@pytest.mark.parametrize(
    ("mode", "label"),
    [("istio-sidecar", ("sidecar.istio.io/inject", "true")), ("istio-ambient", ("istio.io/dataplane-mode", "ambient"))],
)
def test_the_services_pods_join_the_mesh_whatever_their_namespace_says(
    chart: Chart, mode: str, label: tuple[str, str]
) -> None:
    objects = installed(chart, mode)
    for service in LONG_RUNNING:
        assert label in at(objects[WORKLOADS[service]], "spec/template/metadata/labels").items()


def test_a_users_own_label_wins(chart: Chart) -> None:
    objects = installed(chart, "istio-sidecar", **{"gateway.podLabels": {"sidecar.istio.io/inject": "false"}})
    labels = at(objects[WORKLOADS["gateway"]], "spec/template/metadata/labels")
    assert labels["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_sidecar_ends_after_its_service_has_drained_and_before_the_pod_must(chart: Chart, service: str) -> None:
    objects = installed(
        chart, "istio-sidecar", **{f"{service}.shutdownDelaySeconds": 6, f"{service}.drainTimeoutSeconds": 20}
    )
    template = at(objects[WORKLOADS[service]], "spec/template")
    told = json.loads(at(template, "metadata/annotations")["proxy.istio.io/config"])
    assert told == {"terminationDrainDuration": "27s"}
    assert template["spec"]["terminationGracePeriodSeconds"] > 27


# ------------------------------------------------------------------ what network policies let through


def test_in_ambient_mode_whoever_may_call_a_port_may_do_so_by_the_meshs_port(chart: Chart) -> None:
    objects, plain = installed(chart, "istio-ambient"), chart.objects({"global.auth.issuers": [DRIVERS]})
    for service in LONG_RUNNING:
        before, after = policy(plain, service)["ingress"], policy(objects, service)["ingress"]
        after = [rule for rule in after if rule != PROBES]
        assert [rule.get("from") for rule in after] == [rule.get("from") for rule in before]
        assert [rule["ports"] for rule in after] == [[*rule["ports"], HBONE] for rule in before]


def test_in_ambient_mode_a_service_calls_the_next_by_the_meshs_port(chart: Chart) -> None:
    objects = installed(chart, "istio-ambient")
    assert policy(objects, "gateway")["egress"][1]["ports"] == [{"port": 8080, "protocol": "TCP"}, HBONE]
    assert policy(objects, "balancer")["egress"][1]["ports"] == [{"port": 8080, "protocol": "TCP"}, HBONE]


def test_in_ambient_mode_a_balancer_of_regions_calls_them_by_the_meshs_port_too(chart: Chart) -> None:
    objects = chart.objects({**OF_REGIONS, "global.mesh": "istio-ambient"})
    assert {"ports": [HBONE]} in policy(objects, "balancer")["egress"]


def test_in_ambient_mode_the_kubelet_probes_from_an_address_of_the_meshs(chart: Chart) -> None:
    objects = installed(chart, "istio-ambient")
    for service in LONG_RUNNING:
        assert policy(objects, service)["ingress"][2] == PROBES


def test_sidecars_reach_istiod_and_need_no_other_port(chart: Chart) -> None:
    objects = installed(chart, "istio-sidecar")
    for service in LONG_RUNNING:
        rules = [rule for rule in policy(objects, service)["egress"] if ISTIOD in rule["ports"]]
        (peer,) = rules[0]["to"]
        assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "istio-system"}}
        assert peer["podSelector"] == {"matchLabels": {"app": "istiod"}}
        assert "15008" not in json.dumps(policy(objects, service))


@pytest.mark.parametrize("mode", MODES)
def test_what_is_outside_of_the_mesh_reaches_no_port_of_it(chart: Chart, mode: str) -> None:
    objects = installed(chart, mode)
    for name in ("loadtest", "gateway-test-charge"):
        assert not [port for port in ("15008", "15012") if port in json.dumps(policy(objects, name))]


# ------------------------------------------------------------------ what Istio is told


@pytest.mark.parametrize("mode", MODES)
def test_no_proxy_repeats_a_car_on_its_way(chart: Chart, mode: str) -> None:
    objects = installed(chart, mode, **{"gateway.service.port": 80, "loadtest.enabled": False})
    routed = {name for name in objects if name.startswith("VirtualService/")}
    assert routed == {f"VirtualService/grid-{service}" for service in (*LONG_RUNNING, "edge-peers")}
    for name in routed:
        service = objects[name.replace("VirtualService", "Service")]
        spec = objects[name]["spec"]
        assert spec["hosts"] == [service["metadata"]["name"]]
        for rule in spec["http"]:
            assert rule["retries"] == {"attempts": 0}
            assert "timeout" not in rule, "long polls take their own time, and chargers stay for days"
            assert rule["route"][0]["destination"]["host"] == spec["hosts"][0]
        ports = [rule["route"][0]["destination"]["port"]["number"] for rule in spec["http"]]
        assert sorted(ports) == [port["port"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize("mode", MODES)
def test_who_is_called_takes_mutual_tls_only_but_for_metrics_and_an_edge_for_chargers(chart: Chart, mode: str) -> None:
    objects = installed(chart, mode)
    for service in CALLERS:
        spec = objects[f"PeerAuthentication/grid-{service}"]["spec"]
        assert spec["mtls"] == {"mode": "STRICT"}
        assert list(spec["portLevelMtls"]) == ([9090, 9000] if service == "edge" else [9090])
        assert all(port == {"mode": "PERMISSIVE"} for port in spec["portLevelMtls"].values())


def test_the_gateway_takes_callers_from_outside_of_the_mesh(chart: Chart) -> None:
    spec = installed(chart, "istio-sidecar")["PeerAuthentication/grid-gateway"]["spec"]
    assert spec["mtls"] == {"mode": "PERMISSIVE"}
    assert "AuthorizationPolicy/grid-gateway" not in installed(chart, "istio-sidecar")


@pytest.mark.parametrize(("called", "callers"), CALLERS.items())
def test_who_may_call_is_as_the_network_policy_has_it(chart: Chart, called: str, callers: list[str]) -> None:
    objects = installed(chart, "istio-sidecar")
    accounts = [at(objects[WORKLOADS[caller]], "spec/template/spec/serviceAccountName") for caller in callers]
    peers = policy(objects, called)["ingress"][0]["from"]
    assert [at(peer, "podSelector/matchLabels/app.kubernetes.io~component") for peer in peers] == callers
    api, *open_to_all = objects[f"AuthorizationPolicy/grid-{called}"]["spec"]["rules"]
    assert api == {
        "from": [{"source": {"principals": [f"cluster.local/ns/power/sa/{account}" for account in accounts]}}],
        "to": [{"operation": {"ports": ["8080"]}}],
    }
    ports = ["9090", "9000"] if called == "edge" else ["9090"]
    assert open_to_all == [{"to": [{"operation": {"ports": [port]}}]} for port in ports]


def test_callers_that_are_named_are_let_in_by_the_mesh_too(chart: Chart) -> None:
    objects = installed(chart, "istio-sidecar", **{"balancer.callers": ["system:serviceaccount:west:grid-gateway"]})
    rule = objects["AuthorizationPolicy/grid-balancer"]["spec"]["rules"][0]
    assert at(rule, "from/0/source/principals") == ["cluster.local/ns/west/sa/grid-gateway"]


def test_a_policy_is_of_the_pods_of_its_service(chart: Chart) -> None:
    objects = installed(chart, "istio-sidecar")
    for name, manifest in objects.items():
        labels = at(manifest, "spec/selector/matchLabels")
        if manifest["kind"] in ISTIO_KINDS and labels:
            pods = [pod for each in objects.values() if (pod := pod_template(each))]
            chosen = [pod for pod in pods if labels.items() <= pod["metadata"]["labels"].items()]
            assert [f"grid-{at(pod, 'metadata/labels/app.kubernetes.io~component')}" for pod in chosen] == [
                name.split("/")[1]
            ]


def test_drivers_tokens_are_checked_at_the_gateway_only_and_handed_on(chart: Chart) -> None:
    objects = installed(chart, "istio-sidecar")
    names = [name for name in objects if name.startswith("RequestAuthentication/")]
    assert names == ["RequestAuthentication/grid-gateway"], "services' tokens have an issuer that is not among them"
    assert objects[names[0]]["spec"]["jwtRules"] == [
        {
            "issuer": DRIVERS["issuer"],
            "audiences": [DRIVERS["audience"]],
            "jwksUri": DRIVERS["jwks"],
            "forwardOriginalToken": True,
        }
    ]


def test_in_ambient_mode_a_waypoint_checks_them(chart: Chart) -> None:
    spec = installed(chart, "istio-ambient")["RequestAuthentication/grid-gateway"]["spec"]
    assert spec["targetRefs"] == [{"group": "", "kind": "Service", "name": "grid-gateway"}]
    assert "selector" not in spec


@pytest.mark.parametrize("mode", MODES)
def test_a_cluster_that_does_not_know_a_kind_gets_none_of_it(chart: Chart, mode: str) -> None:
    for api in ISTIO_APIS:
        others = tuple(each for each in ISTIO_APIS if each != api)
        kinds = {m["kind"] for m in chart.render({**WANTED, "global.mesh": mode}, apis=others)}
        assert kinds & ISTIO_KINDS == ISTIO_KINDS - {api.rpartition("/")[2]}


def test_policies_are_off_until_they_are_wanted(chart: Chart) -> None:
    objects = chart.objects({"global.mesh": "istio-sidecar"}, apis=ISTIO_APIS)
    assert {m["kind"] for m in objects.values()} & ISTIO_KINDS == {"VirtualService"}
