"""Kubernetes in Docker, where a Docker engine runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cluster import tools
from cluster.paths import CACHE
from cluster.shell import CommandFailedError, run, say, succeeds, wait_until

CLUSTER = "smart-grid"
NODE_CONTAINER = f"{CLUSTER}-control-plane"
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
METRICS_SERVER = Path(__file__).with_name("metrics-server.yaml")
# The autoscaler's defaults (15 s, 30 s, 5 min) would make a test of it take ten minutes.
CONTROLLER_ARGUMENTS = {
    "horizontal-pod-autoscaler-sync-period": "5s",
    "horizontal-pod-autoscaler-initial-readiness-delay": "5s",
    "horizontal-pod-autoscaler-cpu-initialization-period": "10s",
}
# Lists are replaced, not merged, so what kind itself sets is repeated here.
SET_BY_KIND = {"enable-hostpath-provisioner": "true"}


class KindCluster:
    """A kind cluster of this project's own name, with the metrics API added."""

    name = "kind"
    kubeconfig = CACHE / "kind.conf"
    context: str | None = f"kind-{CLUSTER}"

    def set_up(self) -> None:
        """The machine's own kind, else a built one; helm is always ours. kubectl comes with what brought Docker."""
        tools.install("helm")
        if shutil.which("kubectl") is None:
            raise CommandFailedError("kind needs kubectl on PATH")
        if shutil.which("kind") is None:
            tools.install("kind")

    def up(self) -> None:
        """Create the cluster, unless it is there."""
        if self.is_up():
            return
        say("starting a kind cluster")
        configuration = CACHE / "kind.json"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(json.dumps(configuration_object()))
        where = (f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}")
        run("kind", "create", "cluster", *where, f"--config={configuration}", "--wait=120s", timeout_s=900)
        self.kubectl("apply", f"--filename={METRICS_SERVER}")

    def is_up(self) -> bool:
        """Whether the API answers."""
        return self.kubeconfig.exists() and succeeds("kubectl", f"--kubeconfig={self.kubeconfig}", "get", "nodes")

    def down(self) -> None:
        """Delete the cluster."""
        run("kind", "delete", "cluster", f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}")

    def build(self, context: Path, dockerfile: Path, tag: str) -> None:
        """Build an image and load it into the node."""
        run("docker", "build", "--quiet", "--tag", tag, "--file", dockerfile, context, timeout_s=1800)
        run("kind", "load", "docker-image", tag, f"--name={CLUSTER}")

    def load(self, archive: Path) -> None:
        """Load an image archive into the node."""
        run("kind", "load", "image-archive", archive, f"--name={CLUSTER}")

    def prometheus_image(self) -> str:
        """The official one; the node pulls it."""
        return "quay.io/prometheus/prometheus:v2.53.3"

    def node_shell(self, script: str) -> str:
        """Run a shell script on the node, as root."""
        return run("docker", "exec", NODE_CONTAINER, "sh", "-c", script)

    def stop_api_server(self) -> None:
        """Take away its manifest, so that kubelet does not start it again, and kill it."""
        self.node_shell(f"mv {MANIFEST} /root/ && pkill -KILL kube-apiserver")
        wait_until("end of the API server", lambda: not self.is_up())

    def start_api_server(self) -> None:
        """Put its manifest back; kubelet starts it."""
        self.node_shell(f"mv /root/{Path(MANIFEST).name} {MANIFEST}")
        wait_until("API server", self.is_up, timeout_s=120)

    def kubectl(self, *arguments: str) -> str:
        """kubectl as the cluster's administrator."""
        return run("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments)


def configuration_object() -> dict[str, object]:
    """kind takes the patch whose API version its kubeadm configuration has: v1beta4 from Kubernetes 1.36 on."""
    listed = [{"name": name, "value": value} for name, value in (CONTROLLER_ARGUMENTS | SET_BY_KIND).items()]
    patches = [patch("v1beta3", CONTROLLER_ARGUMENTS), patch("v1beta4", listed)]
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "kubeadmConfigPatches": patches}


def patch(version: str, arguments: object) -> str:
    """A patch of the controller manager's arguments, as text."""
    head = {"apiVersion": f"kubeadm.k8s.io/{version}", "kind": "ClusterConfiguration"}
    return json.dumps({**head, "controllerManager": {"extraArgs": arguments}})
