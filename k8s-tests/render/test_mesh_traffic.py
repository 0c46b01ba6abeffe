"""What sidecars make of the grid's requests, by Istio's own generator of Envoy's configuration and its simulation.

No proxy runs here. Istio writes the listeners, routes and clusters that it would send to one, for the chart's own
Services and rules, and follows each request through them.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import istio, tools
from render.manifests import ISTIO_APIS, Chart, Manifest, at, pod_template
from render.test_mesh import ISTIO_KINDS, WANTED
from render.value_cases import WORKLOADS

TIMEOUT_S = 120
ADDRESSES = {"gateway": "10.244.0.4", "balancer": "10.244.0.5", "substation": "10.244.0.6"}
BALANCER_IP = "10.96.0.20"
PORTS = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
SUBSTATION_HOST = "grid-substation-0.grid-substation.power.svc"
SUBSTATIONS, BALANCERS = (f"outbound|8080||grid-{name}.power.svc.cluster.local" for name in ("substation", "balancer"))
Result = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """From the pod whose sidecar it is, or `inbound` to it."""

    address: str
    host: str
    port: int = 8080
    inbound: bool = False
    tls: str = "plaintext"


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return istio.install_sidecar()
    except tools.NoGoError as reason:
        pytest.skip(str(reason))


class Sidecars:
    """The sidecar of each of the grid's pods."""

    def __init__(self, program: Path, folder: Path, objects: dict[str, Manifest]) -> None:
        self._program, self._folder = program, folder
        self._rules = [each for each in objects.values() if each["kind"] in ISTIO_KINDS]
        self._labels = {name: labels(objects, name) for name in ADDRESSES}
        self._objects = [
            part for name in ADDRESSES for part in pod(objects[f"Service/grid-{name}"], self._labels[name])
        ]

    def follow(self, service: str, *requests: Request) -> list[Result]:
        """What becomes of requests at the sidecar of a service's pod."""
        told, answered = self._folder / "input.json", self._folder / "output.json"
        told.write_text(
            json.dumps(
                {
                    "objects": yaml.safe_dump_all(self._objects),
                    "rules": yaml.safe_dump_all(self._rules),
                    "namespace": "power",
                    "pod": f"grid-{service}-0",
                    "address": ADDRESSES[service],
                    "labels": self._labels[service],
                    "requests": [asdict(each) for each in requests],
                }
            )
        )
        done = subprocess.run(
            [self._program],
            env={**os.environ, "SIDECAR_INPUT": str(told), "SIDECAR_OUTPUT": str(answered)},
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return list(json.loads(answered.read_text()))


def labels(objects: dict[str, Manifest], service: str) -> dict[str, str]:
    """A pod's, with what Istio adds as it puts the sidecar in."""
    return {**at(pod_template(objects[WORKLOADS[service]]), "metadata/labels"), "security.istio.io/tlsMode": "istio"}


def pod(service: Manifest, its_labels: dict[str, str]) -> list[Manifest]:
    """A Service as the chart has it, one pod behind it, and what Kubernetes says of the two."""
    name, component = service["metadata"]["name"], service["metadata"]["labels"]["app.kubernetes.io/component"]
    address, pod_name = ADDRESSES[component], f"{name}-0"
    spec = service["spec"]
    if "clusterIP" not in spec:
        spec = {**spec, "clusterIP": BALANCER_IP if component == "balancer" else "10.96.0.30"}
    found = {"kind": "Pod", "name": pod_name, "namespace": "power"}
    return [
        {**service, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod_name, "namespace": "power", "labels": its_labels},
            "spec": {"serviceAccountName": name, "containers": [{"name": component, "ports": PORTS}]},
            "status": {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "power", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}, "targetRef": found}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
        },
    ]


@pytest.fixture
def sidecars(program: Path, chart: Chart, tmp_path: Path) -> Sidecars:
    return Sidecars(program, tmp_path, chart.objects({**WANTED, "global.mesh": "istio-sidecar"}, apis=ISTIO_APIS))


def test_a_balancers_request_to_a_pod_by_its_name_goes_by_mutual_tls_and_is_not_repeated(sidecars: Sidecars) -> None:
    (result,) = sidecars.follow("balancer", Request(ADDRESSES["substation"], SUBSTATION_HOST))
    assert result == {"error": "", "cluster": SUBSTATIONS, "retries": 0, "mutual_tls": True}


def test_by_its_address_it_would_go_past_the_mesh(sidecars: Sidecars) -> None:
    address = ADDRESSES["substation"]
    (result,) = sidecars.follow("balancer", Request(address, f"{address}:8080"))
    assert (result["cluster"], result["mutual_tls"]) == ("PassthroughCluster", False)


def test_a_gateways_request_to_a_balancer_goes_by_mutual_tls_and_is_not_repeated(sidecars: Sidecars) -> None:
    (result,) = sidecars.follow("gateway", Request(BALANCER_IP, "grid-balancer:8080"))
    assert result == {"error": "", "cluster": BALANCERS, "retries": 0, "mutual_tls": True}


def test_without_the_charts_routes_it_would_be_repeated(program: Path, chart: Chart, tmp_path: Path) -> None:
    values = {**WANTED, "global.mesh": "istio-sidecar", "global.istio.routes": False}
    (result,) = Sidecars(program, tmp_path, chart.objects(values, apis=ISTIO_APIS)).follow(
        "gateway", Request(BALANCER_IP, "grid-balancer:8080")
    )
    assert result["retries"] == 2


@pytest.mark.parametrize("service", ["balancer", "substation"])
def test_who_comes_without_the_meshs_certificate_reaches_the_metrics_and_no_api(
    sidecars: Sidecars, service: str
) -> None:
    address = ADDRESSES[service]
    api, by_mesh, metrics = sidecars.follow(
        service,
        Request(address, address, inbound=True),
        Request(address, address, inbound=True, tls="mtls"),
        Request(address, address, port=9090, inbound=True),
    )
    assert api["error"] != ""
    assert (by_mesh["error"], by_mesh["cluster"]) == ("", "inbound|8080||")
    assert metrics["error"] == ""


def test_anyone_reaches_the_gateway(sidecars: Sidecars) -> None:
    address = ADDRESSES["gateway"]
    results = sidecars.follow(
        "gateway", Request(address, address, inbound=True), Request(address, address, inbound=True, tls="mtls")
    )
    assert [(result["error"], result["cluster"]) for result in results] == [("", "inbound|8080||")] * 2
