"""Who reaches whom: TCP connections tried from inside pods.

A connection that is refused and one that times out both count as blocked: network plugins differ in that. So a port on
which nothing listens would look blocked too, and a test must show that each port is open to someone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.shell import CommandFailedError, wait_until
from harness.api import KubeApi
from harness.images import PYTHON
from harness.load import CONTAINER_SECURITY, POD_SECURITY
from harness.namespace import remove

Address = tuple[str, int]
# All at once, as a blocked connection may take the whole timeout.
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def is_open(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True
addresses = sys.argv[1:]
with ThreadPoolExecutor(len(addresses)) as pool:
    print(json.dumps(list(pool.map(is_open, addresses))))
"""


class CallFailedError(CommandFailedError):
    """A script that ran in a pod ended with a failure; the message has what it wrote."""


@dataclass(frozen=True)
class Caller:
    """A running pod with a Python in it."""

    api: KubeApi
    namespace: str
    pod: str

    def reaches(self, addresses: Mapping[str, Address]) -> set[str]:
        """The names of those addresses that it can connect to."""
        listed = [f"{host}:{port}" for host, port in addresses.values()]
        found = self.run(CONNECT, *listed)
        return {name for name, is_open in zip(addresses, json.loads(found), strict=True) if is_open}

    def run(self, script: str, *arguments: str) -> str:
        """What a Python script prints in the pod. Raises CallFailedError where it fails."""
        where = (f"--namespace={self.namespace}", self.pod)
        try:
            return self.api.kubectl("exec", *where, "--", "python3", "-c", script, *arguments)
        except CommandFailedError as error:
            raise CallFailedError(str(error)) from error


@contextmanager
def calling_pod(api: KubeApi, namespace: str, name: str, labels: Mapping[str, str]) -> Iterator[Caller]:
    """A pod with these labels that does nothing by itself; removed afterwards, and before if it was left."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    remove(api, f"{pods}/{name}")
    api.create(pods, pod_object(name, labels))
    try:
        wait_until(f"pod {name}", lambda: api.get(f"{pods}/{name}")["status"]["phase"] == "Running", timeout_s=60)
        yield Caller(api, namespace, name)
    finally:
        api.delete(f"{pods}/{name}")


@contextmanager
def calling_pods(api: KubeApi, wanted: Mapping[str, tuple[str, Mapping[str, str]]]) -> Iterator[dict[str, Caller]]:
    """Several, each by its name with its namespace and its labels."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(calling_pod(api, namespace, name, labels))
            for name, (namespace, labels) in wanted.items()
        }


def pod_object(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """It sleeps, and ends at once when it is asked to."""
    container = {
        "name": "caller",
        "image": PYTHON,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import time; time.sleep(3600)"],
        "securityContext": CONTAINER_SECURITY,
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
    }
    return {"metadata": {"name": name, "labels": dict(labels)}, "spec": spec}
