"""The Prometheus operator in a cluster, for tests of PodMonitors and rules: CRDs, operator, a Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cluster import tools
from cluster.deploy import RBAC, Object, account, apply, build_image, image_name, kubectl, namespace
from cluster.shell import run, say, wait_until

if TYPE_CHECKING:
    from cluster.backend import Backend

MODULE_FOLDER = Path(__file__).resolve().parent / "prometheus-operator"
MODULE = "github.com/prometheus-operator/prometheus-operator"
OPERATOR, RELOADER = "operator", "prometheus-config-reloader"
NAMESPACE = "monitoring"
NAME = "prometheus"
PORT = 9090


def install(backend: Backend) -> None:
    """The operator and one Prometheus that looks for PodMonitors and rules in all namespaces."""
    install_prometheus_operator(backend)
    create_prometheus(backend)


def install_prometheus_operator(backend: Backend) -> None:
    """Build the operator if needed, install its CRDs, run it in the cluster and wait until it is ready."""
    build_programs()
    for program in (OPERATOR, RELOADER):
        build_image(backend, program)
    # Client-side apply would copy each CRD into an annotation, and they are larger than an annotation may be.
    kubectl(backend, "apply", "--server-side", "--force-conflicts", f"--filename={custom_resources()}")
    apply(backend, [namespace(NAMESPACE), *account(NAMESPACE, OPERATOR, "cluster-admin"), operator_deployment()])
    kubectl(backend, "rollout", "status", f"--namespace={NAMESPACE}", f"deployment/{OPERATOR}", "--timeout=120s")


def create_prometheus(backend: Backend) -> None:
    """A Prometheus object; the operator makes the pod. Waits until that is ready."""
    image = backend.prometheus_image()
    apply(backend, [*account(NAMESPACE, NAME, NAME), prometheus_role(), prometheus_object(image), prometheus_service()])
    say("waiting for Prometheus")
    wait_until("Prometheus pod", lambda: _ready_replicas(backend) == "1", timeout_s=180)


def _ready_replicas(backend: Backend) -> str:
    statefulset = f"statefulset/prometheus-{NAME}"
    return kubectl(backend, "get", statefulset, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.readyReplicas}")


def build_programs() -> None:
    """Both of the operator's programs, in the versions that its go.mod names."""
    command = ("go", "install", "-trimpath", *tools.STRIP, "tool")
    tools.build(OPERATOR, *command, folder=MODULE_FOLDER, produces=(OPERATOR, RELOADER))


def custom_resources() -> Path:
    """The CRDs as they lie in the operator's Go module."""
    folder = run("go", "list", "-m", "-f", "{{.Dir}}", MODULE, cwd=MODULE_FOLDER).strip()
    return Path(folder) / "example/prometheus-operator-crd"


def operator_deployment() -> Object:
    """The operator."""
    labels = {"app.kubernetes.io/name": "prometheus-operator"}
    arguments = [f"--prometheus-config-reloader={image_name(RELOADER)}"]
    container = {
        "name": OPERATOR,
        "image": image_name(OPERATOR),
        "args": arguments,
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": OPERATOR, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": OPERATOR, "containers": [container]},
            },
        },
    }


def prometheus_role() -> Object:
    """What Prometheus needs to find its targets."""
    reading = ["get", "list", "watch"]
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": reading},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reading},
        ],
    }


def prometheus_object(image: str) -> Object:
    """Empty selectors choose everything; a missing one would choose nothing."""
    selectors: Object = {
        f"{what}{selector}": {}
        for what in ("serviceMonitor", "podMonitor", "rule")
        for selector in ("Selector", "NamespaceSelector")
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            **selectors,
            "image": image,
            # The operator writes its configuration for this version, whatever the image's tag says.
            "version": "v2.53.3",
            "serviceAccountName": NAME,
            "scrapeInterval": "5s",
            "evaluationInterval": "5s",
            "imagePullPolicy": "IfNotPresent",
        },
    }


def prometheus_service() -> Object:
    """A stable address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "selector": {"prometheus": NAME},
            "ports": [{"name": "web", "port": PORT, "targetPort": "web"}],
        },
    }
