"""An external metrics API for one grid, while a test runs."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.shell import run, wait_until
from harness.api import KubeApi
from harness.images import PYTHON
from harness.load import CONTAINER_SECURITY, POD_SECURITY

SERVER = Path(__file__).with_name("external_metrics_server.py")
NAME = "external-metrics"
GROUP = "external.metrics.k8s.io"
LABELS = {"app": NAME}
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
API_SERVICE = f"v1beta1.{GROUP}"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
READER = "smart-grid-test-external-metrics"
LET_IN: dict[str, object] = {
    "balancer.networkPolicy.extraIngress": [
        {"ports": [{"port": "metrics", "protocol": "TCP"}], "from": [{"podSelector": {"matchLabels": LABELS}}]}
    ]
}
"""Values of the chart: it may read what the balancers tell autoscalers."""


@contextmanager
def external_metrics(api: KubeApi, namespace: str, release: str) -> Iterator[None]:
    """Serve what the balancers of a release say; there must be no other such API in the cluster."""
    assert not api.exists(f"{API_SERVICES}/{API_SERVICE}"), "there is an external metrics API, such as KEDA's, already"
    in_namespace = f"/api/v1/namespaces/{namespace}"
    api.create(f"{in_namespace}/configmaps", script())
    api.create(f"{in_namespace}/secrets", certificate(namespace))
    for each in services(release):
        api.create(f"{in_namespace}/services", each)
    api.create(f"{in_namespace}/pods", pod())
    for kind, each in reader():
        api.delete(f"{RBAC}/{kind}/{READER}")
        api.create(f"{RBAC}/{kind}", each)
    api.create(API_SERVICES, api_service(namespace))
    try:
        wait_until("the external metrics API", lambda: is_available(api), timeout_s=90)
        yield
    finally:
        api.delete(f"{API_SERVICES}/{API_SERVICE}")
        for kind, _ in reader():
            api.delete(f"{RBAC}/{kind}/{READER}")


def is_available(api: KubeApi) -> bool:
    """Whether the API server reaches it."""
    found = api.get(f"{API_SERVICES}/{API_SERVICE}").get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in found)


def script() -> dict[str, Any]:
    """The server as a ConfigMap."""
    return {"metadata": {"name": NAME}, "data": {SERVER.name: SERVER.read_text()}}


def certificate(namespace: str) -> dict[str, Any]:
    """A certificate of its own making: the API server is told to believe it."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = Path(folder) / "key", Path(folder) / "cert"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        name = f"{NAME}.{namespace}.svc"
        subject = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{name}")
        run("openssl", "req", "-x509", *new, *subject, "-keyout", key, "-out", cert)
        files = {"tls.key": key.read_bytes(), "tls.crt": cert.read_bytes()}
    encoded = {file: base64.b64encode(content).decode() for file, content in files.items()}
    return {"metadata": {"name": NAME}, "type": "kubernetes.io/tls", "data": encoded}


def services(release: str) -> list[dict[str, Any]]:
    """By which the API server finds it, and by which it finds the balancers."""
    balancers = {"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "balancer"}
    return [
        {"metadata": {"name": NAME}, "spec": {"selector": LABELS, "ports": [{"port": 443, "targetPort": 6443}]}},
        {
            "metadata": {"name": f"{NAME}-balancers"},
            "spec": {"clusterIP": "None", "selector": balancers, "ports": [{"port": 9090}]},
        },
    ]


def pod() -> dict[str, Any]:
    """The server as a pod."""
    mounts = {"script": "/script", "tls": "/tls"}
    container = {
        "name": NAME,
        "image": PYTHON,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", f"/script/{SERVER.name}"],
        "env": [{"name": "BALANCERS", "value": f"{NAME}-balancers"}],
        "readinessProbe": {"tcpSocket": {"port": 6443}, "periodSeconds": 1},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "script", "configMap": {"name": NAME}},
            {"name": "tls", "secret": {"secretName": NAME}},
        ],
    }
    return {"metadata": {"name": NAME, "labels": LABELS}, "spec": spec}


def reader() -> list[tuple[str, dict[str, Any]]]:
    """The controller of HPAs may ask it."""
    controller = {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER}
    rules = [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list"]}]
    return [
        ("clusterroles", {"metadata": {"name": READER}, "rules": rules}),
        ("clusterrolebindings", {"metadata": {"name": READER}, "roleRef": role, "subjects": [controller]}),
    ]


def api_service(namespace: str) -> dict[str, Any]:
    """That it is this API."""
    return {
        "metadata": {"name": API_SERVICE},
        "spec": {
            "group": GROUP,
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": NAME, "namespace": namespace},
        },
    }
