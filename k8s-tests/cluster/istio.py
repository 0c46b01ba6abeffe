"""Istio's own program, for what it says of the chart, and the kinds that it adds to a cluster.

There is no data plane: Envoy and ztunnel are no Go modules. So what is shown is that Istio finds the chart's objects
right, what it would tell a sidecar of them, and that a real API server takes them.
"""

from __future__ import annotations

from pathlib import Path

from cluster import tools
from cluster.paths import BIN
from cluster.shell import run

NAME, SIDECAR = "istioctl", "istio-sidecar"
MODULE = "istio.io/istio"
MODULE_FOLDER = Path(__file__).resolve().parent / NAME


def install() -> Path:
    """Build istioctl if needed: five minutes on two idle cores the first time. Raises NoGoError."""
    return tools.build(NAME, "go", "install", "-trimpath", *tools.STRIP, "tool", folder=MODULE_FOLDER)


def install_sidecar() -> Path:
    """Build what follows requests through a sidecar (`istioctl/sidecar_test.go`), if needed. Raises NoGoError."""
    flags = ("-trimpath", *tools.STRIP)
    return tools.build(SIDECAR, "go", "test", "-c", *flags, "-o", f"{BIN}/{SIDECAR}", ".", folder=MODULE_FOLDER)


def custom_resources() -> Path:
    """The definitions of Istio's kinds, as they lie in its Go module; nothing is built for them."""
    run("go", "mod", "download", MODULE, cwd=MODULE_FOLDER)
    folder = run("go", "list", "-m", "-f", "{{.Dir}}", MODULE, cwd=MODULE_FOLDER).strip()
    return Path(folder) / "manifests/charts/base/files/crd-all.gen.yaml"
