"""The programs of the cluster, compiled from Go modules."""

from __future__ import annotations

from pathlib import Path

from cluster import tools
from cluster.paths import BIN

HERE = Path(__file__).resolve().parent
# The last minor version whose kubelet accepts cgroup v1 without being told to; 1.35 refuses to start there.
KUBERNETES = "v1.34.4"
COMPONENTS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    "network-policies",
)
ADDONS = {
    "coredns": "github.com/coredns/coredns@v1.15.0",
    "local-path-provisioner": "github.com/rancher/local-path-provisioner@v0.0.30",
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server@v0.9.0",
}


def build() -> None:
    """Build what is missing or out of date."""
    build_kubernetes()
    for name, module in ADDONS.items():
        tools.install(name, module)
    tools.install("helm")


def build_kubernetes() -> None:
    """One binary for all components: they share most of their code, so it is a quarter of the size and build time."""
    flags = ("-trimpath", "-ldflags", version_flags(KUBERNETES))
    tools.build("hyperkube", "go", "build", *flags, "-o", f"{BIN}/hyperkube", ".", folder=HERE / "hyperkube")
    for name in COMPONENTS:
        link(BIN / name, "hyperkube")


def version_flags(version: str) -> str:
    """Linker flags that tell Kubernetes its version; without them it calls itself v0.0.0 and kubectl warns."""
    package = "k8s.io/component-base/version"
    major, minor, _ = version.removeprefix("v").split(".")
    return f"-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`; the binary acts by the name that it is called by."""
    if not path.is_symlink() or path.readlink() != Path(target):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
