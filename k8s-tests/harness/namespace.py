"""A namespace of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.shell import wait_until
from harness.api import KubeApi

OURS = {"app.kubernetes.io/managed-by": "smart-grid-tests"}
ENFORCED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@contextmanager
def restricted_namespace(api: KubeApi, name: str) -> Iterator[str]:
    """A new namespace that takes only pods which satisfy the `restricted` standard; removed with all in it."""
    path = f"/api/v1/namespaces/{name}"
    remove(api, path)
    api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": ENFORCED | OURS}})
    try:
        yield name
    finally:
        remove(api, path)


def remove_left(api: KubeApi) -> None:
    """Those that a killed run has left: their pods' requests could leave no room for others."""
    selector = ",".join(f"{name}={value}" for name, value in OURS.items())
    for left in api.get("/api/v1/namespaces", labelSelector=selector)["items"]:
        remove(api, f"/api/v1/namespaces/{left['metadata']['name']}")


def remove(api: KubeApi, path: str) -> None:
    """Delete a namespace, or another object, and wait until it is gone."""
    api.delete(path)
    wait_until(f"removal of {path}", lambda: not api.exists(path), timeout_s=120)
