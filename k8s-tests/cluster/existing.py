"""A cluster that somebody else runs, named by its context."""

from __future__ import annotations

import os
from pathlib import Path

from cluster import tools
from cluster.shell import run, say


class NotPossibleError(Exception):
    """This kind of cluster cannot do that; the message says what would help."""


class ExistingCluster:
    """The context that SMARTGRID_TEST_CONTEXT names in the user's own kubeconfig. It is never set up nor ended here.

    Its nodes must be able to pull what is built: images are pushed under the name that they are tagged with, so
    SMARTGRID_TEST_IMAGES must name a registry that both sides reach.
    """

    name = "existing"

    def __init__(self, context: str) -> None:
        self.context: str | None = context
        default = Path.home() / ".kube/config"
        self.kubeconfig = Path(os.environ.get("KUBECONFIG", default))

    def set_up(self) -> None:
        """Only helm, which the tests call."""
        tools.install("helm")

    def up(self) -> None:
        """See that it answers."""
        run("kubectl", f"--context={self.context}", "get", "nodes", timeout_s=30)

    def is_up(self) -> bool:
        """It is not ours to say otherwise."""
        return True

    def down(self) -> None:
        """Leave it running."""
        say(f"context {self.context} is left as it is")

    def build(self, context: Path, dockerfile: Path, tag: str) -> None:
        """Build and push an image."""
        if tag.startswith("localhost/"):
            raise NotPossibleError("set SMARTGRID_TEST_IMAGES to a registry that this cluster's nodes pull from")
        run("docker", "build", "--quiet", "--tag", tag, "--file", dockerfile, context, timeout_s=1800)
        run("docker", "push", "--quiet", tag, timeout_s=600)

    def load(self, archive: Path) -> None:
        """Not without its nodes."""
        raise NotPossibleError(f"{archive} cannot be put on the nodes of context {self.context}: push it to a registry")

    def prometheus_image(self) -> str:
        """The official one; the nodes pull it."""
        return "quay.io/prometheus/prometheus:v2.53.3"

    def node_shell(self, script: str) -> str:
        """Not without its nodes."""
        raise NotPossibleError(
            f"the nodes of context {self.context} are out of reach, so this cannot run there: {script}"
        )

    def stop_api_server(self) -> None:
        """Not ours to stop."""
        raise NotPossibleError(f"the API server of context {self.context} is not ours to stop")

    def start_api_server(self) -> None:
        """Not ours to start."""
        raise NotPossibleError(f"the API server of context {self.context} is not ours to start")
