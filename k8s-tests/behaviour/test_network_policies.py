"""Who reaches whom, by the chart's own network policies, on a network that enforces them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cluster.shell import NotInTimeError, wait_until
from harness.api import KubeApi
from harness.grid import Grid
from harness.namespace import restricted_namespace
from harness.reach import Address, Caller, calling_pods
from harness.steps import pause

SERVICES = ("substation", "balancer", "gateway", "edge")
PORTS = {"API": 8080, "metrics": 9090}
OCPP = {"edge": {"OCPP": 9000}}
MONITORING = "monitoring"
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
OTHER_GATEWAY = {
    "app.kubernetes.io/instance": "another",
    "app.kubernetes.io/component": "gateway",
    "app.kubernetes.io/part-of": "smart-grid",
}
METRICS = {f"{service} metrics" for service in SERVICES}
PUBLIC = {"gateway API", "edge OCPP"}

REACHES: dict[str, set[str]] = {
    "gateway": {"balancer API", "edge API"},
    "balancer": {"substation API", "edge API"},
    "edge": {"balancer API", "substation API"},
    "substation": set(),
    "prometheus": METRICS | PUBLIC,
    "stranger": PUBLIC,
    "gateway-of-another-release": PUBLIC,
    "prometheus-elsewhere": PUBLIC,
}
"""What each can connect to; all else is blocked. The gateway's API and the chargers' port are for everyone whose own
policy lets it out."""

SYNC_S = 60
# Three failures of the readiness probe, one every two seconds, and some more.
PROBES_FAIL_WITHIN_S = 10
# The answer's status, or nothing.
GET = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def callers(installed_grid: Grid, api: KubeApi) -> Iterator[dict[str, Caller]]:
    """Those that are no part of the grid."""
    here = installed_grid.namespace
    with ExitStack() as stack:
        if not api.exists(f"/api/v1/namespaces/{MONITORING}"):
            stack.enter_context(restricted_namespace(api, MONITORING))
        wanted = {
            "prometheus": (MONITORING, PROMETHEUS),
            "stranger": (here, {}),
            "gateway-of-another-release": (here, OTHER_GATEWAY),
            "prometheus-elsewhere": (here, PROMETHEUS),
        }
        yield stack.enter_context(calling_pods(api, wanted))


def measured(grid: Grid, callers: dict[str, Caller]) -> dict[str, set[str]]:
    """What each caller reaches now.

    A service's own pods are left out: kube-router holds what a pod sends against the whole of its policy, also against
    the rules of who may call it, so a gateway reaches the other gateway there, as anyone may. Others do not.
    """
    pods = {service: grid.pods(service)[0].name for service in SERVICES}
    inside = {service: Caller(grid.api, grid.namespace, pod) for service, pod in pods.items()}
    hosts = {service: grid.pod_ip(pod) for service, pod in pods.items()}

    def targets(caller: str) -> dict[str, Address]:
        others = {service: host for service, host in hosts.items() if service != caller}
        return {
            f"{service} {name}": (host, port)
            for service, host in others.items()
            for name, port in (PORTS | OCPP.get(service, {})).items()
        }

    return {name: caller.reaches(targets(name)) for name, caller in (inside | callers).items()}


def test_each_reaches_what_it_needs_and_nothing_else(grid: Grid, callers: dict[str, Caller]) -> None:
    """A new pod is open until the policies have been written anew, so they get a while; then it must stay so."""
    try:
        wait_until("the policies to be enforced", lambda: measured(grid, callers) == REACHES, timeout_s=SYNC_S)
    except NotInTimeError:
        assert measured(grid, callers) == REACHES
    assert measured(grid, callers) == REACHES


def test_a_new_pod_comes_under_the_policies_too(grid: Grid, callers: dict[str, Caller]) -> None:
    grid.restart("balancer")
    wait_until("the policies to be enforced", lambda: measured(grid, callers) == REACHES, timeout_s=SYNC_S)


def test_prometheus_gets_no_api_where_it_gets_metrics(grid: Grid, callers: dict[str, Caller]) -> None:
    host = grid.pod_ip(grid.pods("balancer")[0].name)
    statuses = {path: callers["prometheus"].run(GET, f"http://{host}:9090{path}").strip()
                for path in ("/metrics", "/substations", "/charge", "/")}  # fmt: skip
    assert statuses == {"/metrics": "200", "/substations": "404", "/charge": "404", "/": "404"}


def test_the_kubelet_goes_on_probing(grid: Grid) -> None:
    before = {pod.name: pod.restarts for service in SERVICES for pod in grid.pods(service)}
    pause("the kubelet to probe under the policies", PROBES_FAIL_WITHIN_S)
    pods = [pod for service in SERVICES for pod in grid.pods(service)]
    assert {pod.name: pod.restarts for pod in pods if pod.ready} == before


def test_the_charts_own_test_is_let_through(grid: Grid) -> None:
    assert "Phase:          Succeeded" in grid.helm.test()
