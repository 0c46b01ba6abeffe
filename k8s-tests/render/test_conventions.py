"""What chart users, and clusters, expect of every object."""

from __future__ import annotations

import re
from typing import Any

import pytest

from render.charts import AUTOSCALED, LONG_RUNNING, SERVICES
from render.manifests import MONITORING_APIS, Chart, Manifest, at, pod_template
from render.value_cases import WORKLOADS

LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "version", "managed-by", "part-of")}
EVERYTHING: dict[str, Any] = {
    "global.liveCode": True,
    "loadtest.enabled": True,
    "gateway.autoscaling.enabled": True,
    "balancer.autoscaling.enabled": True,
    "substation.autoscaling.enabled": True,
    "gateway.ingress.enabled": True,
    "gateway.ingress.hosts": ["grid.example.com"],
    "gateway.httpRoute.enabled": True,
    "gateway.httpRoute.hostnames": ["grid.example.com"],
    "gateway.httpRoute.parentRefs": [{"name": "public"}],
    "edge.chargersService.type": "LoadBalancer",
    "edge.ingress.enabled": True,
    "edge.ingress.hosts": ["ocpp.example.com"],
}


@pytest.fixture(scope="module")
def manifests(chart: Chart) -> list[Manifest]:
    return chart.render(EVERYTHING, apis=MONITORING_APIS)


