"""KEDA in a cluster: its operator and its metrics API, from its own manifests, for a test of the chart's ScaledObject.

Its programs are built from its Go module, which takes 8 to 16 minutes on two cores and 1.6 GB of modules: nothing of it
is built, or needed, for the other tests. Without its admission webhook, which only refuses some faulty objects earlier.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cluster import tools
from cluster.deploy import build_image, image_name, kubectl
from cluster.paths import BIN
from cluster.shell import run, say, wait_until

if TYPE_CHECKING:
    from cluster.backend import Backend

MODULE_FOLDER = Path(__file__).resolve().parent / "keda"
MODULE = "github.com/kedacore/keda/v2"
NAMESPACE = "keda"
OPERATOR, ADAPTER = "keda-operator", "keda-adapter"
DEPLOYMENTS = ("keda-operator", "keda-metrics-apiserver")
MANIFESTS = ("crd", "general", "service_account", "rbac", "manager", "metrics-server")
CRD = "config/crd/bases/keda.sh_scaledobjects.yaml"
CHANGES = {
    "ghcr.io/kedacore/keda:main": image_name(OPERATOR),
    "ghcr.io/kedacore/keda-metrics-apiserver:main": image_name(ADAPTER),
    "imagePullPolicy: Always": "imagePullPolicy: IfNotPresent",
    "- /keda\n": f"- /bin/{OPERATOR}\n",
    "- /keda-adapter\n": f"- /bin/{ADAPTER}\n",
    "- --enable-cert-rotation=true\n": "- --enable-cert-rotation=true\n        - --enable-webhook-patching=false\n",
}
"""What its manifests say, and what is put in its place: images that were built here, and no webhook."""


def install(backend: Backend) -> None:
    """Build it if needed, run it in the cluster and wait until it serves metrics."""
    build()
    for program in (OPERATOR, ADAPTER):
        build_image(backend, program)
    for folder in MANIFESTS:
        kubectl(backend, "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests(folder))
    say("waiting for KEDA")
    for deployment in DEPLOYMENTS:
        kubectl(backend, "rollout", "status", f"--namespace={NAMESPACE}", f"deployment/{deployment}", "--timeout=170s")
    wait_until("KEDA's metrics API", lambda: _is_available(backend), timeout_s=120)


def remove(backend: Backend) -> None:
    """Take it away with all that it was asked to scale."""
    for folder in reversed(MANIFESTS):
        kubectl(backend, "delete", "--ignore-not-found", "--filename=-", stdin=manifests(folder))


def build() -> None:
    """Both programs, in the version that go.mod names."""
    for program in (OPERATOR, ADAPTER):
        package = f"{MODULE}/cmd/{program.removeprefix('keda-')}"
        command = ("go", "build", "-trimpath", *tools.STRIP, "-o", f"{BIN}/{program}", package)
        tools.build(program, *command, folder=MODULE_FOLDER)


def manifests(folder: str) -> str:
    """One part of its own manifests, with what is different here."""
    text = run("kubectl", "kustomize", module() / "config" / folder)
    for theirs, ours in CHANGES.items():
        text = text.replace(theirs, ours)
    return text


def module() -> Path:
    """Where its Go module lies."""
    return Path(run("go", "list", "-m", "-f", "{{.Dir}}", MODULE, cwd=MODULE_FOLDER).strip())


def _is_available(backend: Backend) -> bool:
    path = "jsonpath={.status.conditions[?(@.type=='Available')].status}"
    return kubectl(backend, "get", "apiservice", "v1beta1.external.metrics.k8s.io", f"--output={path}") == "True"
