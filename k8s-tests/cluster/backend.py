"""Which cluster the tests run on: the choice, and what every kind of cluster can do."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.existing import ExistingCluster
from cluster.kind import KindCluster
from cluster.local.cluster import LocalCluster
from cluster.paths import search_path
from cluster.shell import succeeds

KINDS = ("existing", "kind", "local", "none")


class Backend(Protocol):
    """A cluster that tests can use."""

    name: str
    kubeconfig: Path
    context: str | None

    def set_up(self) -> None:
        """Install and build what it needs; cached, so a second time takes seconds."""

    def up(self) -> None:
        """Bring it up, unless it is up. Needs `set_up` to have run."""

    def is_up(self) -> bool:
        """Whether it answers."""

    def down(self) -> None:
        """End it."""

    def build(self, context: Path, dockerfile: Path, tag: str) -> None:
        """Build an image from a Dockerfile and make it available to pods as `tag`."""

    def load(self, archive: Path) -> None:
        """Make the images of an archive available to pods."""

    def prometheus_image(self) -> str:
        """Name of a Prometheus image that pods can run."""

    def node_shell(self, script: str) -> str:
        """Run a shell script as root on the node, where the processes of its pods are to be seen."""

    def stop_api_server(self) -> None:
        """Kill the API server; it stays dead."""

    def start_api_server(self) -> None:
        """Start it again and wait until it answers."""


class NoBackendError(Exception):
    """No cluster is possible on this machine; the message says what each kind would need."""


@dataclass(frozen=True)
class Machine:
    """What decides which clusters are possible."""

    context: str | None
    """Value of SMARTGRID_TEST_CONTEXT."""
    forced: str | None
    """Value of SMARTGRID_TEST_BACKEND."""
    docker_answers: bool
    debian: bool
    root: bool
    go: bool
    namespaces: bool
    """Whether network namespaces can be made (CAP_SYS_ADMIN)."""


@dataclass(frozen=True)
class Choice:
    """A kind of cluster and why it is that one."""

    kind: str
    reason: str


def look() -> Machine:
    """Look at this machine."""
    return Machine(
        context=os.environ.get("SMARTGRID_TEST_CONTEXT") or None,
        forced=os.environ.get("SMARTGRID_TEST_BACKEND") or None,
        docker_answers=succeeds("docker", "info"),
        debian=Path("/etc/debian_version").exists() and platform.system() == "Linux",
        root=os.geteuid() == 0,
        go=shutil.which("go", path=search_path()) is not None,
        namespaces=succeeds("unshare", "--net", "--mount", "--pid", "--fork", "true"),
    )


def choose(machine: Machine) -> Choice:
    """The first possible of: the context named, kind, the local cluster. Raises NoBackendError."""
    if machine.forced:
        return _forced(machine.forced)
    if machine.context:
        return Choice("existing", f"SMARTGRID_TEST_CONTEXT names context {machine.context}")
    if machine.docker_answers:
        return Choice("kind", "a Docker engine answers")
    if missing := missing_for_local(machine):
        raise NoBackendError(
            "SMARTGRID_TEST_CONTEXT is not set; kind needs a Docker engine, and none answers `docker info`; "
            f"the local cluster needs {' and '.join(missing)}"
        )
    return Choice("local", "no context is named and no Docker engine answers, but this is Debian with root and Go")


def _forced(kind: str) -> Choice:
    if kind not in KINDS:
        raise NoBackendError(f"SMARTGRID_TEST_BACKEND is {kind!r}, but must be one of {', '.join(KINDS)}")
    if kind == "none":
        raise NoBackendError("SMARTGRID_TEST_BACKEND is none")
    return Choice(kind, f"SMARTGRID_TEST_BACKEND is {kind}")


def missing_for_local(machine: Machine) -> list[str]:
    """What the local cluster would need and this machine has not."""
    needs = {
        "Debian (its packages)": machine.debian,
        "root": machine.root,
        "Go (it builds Kubernetes)": machine.go,
        "the right to make namespaces (CAP_SYS_ADMIN)": machine.namespaces,
    }
    return [what for what, there in needs.items() if not there]


def make(choice: Choice) -> Backend:
    """The chosen cluster. Raises NoBackendError if an existing one is meant but not named."""
    if choice.kind == "existing":
        context = os.environ.get("SMARTGRID_TEST_CONTEXT")
        if not context:
            raise NoBackendError("SMARTGRID_TEST_BACKEND is existing, but SMARTGRID_TEST_CONTEXT names no context")
        return ExistingCluster(context)
    return KindCluster() if choice.kind == "kind" else LocalCluster()
