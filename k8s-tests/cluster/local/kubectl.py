"""kubectl as the cluster's administrator."""

from __future__ import annotations

import json

from cluster.local.layout import KUBECONFIG
from cluster.paths import BIN
from cluster.shell import run


def kubectl(*arguments: str, stdin: str | None = None, timeout_s: float = 60) -> str:
    """Run kubectl and return its stdout. Raises CommandFailedError."""
    return run(BIN / "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments, stdin=stdin, timeout_s=timeout_s)


def apply(objects: list[dict[str, object]], *options: str) -> None:
    """Create or change objects."""
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl("apply", "--filename=-", *options, stdin=json.dumps(items))
