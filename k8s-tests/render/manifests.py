"""Renders the chart, and finds things in what came out."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
Values = dict[str, Any]
TIMEOUT_S = 60
MONITORING_APIS = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
ISTIO_APIS = (
    "networking.istio.io/v1/VirtualService",
    *(
        f"security.istio.io/v1/{kind}"
        for kind in ("PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication")
    ),
)


class RefusedError(Exception):
    """Helm refused; the message is what it said."""


@dataclass
class Chart:
    """A packaged chart and the helm that renders it. What was rendered once is remembered."""

    helm: Path
    package: Path
    kube_version: str = "1.34"
    always: Values = field(default_factory=dict)
    """Values that are set unless a test sets them otherwise."""
    _rendered: dict[str, list[Manifest]] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> str:
        """What helm prints. Raises RefusedError."""
        done = subprocess.run(
            [self.helm, *arguments], input=stdin, text=True, capture_output=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout

    def render(self, values: Values | None = None, release: str = "grid", apis: tuple[str, ...] = ()) -> list[Manifest]:
        """Every manifest for these values; a dotted name is a value within others. Raises RefusedError."""
        values = {**self.always, **(values or {})}
        key = json.dumps([values, release, apis], sort_keys=True)
        if key not in self._rendered:
            flags = [f"--api-versions={api}" for api in apis]
            text = self.run(
                "template", release, str(self.package), f"--kube-version={self.kube_version}", "--namespace=power",
                *flags, "--values=-", stdin=json.dumps(nested(values)),
            )  # fmt: skip
            self._rendered[key] = [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest]
        return self._rendered[key]

    def objects(self, values: Values | None = None, **options: Any) -> dict[str, Manifest]:
        """The same by `Kind/name`."""
        return {f"{m['kind']}/{m['metadata']['name']}": m for m in self.render(values, **options)}


def nested(values: Values) -> Values:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    whole: Values = {}
    for path, value in values.items():
        *outer, last = path.split(".")
        functools.reduce(lambda inner, name: inner.setdefault(name, {}), outer, whole)[last] = value
    return whole


def at(manifest: Any, path: str) -> Any:
    """What is at a slash-separated path of keys and indices; None where there is nothing. `~` is a slash in a key."""
    for part in path.split("/"):
        name = part.replace("~", "/")
        if isinstance(manifest, list):
            manifest = manifest[int(name)] if int(name) < len(manifest) else None
        else:
            manifest = (manifest or {}).get(name)
    return manifest


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod of a workload, or the pod itself; None for what has none."""
    if manifest["kind"] == "Pod":
        return manifest
    template: Manifest | None = at(manifest, "spec/template")
    return template
