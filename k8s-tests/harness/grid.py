"""An installed grid: its pods, its services' answers, and what is done to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from cluster.backend import Backend
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.helm import Helm

KINDS = {"substation": "statefulset", "balancer": "deployment", "gateway": "deployment", "edge": "statefulset"}
CONTROLLERS = {"statefulset": "statefulsets", "deployment": "deployments"}
PAGE = 1000
CAPACITY_KW = 1000  # of each substation, unless a test lowers it: room for what the load charges
SUBSTATIONS = tuple(f"grid-substation-{number}" for number in range(3))  # those that each test begins with


OPERATOR = "default"  # the service account that every namespace has
OPERATED_BY_TESTS: dict[str, object] = {"global.auth.operators": [OPERATOR]}
"""Values of the chart: whoever has a token of that account may look at the grid, and operate it."""
TOKEN_HEADER = "Smartgrid-Token"  # the API server takes `Authorization` away
TOKEN_LIFE_S = 3600


@dataclass(frozen=True)
class Pod:
    """A pod of a service."""

    name: str
    container_id: str
    restarts: int
    ready: bool
    ready_since_s: float | None
    """Unix time; Kubernetes tells whole seconds."""


class Operator:
    """The grid's operator, by tokens of a service account for its release."""

    def __init__(self, api: KubeApi, namespace: str, audience: str) -> None:
        self._api, self._audience = api, audience
        self._path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{OPERATOR}/token"
        self._token, self._until_s = "", 0.0

    def token(self) -> str:
        """One that still holds; asks for another in the middle of its life, as the kubelet does."""
        if time.monotonic() >= self._until_s:
            wanted = {"spec": {"audiences": [self._audience], "expirationSeconds": TOKEN_LIFE_S}}
            self._token = self._api.create(self._path, wanted)["status"]["token"]
            self._until_s = time.monotonic() + TOKEN_LIFE_S / 2
        return self._token


