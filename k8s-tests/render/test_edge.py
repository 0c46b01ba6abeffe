"""The edge in a cluster: who does not want it gets none of it, and with it the services find each other."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from render.charts import LONG_RUNNING
from render.manifests import ISTIO_APIS, MONITORING_APIS, Chart, Manifest, at
from render.test_mesh import WANTED
from render.value_cases import CALLERS, WORKLOADS
from smartgrid.edge.settings import EdgeSettings

WITHOUT = {"edge.enabled": False}
APIS = (*ISTIO_APIS, *MONITORING_APIS)


@pytest.fixture(scope="module")
def objects(chart: Chart) -> dict[str, Manifest]:
    return chart.objects()


def environment(objects: dict[str, Manifest], service: str) -> dict[str, str]:
    data: dict[str, str] = objects[f"ConfigMap/grid-{service}"]["data"]
    return data


# ------------------------------------------------------------------ who does not want it


def test_it_is_off_by_default(chart: Chart) -> None:
    assert "StatefulSet/grid-edge" not in replace(chart, always={}, _rendered={}).objects()


@pytest.mark.parametrize("values", [{}, {**WANTED, "global.mesh": "istio-ambient"}], ids=["plain", "in a mesh"])
def test_without_it_no_object_says_a_word_of_it(chart: Chart, values: dict[str, Any]) -> None:
    objects = chart.objects({**values, **WITHOUT}, apis=APIS)
    named = re.compile(r"grid-edge|SMARTGRID_EDGE|component.: .edge")
    about_all = ("-dashboard-", "-rules", "-alerts")
    assert [
        name
        for name, each in objects.items()
        if named.search(str(each)) and not any(part in name for part in about_all)
    ] == []


# ------------------------------------------------------------------ who finds whom


@pytest.mark.parametrize("release", ["grid", "my.grid", "a" * 53])
def test_gateway_and_balancer_are_told_where_it_is_and_it_where_the_balancer_is(chart: Chart, release: str) -> None:
    found = {(m["kind"], m["metadata"]["labels"]["app.kubernetes.io/component"]): m for m in
             chart.render(release=release) if m["metadata"]["name"].endswith(tuple(LONG_RUNNING))}  # fmt: skip
    edge = found["Service", "edge"]["metadata"]["name"]
    for caller in ("gateway", "balancer"):
        assert found["ConfigMap", caller]["data"]["SMARTGRID_EDGE_URL"] == f"http://{edge}:8080"
    balancer = found["Service", "balancer"]["metadata"]["name"]
    assert found["ConfigMap", "edge"]["data"]["SMARTGRID_BALANCER_URL"] == f"http://{balancer}:8080"


def test_edges_find_each_other_by_the_names_that_their_statefulset_gives_them(objects: dict[str, Manifest]) -> None:
    template = environment(objects, "edge")["SMARTGRID_PEER_TEMPLATE"]
    assert EdgeSettings(peer_template=template).peer_template == template
    stateful = objects["StatefulSet/grid-edge"]
    pod = f"{stateful['metadata']['name']}-{{n}}.{stateful['spec']['serviceName']}.power.svc"
    assert template == f"ws://{pod}:9000|http://{pod}:8080"
    peers = objects[f"Service/{stateful['spec']['serviceName']}"]["spec"]
    assert peers["clusterIP"] == "None"
    assert peers["publishNotReadyAddresses"] is True
    assert {port["name"]: port["port"] for port in peers["ports"]} == {"http": 8080, "ocpp": 9000}


def test_a_scaled_edge_restarts_no_other_as_they_find_it_by_its_name(chart: Chart) -> None:
    pods = [at(chart.objects({"edge.replicaCount": count})[WORKLOADS["edge"]], "spec/template") for count in (2, 5)]
    assert pods[0] == pods[1]


def test_it_may_call_as_a_service_does_all_those_that_it_calls(objects: dict[str, Manifest]) -> None:
    for called in (name for name in CALLERS if "edge" in CALLERS[name]):
        grants = [entry["grants"] for entry in json.loads(environment(objects, called)["SMARTGRID_AUTH_ISSUERS"])]
        assert any("system:serviceaccount:power:grid-edge" in grant for grant in grants)
    assert environment(objects, "edge")["SMARTGRID_SERVICE_TOKEN_FILE"] == "/var/run/secrets/smart-grid/token"


# ------------------------------------------------------------------ what chargers reach


def test_from_outside_chargers_reach_their_path_and_nothing_else(chart: Chart) -> None:
    objects = chart.objects(
        {
            "edge.ingress.enabled": True,
            "edge.ingress.hosts": ["ocpp.example.com"],
            "edge.httpRoute.enabled": True,
            "edge.httpRoute.hostnames": ["ocpp.example.com"],
            "edge.httpRoute.parentRefs": [{"name": "public"}],
            "edge.chargersService.type": "LoadBalancer",
        }
    )
    (path,) = at(objects["Ingress/grid-edge"], "spec/rules/0/http/paths")
    assert (path["path"], at(path, "backend/service/port/name")) == ("/ocpp", "ocpp")
    (rule,) = at(objects["HTTPRoute/grid-edge"], "spec/rules")
    assert at(rule, "matches/0/path/value") == "/ocpp"
    assert [backend["port"] for backend in rule["backendRefs"]] == [9000]
    assert set(rule["timeouts"].values()) == {"0s"}, "a charger stays connected for days"
    assert [port["name"] for port in at(objects["Service/grid-edge-chargers"], "spec/ports")] == ["ocpp"]
    open_to_nodes = [name for name, each in objects.items() if at(each, "spec/type") in ("LoadBalancer", "NodePort")]
    assert open_to_nodes == ["Service/grid-edge-chargers"]


def test_what_it_has_not_delivered_outlives_its_pod(objects: dict[str, Manifest]) -> None:
    spec = objects["StatefulSet/grid-edge"]["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in at(spec, "template/spec/containers/0/volumeMounts")}
    assert mounts[claim["metadata"]["name"]] == environment(objects, "edge")["SMARTGRID_DATA_DIR"]


def test_files_that_it_is_given_are_where_its_settings_say(chart: Chart) -> None:
    given = {f"edge.{value}.secretName": "mine" for value in ("chargers", "idTags", "peerSecret")}
    objects = chart.objects({**given, "edge.quirks.configMap": "mine"})
    pod = at(objects[WORKLOADS["edge"]], "spec/template/spec")
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "edge")
    folder = next(m["mountPath"] for m in at(pod, "containers/0/volumeMounts") if m["name"] == "edge")
    files = {
        f"{folder}/{item['path']}"
        for source in volume["projected"]["sources"]
        for of in source.values()
        for item in of["items"]
    }
    told = {value for name, value in environment(objects, "edge").items() if name.endswith("_FILE")}
    assert files == {path for path in told if path.startswith(folder)}
    assert len(files) == 4
