"""Putting a program that was built here into a cluster: its image, its namespace, its account, its objects."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.paths import BIN, CACHE
from cluster.shell import run

if TYPE_CHECKING:
    from cluster.backend import Backend

Object = dict[str, object]
RBAC = "rbac.authorization.k8s.io"


def build_image(backend: Backend, program: str) -> None:
    """An image that holds nothing but one static program, in /bin."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        shutil.copy(BIN / program, folder)
        lines = ("FROM scratch", f"COPY {program} /bin/", "USER 65534", f'ENTRYPOINT ["/bin/{program}"]')
        (folder / "Dockerfile").write_text("\n".join(lines))
        backend.build(folder, folder / "Dockerfile", image_name(program))


def image_name(program: str) -> str:
    """Name of the image of such a program."""
    return f"localhost/smart-grid/{program}:test"


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def account(where: str, name: str, role: str) -> list[Object]:
    """A ServiceAccount in namespace `where`, bound to a ClusterRole."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": where}},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{where}-{name}"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": where}],
        },
    ]


def apply(backend: Backend, objects: list[Object]) -> None:
    """Create or change objects."""
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl(backend, "apply", "--filename=-", stdin=json.dumps(items))


def kubectl(backend: Backend, *arguments: str, stdin: str | None = None) -> str:
    """kubectl as the cluster's administrator."""
    context = (f"--context={backend.context}",) if backend.context else ()
    return run("kubectl", f"--kubeconfig={backend.kubeconfig}", *context, *arguments, stdin=stdin, timeout_s=180)