@pytest.fixture(scope="module")
def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Every pod that the chart makes, tests included, by component."""
    found = [template for manifest in manifests if (template := pod_template(manifest))]
    return {at(pod, "metadata/labels")["app.kubernetes.io/component"]: pod for pod in found}


def test_the_chart_makes_six_kinds_of_pods(pods: dict[str, Manifest]) -> None:
    assert set(pods) == {*SERVICES, "test"}


def test_every_object_has_the_recommended_labels_and_its_namespace(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        metadata = manifest["metadata"]
        wanted = LABELS - {"app.kubernetes.io/version"} if manifest["kind"] == "Pod" else LABELS
        assert wanted <= set(metadata["labels"]), metadata["name"]
        assert metadata["namespace"] == "power"


def test_no_selector_has_a_version(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        selector = str(at(manifest, "spec/selector") or at(manifest, "spec/podSelector") or "")
        assert "version" not in selector
        assert "chart" not in selector


def test_every_selector_matches_the_pods_of_one_service_that_of_a_workload_its_own(
    manifests: list[Manifest], pods: dict[str, Manifest]
) -> None:
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"):
            selector = at(manifest, "spec/selector") or at(manifest, "spec/podSelector")
            selector = selector.get("matchLabels", selector)
            matched = [name for name, pod in pods.items() if selector.items() <= pod["metadata"]["labels"].items()]
            assert matched == [selector["app.kubernetes.io/component"]]
            if manifest["metadata"]["name"] != "grid-demand":
                assert matched == [manifest["metadata"]["labels"]["app.kubernetes.io/component"]]


def test_every_pod_satisfies_the_restricted_standard(pods: dict[str, Manifest]) -> None:
    for pod in pods.values():
        assert at(pod, "spec/securityContext/runAsNonRoot") is True
        assert at(pod, "spec/securityContext/seccompProfile/type") == "RuntimeDefault"
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True


def test_what_a_pod_writes_is_limited(pods: dict[str, Manifest]) -> None:
    for pod in pods.values():
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            assert {"requests", "limits"} <= {
                kind for kind, amounts in container["resources"].items() if "ephemeral-storage" in amounts
            }
        folders = [volume["emptyDir"] for volume in pod["spec"].get("volumes", []) if "emptyDir" in volume]
        assert all(folder.get("sizeLimit") for folder in folders)


def test_pods_get_no_service_links_and_only_the_balancer_a_token(pods: dict[str, Manifest]) -> None:
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods.values())
    tokens = {name: pod["spec"]["automountServiceAccountToken"] for name, pod in pods.items()}
    assert tokens == {name: name == "balancer" for name in tokens}


def test_no_service_account_hands_out_its_token_by_itself(manifests: list[Manifest]) -> None:
    accounts = [manifest for manifest in manifests if manifest["kind"] == "ServiceAccount"]
    assert len(accounts) == len(SERVICES)
    assert all(account["automountServiceAccountToken"] is False for account in accounts)


def test_the_balancer_may_read_endpoint_slices_of_its_namespace_the_substations_autoscaler_and_nothing_more(
    manifests: list[Manifest],
) -> None:
    rights = [m for m in manifests if m["kind"] in ("Role", "ClusterRole", "ClusterRoleBinding")]
    assert [right["kind"] for right in rights] == ["Role"]
    assert rights[0]["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["autoscaling"],
            "resources": ["horizontalpodautoscalers"],
            "resourceNames": ["grid-substation"],
            "verbs": ["get"],
        },
    ]


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_probes_ask_what_they_mean(pods: dict[str, Manifest], service: str) -> None:
    container = pods[service]["spec"]["containers"][0]
    paths = {
        name: at(container, f"{name}/httpGet/path") for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/health"}
    ports = {name: at(container, f"{name}/httpGet/port") for name in paths}
    of_loop = {"livenessProbe": "ocpp"} if service == "edge" else {}
    assert ports == dict.fromkeys(paths, "metrics") | of_loop, "probes must not queue behind cars"


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_pod_serves_the_api_on_one_port_and_probes_and_metrics_on_another(
    chart: Chart, pods: dict[str, Manifest], service: str
) -> None:
    ports = {port["name"]: port["containerPort"] for port in pods[service]["spec"]["containers"][0]["ports"]}
    assert ports == {"http": 8080, "metrics": 9090} | ({"ocpp": 9000} if service == "edge" else {})
    settings = chart.objects()[f"ConfigMap/grid-{service}"]["data"]
    assert (settings["SMARTGRID_PORT"], settings["SMARTGRID_PROBE_PORT"]) == ("8080", "9090")


def test_no_service_has_the_port_of_the_metrics_as_one_may_be_open_to_the_world(manifests: list[Manifest]) -> None:
    services = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "Service"}
    for_autoscaler = services.pop("grid-demand")
    assert set(services) == {*(f"grid-{name}" for name in LONG_RUNNING), "grid-edge-peers", "grid-edge-chargers"}
    assert {port["name"] for service in services.values() for port in service["ports"]} == {"http", "ocpp"}
    assert for_autoscaler["clusterIP"] == "None", "only one without an address cannot be opened to the world"


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_pod_has_time_to_turn_unready_wait_drain_and_end(chart: Chart, service: str) -> None:
    objects = chart.objects({f"{service}.shutdownDelaySeconds": 2.5, f"{service}.drainTimeoutSeconds": 20})
    assert at(objects[WORKLOADS[service]], "spec/template/spec/terminationGracePeriodSeconds") == 3 + 20 + 5


@pytest.mark.parametrize("service", AUTOSCALED)
def test_what_is_autoscaled_has_no_replicas_of_its_own(manifests: list[Manifest], service: str) -> None:
    (workload,) = (m for m in manifests if f"{m['kind']}/{m['metadata']['name']}" == WORKLOADS[service])
    assert "replicas" not in workload["spec"]


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_one_replica_has_no_disruption_budget_as_that_would_block_draining_its_node(chart: Chart, service: str) -> None:
    budget = f"PodDisruptionBudget/grid-{service}"
    assert budget not in chart.objects({f"{service}.replicaCount": 1})
    assert at(chart.objects({f"{service}.replicaCount": 2})[budget], "spec/maxUnavailable") == 1


@pytest.mark.parametrize("service", AUTOSCALED)
def test_an_autoscaled_service_has_a_budget_by_its_least_number_of_pods(chart: Chart, service: str) -> None:
    budget = f"PodDisruptionBudget/grid-{service}"
    autoscaled = {f"{service}.autoscaling.enabled": True, f"{service}.replicaCount": 1}
    assert budget in chart.objects(autoscaled)
    assert budget not in chart.objects(autoscaled | {f"{service}.autoscaling.minReplicas": 1})


def test_a_changed_setting_restarts_the_pods_of_its_service_only(chart: Chart) -> None:
    def checksums(values: dict[str, Any]) -> dict[str, str]:
        objects = chart.objects(values)
        return {
            service: at(objects[WORKLOADS[service]], "spec/template/metadata/annotations")["checksum/settings"]
            for service in LONG_RUNNING
        }

    before, after = checksums({}), checksums({"balancer.policy": "random"})
    assert {service for service in LONG_RUNNING if before[service] != after[service]} == {"balancer"}


def test_pods_spread_softly_over_nodes_and_zones(pods: dict[str, Manifest]) -> None:
    for service in LONG_RUNNING:
        spread = pods[service]["spec"]["topologySpreadConstraints"]
        assert [constraint["topologyKey"] for constraint in spread] == [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        ]
        assert all(constraint["whenUnsatisfiable"] == "ScheduleAnyway" for constraint in spread)


def test_substations_start_in_parallel_behind_a_headless_service(manifests: list[Manifest]) -> None:
    by_kind = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
    stateful = by_kind["StatefulSet", "grid-substation"]["spec"]
    assert stateful["podManagementPolicy"] == "Parallel"
    assert stateful["serviceName"] == "grid-substation"
    assert by_kind["Service", "grid-substation"]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("service", ["substation", "edge"])
def test_one_with_a_volume_is_named_for_its_pod(pods: dict[str, Manifest], service: str) -> None:
    name = pods[service]["spec"]["containers"][0]["env"][0]
    assert name == {"name": "SMARTGRID_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


@pytest.mark.parametrize("release", ["grid", "my.grid", "a" * 53, "a-" * 26 + "a", "power-grid.of-the-north.example"])
def test_every_name_fits_whatever_the_release_is_called(chart: Chart, release: str) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in chart.render(EVERYTHING, release=release)]
    assert len(set(names)) == len(names)
    for _, name in names:
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
    stateful = [name for kind, name in names if kind == "StatefulSet"]
    assert len(stateful) == 2
    assert all(len(name) <= 52 for name in stateful), "the pods' labels hold this name and eleven characters more"


@pytest.mark.parametrize("release", ["grid", "my.grid", "a" * 53])
def test_services_find_each_other_whatever_the_release_is_called(chart: Chart, release: str) -> None:
    objects = {(m["kind"], m["metadata"]["labels"]["app.kubernetes.io/component"]): m for m in
               chart.render({"loadtest.enabled": True}, release=release)}  # fmt: skip
    services = {name: objects["Service", name]["metadata"]["name"] for name in LONG_RUNNING}
    balancer, gateway = objects["ConfigMap", "balancer"]["data"], objects["ConfigMap", "gateway"]["data"]
    assert balancer["SMARTGRID_KUBERNETES_SERVICE"] == services["substation"]
    assert gateway["SMARTGRID_BALANCER_URL"] == f"http://{services['balancer']}:8080"
    arguments = at(objects["Job", "loadtest"], "spec/template/spec/containers/0/args")
    assert f"--target=http://{services['gateway']}:8080" in arguments


def test_each_revision_has_its_own_load_test_as_a_job_can_not_be_changed(chart: Chart) -> None:
    assert "Job/grid-loadtest-1" in chart.objects({"loadtest.enabled": True})


def test_the_load_test_tries_again_unless_it_missed_a_threshold(pods: dict[str, Manifest], chart: Chart) -> None:
    job = chart.objects({"loadtest.enabled": True})["Job/grid-loadtest-1"]
    assert at(job, "spec/podFailurePolicy/rules/0/onExitCodes/values") == [1]
    assert pods["loadtest"]["spec"]["restartPolicy"] == "Never"
