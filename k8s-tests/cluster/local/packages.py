"""The Debian packages that the local cluster runs on."""

from __future__ import annotations

from cluster.shell import run, say

PACKAGES = (
    # the container runtime, and what pods' networks are made of
    "containerd", "runc", "containernetworking-plugins", "iproute2", "iptables", "conntrack", "ipset", "ethtool",
    # building images
    "buildah", "debootstrap",
    # credentials
    "openssl", "ca-certificates",
)  # fmt: skip
INSTALL_TIMEOUT_S = 900


def install(*packages: str) -> None:
    """Install what is missing of `packages`, by default of all that the cluster needs."""
    missing = sorted(set(packages or PACKAGES) - installed())
    if not missing:
        return
    say(f"installing Debian packages: {' '.join(missing)}")
    run("apt-get", "update", "-qq", timeout_s=INSTALL_TIMEOUT_S)
    run(
        *("apt-get", "install", "-y", "-qq", "--no-install-recommends"),
        *missing,
        environment={"DEBIAN_FRONTEND": "noninteractive"},
        timeout_s=INSTALL_TIMEOUT_S,
    )


def installed() -> set[str]:
    """Names of the packages that are on this machine."""
    lines = run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n").splitlines()
    return {name for name, _, status in (line.partition(" ") for line in lines) if status == "installed"}
