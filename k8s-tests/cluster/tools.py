"""Programs for the tests, put into the cache once per version: built from Go modules, or from PyPI by a lock file."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from cluster.paths import BIN, CACHE
from cluster.shell import run, say

# What the tests and the chart's checks call. The first word is the program's name.
TOOLS = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "kind": "sigs.k8s.io/kind@v0.33.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
    "helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
}
LOCKS = Path(__file__).with_name("locks")
# A cold build of Kubernetes on two busy cores has taken a quarter of an hour.
BUILD_TIMEOUT_S = 3600
# Without symbol tables a third less to read from disk at every start.
STRIP = ("-ldflags", "-s -w")


class NoGoError(Exception):
    """A program must be built, and there is no Go to build it with."""


def install(name: str, module: str | None = None) -> Path:
    """Install one program with `go install`, if its version is not there yet, and return its path."""
    return build(name, "go", "install", "-trimpath", *STRIP, module or TOOLS[name])


def install_from_pypi(name: str) -> Path:
    """Install a program by its lock file into an environment of its own, and return its path.

    Such a program would else impose its hundred pinned dependencies on the project's own.
    """
    lock, environment = LOCKS / f"{name}.txt", CACHE / "python" / name
    stamp = environment / "installed-from"
    fingerprint = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != fingerprint:
        say(f"installing {name}")
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
        run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment)
        run(uv, "pip", "install", "--quiet", "--require-hashes", "--python", environment, "--requirement", lock)
        stamp.write_text(fingerprint)
    return environment / "bin" / name


def build(name: str, *command: str, folder: Path | None = None, produces: tuple[str, ...] = ()) -> Path:
    """Run a Go build in `folder` unless it ran before with the same command and the same sources."""
    fingerprint = _fingerprint(command, folder)
    stamp = BIN / f".{name}.built-from"
    if _is_current(stamp, fingerprint, produces or (name,)):
        return BIN / name
    if shutil.which("go") is None:
        raise NoGoError(f"{name} is built from source and needs Go, which is not on PATH")
    say(f"building {name}")
    BIN.mkdir(parents=True, exist_ok=True)
    run(*_politely(command), cwd=folder, environment={"CGO_ENABLED": "0", "GOBIN": str(BIN)}, timeout_s=BUILD_TIMEOUT_S)
    stamp.write_text(fingerprint)
    return BIN / name


def _politely(command: tuple[str, ...]) -> tuple[str, ...]:
    return ("nice", "-n", "10", *command)


def _is_current(stamp: Path, fingerprint: str, produces: tuple[str, ...]) -> bool:
    there = all((BIN / name).exists() for name in produces)
    return there and stamp.exists() and stamp.read_text() == fingerprint


def _fingerprint(command: tuple[str, ...], folder: Path | None) -> str:
    digest = hashlib.sha256("\0".join(command).encode())
    for source in sorted(folder.iterdir()) if folder else ():
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()