class Grid:
    """A release of the chart."""

    def __init__(self, api: KubeApi, backend: Backend, namespace: str, release: str, helm: Helm) -> None:
        self.api, self.backend, self.namespace, self.release, self.helm = api, backend, namespace, release, helm
        self._operator = Operator(api, namespace, f"smart-grid-{namespace}-{release}")

    def twin(self) -> Grid:
        """The same grid for another thread: connections are not shared."""
        return Grid(KubeApi(self.backend, self.api.folder), self.backend, self.namespace, self.release, self.helm)

    # ------------------------------------------------------------------ pods

    def pods(self, service: str) -> list[Pod]:
        """The service's pods that are not being ended, by name."""
        items = self.api.get(self._path("pods"), labelSelector=self._selector(service))["items"]
        return sorted((to_pod(i) for i in items if "deletionTimestamp" not in i["metadata"]), key=lambda pod: pod.name)

    def pod(self, name: str) -> Pod:
        """One pod."""
        return to_pod(self.api.get(self._path(f"pods/{name}")))

    def pod_ip(self, name: str) -> str:
        """A pod's address in the cluster's network."""
        return str(self.api.get(self._path(f"pods/{name}"))["status"]["podIP"])

    def all_pod_names(self, service: str) -> set[str]:
        """Also those that are being ended."""
        items = self.api.get(self._path("pods"), labelSelector=self._selector(service))["items"]
        return {item["metadata"]["name"] for item in items}

    def signal(self, pod: Pod, signal: str) -> None:
        """Send a signal to every process of a pod's container, from the node: inside, the first one is immune."""
        in_container = f"grep -l {pod.container_id} /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3"
        self.backend.node_shell(f"kill -{signal} $({in_container})")

    @contextmanager
    def frozen(self, pod: Pod) -> Iterator[None]:
        """Stopped in its tracks while the block runs: connections are accepted, and nothing is answered."""
        self.signal(pod, "STOP")
        try:
            yield
        finally:
            self.signal(pod, "CONT")

    @contextmanager
    def answers_lost(self, pod: Pod) -> Iterator[None]:
        """While the block runs a pod gets what is sent on open connections, and nothing that it answers arrives."""
        with self._dropped(pod, "OUTPUT --protocol tcp --sport 8080"):
            yield

    @contextmanager
    def cut_off(self, service: str, pod: Pod) -> Iterator[None]:
        """While the block runs nothing that the pods of a service send to this pod leaves them."""
        address = self.pod_ip(pod.name)
        with ExitStack() as stack:
            for each in self.pods(service):
                stack.enter_context(self._dropped(each, f"OUTPUT --destination {address}"))
            yield

    @contextmanager
    def _dropped(self, pod: Pod, what: str) -> Iterator[None]:
        in_pod = f"nsenter --net=/proc/$(grep -l {pod.container_id} /proc/[0-9]*/cgroup | head -1 | cut -d/ -f3)/ns/net"
        self.backend.node_shell(f"{in_pod} iptables --append {what} --jump DROP")
        try:
            yield
        finally:
            self.backend.node_shell(f"{in_pod} iptables --delete {what} --jump DROP")

    # ------------------------------------------------------------------ changes

    def scale(self, service: str, replicas: int) -> None:
        """Ask for so many pods; does not wait."""
        self.api.patch(f"{self._controller(service)}/scale", {"spec": {"replicas": replicas}})

    def replace_at_once(self, service: str) -> None:
        """Delete all pods of a service, killed and not asked to end; returns when others serve in their place."""
        old = self.all_pod_names(service)
        self.api.kubectl("delete", "pod", f"--namespace={self.namespace}", "--grace-period=0", "--force", *sorted(old))
        self.wait_for_rollout(service)

    def replace(self, service: str) -> None:
        """Delete all pods of a service, each asked to end; returns when others serve in their place."""
        old = self.all_pod_names(service)
        self.api.kubectl("delete", "pod", f"--namespace={self.namespace}", "--wait=false", *sorted(old))
        wait_until(f"the end of {old}", lambda: not old & self.all_pod_names(service), timeout_s=120)
        self.wait_for_rollout(service)

    def set_capacity(self, capacity_kw: float) -> None:
        """The grid operator's limit, at every substation."""
        for pod in self.pods("substation"):
            self._call(pod.name, "PUT", "/capacity", json={"capacity_kw": capacity_kw})

    def stop_all(self, *substations: str) -> None:
        """Stop every session of these substations, or of all."""
        for name in substations or [pod.name for pod in self.pods("substation")]:
            for session in self.sessions(name):
                if session["ended_at"] is None:
                    self._call(name, "DELETE", f"/charge/{session['session_id']}")

    def restart(self, service: str) -> None:
        """A rolling restart, to its end."""
        kind = f"{KINDS[service]}/{self.release}-{service}"
        self.api.kubectl("rollout", "restart", f"--namespace={self.namespace}", kind)
        self.wait_for_rollout(service)

    def wait_for_rollout(self, service: str) -> None:
        """Wait until all pods are as they should be, and no other is left."""
        kind = f"{KINDS[service]}/{self.release}-{service}"
        self.api.kubectl("rollout", "status", f"--namespace={self.namespace}", kind, "--timeout=170s")
        wait_until(f"exact pods of {service}", lambda: self._has_exact_pods(service), timeout_s=120)

    def _has_exact_pods(self, service: str) -> bool:
        wanted = self.api.get(self._controller(service))["spec"]["replicas"]
        pods = self.pods(service)
        return len(pods) == len(self.all_pod_names(service)) == wanted and all(pod.ready for pod in pods)

    def wait_for_fleet(self) -> None:
        """Wait until every balancer routes to just the substations that serve."""
        wait_until("the balancers' fleets", self._fleets_are_exact, timeout_s=60)

    def _fleets_are_exact(self) -> bool:
        """What Kubernetes says is held against the pods first: its endpoints are late where the API server was away."""
        try:
            ready = {pod.name for pod in self.pods("substation") if pod.ready}
            return all(fleet == self.serving() == ready for fleet in self.fleets().values())
        except requests.RequestException:
            return False

    # ------------------------------------------------------------------ what it says

    def charge(self, gateway: str, key: str, car: dict[str, object]) -> requests.Response:
        """Ask one gateway's pod to charge a car, through the API server."""
        path = self._path(f"pods/{gateway}:8080/proxy/charge")
        return self.api.request("POST", path, json=car, headers={"Idempotency-Key": key})

    def ask_gateway(self, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
        """Ask a gateway as whoever has this token, or as a stranger; through the API server."""
        where = self._path(f"pods/{self.pods('gateway')[0].name}:8080/proxy{path}")
        return self.api.request(method, where, headers={TOKEN_HEADER: token} if token else {}, **options)

    def ask(self, pod: str, path: str, **query: str | int) -> Any:
        """GET from one pod, through the API server."""
        return self._call(pod, "GET", path, params=query).json()

    def fleets(self) -> dict[str, set[str]]:
        """Names of the substations that each balancer routes to."""
        return {pod.name: self.fleet(pod.name) for pod in self.pods("balancer")}

    def fleet(self, balancer: str) -> set[str]:
        """Names of the substations that one balancer routes to."""
        listed = self.ask(balancer, "/substations")["substations"]
        return {entry["name"] for entry in listed if entry["in_rotation"]}

    def serving(self) -> set[str]:
        """Names of the substations that Kubernetes says are serving."""
        service = f"kubernetes.io/service-name={self.release}-substation"
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        slices = self.api.get(path, labelSelector=service)["items"]
        endpoints = [endpoint for item in slices for endpoint in item["endpoints"] or []]
        return {endpoint["targetRef"]["name"] for endpoint in endpoints if endpoint["conditions"]["ready"]}

    def sessions(self, substation: str) -> list[dict[str, Any]]:
        """All sessions on a substation's record."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.ask(substation, "/charge", limit=PAGE, **cursor)
            found += page["sessions"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def routed(self, balancer: str) -> int:
        """How many cars a balancer has placed since it started."""
        return int(self.metric(balancer, "routing_decisions_total"))

    def keys_known(self) -> dict[str, int]:
        """How many sessions each balancer knows by their keys."""
        return {pod.name: int(self.metric(pod.name, "keys_known")) for pod in self.pods("balancer")}

    def metric(self, pod: str, name: str) -> float:
        """A pod's metric, summed over its labels."""
        lines = self.api.text(self._path(f"pods/{pod}:9090/proxy/metrics")).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    @staticmethod
    def now_s() -> float:
        """Unix time; the pods have the same clock where the nodes are this machine."""
        return time.time()

    def _call(self, pod: str, method: str, path: str, **options: Any) -> requests.Response:
        """Ask one pod as the grid's operator, through the API server. Raises HTTPError if it is no success."""
        where = self._path(f"pods/{pod}:8080/proxy{path}")
        return self.api.call(method, where, headers={TOKEN_HEADER: self._operator.token()}, **options)

    # ------------------------------------------------------------------ paths

    def _path(self, what: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{what}"

    def _controller(self, service: str) -> str:
        kind = CONTROLLERS[KINDS[service]]
        return f"/apis/apps/v1/namespaces/{self.namespace}/{kind}/{self.release}-{service}"

    def _selector(self, service: str) -> str:
        return f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={service}"


def to_pod(item: dict[str, Any]) -> Pod:
    """A pod as the API tells it."""
    status = item["status"]
    containers = status.get("containerStatuses") or [{}]
    ready = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), None)
    is_ready = ready is not None and ready["status"] == "True"
    return Pod(
        name=item["metadata"]["name"],
        container_id=containers[0].get("containerID", "").removeprefix("containerd://"),
        restarts=containers[0].get("restartCount", 0),
        ready=is_ready,
        ready_since_s=unix_s(ready["lastTransitionTime"]) if ready and is_ready else None,
    )


def unix_s(timestamp: str) -> float:
    """Unix time of an RFC 3339 timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()
