"""helm on the repository's chart."""

from __future__ import annotations

import json

from cluster.backend import Backend
from cluster.paths import REPOSITORY
from cluster.shell import CommandFailedError, run

Values = dict[str, object]
WAIT = ("--wait", "--timeout=180s")


class Helm:
    """One release in one namespace."""

    def __init__(self, backend: Backend, namespace: str, release: str) -> None:
        self.backend, self.namespace, self.release = backend, namespace, release

    def install(self, values: Values) -> str:
        """Install and wait until all of it is ready; a failure tells what the pods say."""
        try:
            return self._install(values)
        except CommandFailedError as error:
            raise CommandFailedError(f"{error}\n{self._pods()}") from error

    def _install(self, values: Values) -> str:
        return self("install", self.release, str(REPOSITORY), *WAIT, *as_flags(values))

    def upgrade(self, values: Values) -> str:
        """Upgrade to just these values and wait until all of it is ready."""
        return self("upgrade", self.release, str(REPOSITORY), *WAIT, *as_flags(values))

    def rollback(self, revision: int) -> str:
        """Go back to a revision."""
        return self("rollback", self.release, str(revision), *WAIT)

    def test(self) -> str:
        """Run the chart's own tests."""
        return self("test", self.release, "--timeout=120s")

    def uninstall(self) -> str:
        """Remove the release, and wait until what its objects own is gone too."""
        return self("uninstall", self.release, "--cascade=foreground", *WAIT)

    def template(self, values: Values) -> str:
        """The manifests."""
        return self("template", self.release, str(REPOSITORY), "--skip-tests", "--validate", *as_flags(values))

    def _pods(self) -> str:
        context = (f"--context={self.backend.context}",) if self.backend.context else ()
        kubectl = ("kubectl", f"--kubeconfig={self.backend.kubeconfig}", *context, f"--namespace={self.namespace}")
        logs = run(*kubectl, "logs", f"--selector=app.kubernetes.io/instance={self.release}", "--tail=3", "--prefix")
        return run(*kubectl, "get", "pods") + logs

    def __call__(self, *arguments: str) -> str:
        context = (f"--kube-context={self.backend.context}",) if self.backend.context else ()
        where = (f"--kubeconfig={self.backend.kubeconfig}", *context, f"--namespace={self.namespace}")
        return run("helm", *arguments, *where, timeout_s=300)


def as_flags(values: Values) -> list[str]:
    """Values as `--set-json` flags, which keep their types."""
    return [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
