"""A thin client of the Kubernetes API, with the services behind it reached through its pod proxy.

The proxy works on every kind of cluster, also where pod addresses cannot be reached from here.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import requests

from cluster.backend import Backend
from cluster.shell import run
from harness.https import Adapter

TIMEOUT_S = 15
PATCH = {"Content-Type": "application/merge-patch+json"}


class KubeApi:
    """Requests as the cluster's administrator. Failures raise requests.RequestException."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        """`folder` takes the credentials, which the HTTP client wants as files."""
        self.backend, self.folder = backend, folder
        cluster, user = self._credentials()
        self.server: str = cluster["server"]
        self._session = requests.Session()
        self._session.mount("https://", Adapter())
        self._session.trust_env = False  # a proxy for the outside would not find the cluster
        self._session.verify = self._file("ca", cluster["certificate-authority-data"])
        certificate, key = user["client-certificate-data"], user["client-key-data"]
        self._session.cert = (self._file("certificate", certificate), self._file("key", key))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, **query: str | int) -> Any:
        """An object or a list."""
        return self.call("GET", path, params=query).json()

    def text(self, path: str, **query: str | int) -> str:
        """An answer that is no JSON, such as logs."""
        return self.call("GET", path, params=query).text

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request and its answer, whatever that is."""
        return self._session.request(method, self.server + path, timeout=TIMEOUT_S, **options)

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """Create an object."""
        return self.call("POST", path, json=body).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change an object."""
        return self.call("PATCH", path, data=json.dumps(body), headers=PATCH).json()

    def delete(self, path: str) -> None:
        """Delete an object; that it is gone already is no failure."""
        answer = self.request("DELETE", path)
        if answer.status_code != requests.codes.not_found:
            answer.raise_for_status()

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return bool(self._session.get(self.server + path, timeout=TIMEOUT_S).status_code == requests.codes.ok)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """kubectl, where its own logic is what is meant (`rollout status`, `apply --dry-run`)."""
        context = (f"--context={self.backend.context}",) if self.backend.context else ()
        where = (f"--kubeconfig={self.backend.kubeconfig}", *context)
        return run("kubectl", *where, *arguments, stdin=stdin, timeout_s=timeout_s)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request and its answer. Raises HTTPError, which says what the answer was, if it is no success."""
        answer = self.request(method, path, **options)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        return answer

    def _credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        view = self.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json")
        config = json.loads(view)
        return config["clusters"][0]["cluster"], config["users"][0]["user"]

    def _file(self, name: str, content: str) -> str:
        path = self.folder / name
        if not path.exists():
            path.write_bytes(base64.b64decode(content))
        return str(path)
