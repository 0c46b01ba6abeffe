"""The local cluster as a backend."""

from __future__ import annotations

import time
from pathlib import Path

from cluster.local import (
    addons,
    binaries,
    components,
    configuration,
    credentials,
    images,
    node,
    packages,
    prometheus_image,
)
from cluster.local.kubectl import kubectl
from cluster.local.layout import CONTAINERD_SOCKET, KUBECONFIG, LOGS, NODE, PAUSE_IMAGE, PYTHON_IMAGE
from cluster.shell import CommandFailedError, NotInTimeError, say, succeeds, wait_until

READY = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"


class LocalCluster:
    """Kubernetes built from its Go module, in namespaces of its own on this machine."""

    name = "local"
    kubeconfig: Path = KUBECONFIG
    context: str | None = None

    def set_up(self) -> None:
        """Install packages, build programs, make the base images; what is there already is left alone."""
        packages.install()
        binaries.build()
        images.make_base_images()

    def up(self) -> None:
        """Bring the cluster up, unless it is up."""
        if self.is_up():
            return
        started_s = time.monotonic()
        say("starting the local cluster")
        node.stop()
        credentials.make()
        configuration.write()
        start_node()
        say(f"the local cluster is up after {time.monotonic() - started_s:.0f} s")

    def is_up(self) -> bool:
        """Whether the API answers and the node is ready."""
        try:
            return node.is_running() and node_is_ready()
        except CommandFailedError:
            return False

    def down(self) -> None:
        """End the cluster and remove all that it had."""
        node.stop()

    def build(self, context: Path, dockerfile: Path, tag: str) -> None:
        """Build an image and load it into the cluster."""
        images.build(context, dockerfile, tag)
        images.load(tag)

    def load(self, archive: Path) -> None:
        """Import an image archive."""
        images.load_archive(archive)

    def prometheus_image(self) -> str:
        """The stand-in from Debian's package."""
        return prometheus_image.provide()

    def node_shell(self, script: str) -> str:
        """Run a shell script on the node, as root."""
        return node.shell(script)

    def stop_api_server(self) -> None:
        """Kill the API server and leave it dead."""
        node.end("kube-apiserver")
        wait_until("end of the API server", lambda: not self.is_up())

    def start_api_server(self) -> None:
        """Start the API server again and wait until it answers."""
        node.keep_running("kube-apiserver", components.api_server())
        wait_until("API server", self.is_up)


def start_node() -> None:
    """Start every component and wait until pods can run."""
    try:
        node.start()
        for name, command in components.command_lines().items():
            node.keep_running(name, command)
        wait_until("containerd", lambda: succeeds("ctr", "--address", CONTAINERD_SOCKET, "version"))
        for image in (PAUSE_IMAGE, PYTHON_IMAGE):
            images.load(image)
        wait_until("node Ready", node_is_ready)
        wait_until("network policies", network_policies_are_enforced)
        addons.install()
    except NotInTimeError as error:
        raise NotInTimeError(f"{error}; the components' logs are in {LOGS}") from error


def network_policies_are_enforced() -> bool:
    """Whether what pods forward goes through the policies: their program waits until the node is known."""
    return "KUBE-ROUTER-FORWARD" in node.shell("iptables --list-rules FORWARD")


def node_is_ready() -> bool:
    """Whether the node reports that it takes pods."""
    return kubectl("--request-timeout=5s", "get", "node", NODE, "--output", READY) == "True"
