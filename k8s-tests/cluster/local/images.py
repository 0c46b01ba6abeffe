"""Building images with buildah and handing them to the cluster's containerd."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.local.layout import CONTAINERD_SOCKET, PAUSE_IMAGE, PYTHON_IMAGE, STATE
from cluster.paths import IMAGES
from cluster.shell import run, say, succeeds

PAUSE_SOURCE = """\
package main

import ("os"; "os/signal"; "syscall")

func main() { c := make(chan os.Signal, 1); signal.Notify(c, syscall.SIGINT, syscall.SIGTERM); <-c }
"""
PAUSE_DOCKERFILE = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
WASTE = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
BUILD_TIMEOUT_S = 1800


def make_base_images() -> None:
    """`pause`, and a Debian stand-in for the official Python image under the same name and tag."""
    if not exists(PAUSE_IMAGE):
        build_pause()
    if not exists(PYTHON_IMAGE):
        build_python()


def exists(tag: str) -> bool:
    """Whether the host has an image of that name."""
    return succeeds("buildah", "inspect", "--type", "image", tag)


def build_pause() -> None:
    """The container that holds a pod's namespaces; it only has to sleep and end when asked."""
    say("building the pause image")
    with _work_folder() as folder:
        (folder / "main.go").write_text(PAUSE_SOURCE)
        (folder / "Dockerfile").write_text(PAUSE_DOCKERFILE)
        run("go", "build", "-ldflags", "-s -w", "-o", "pause", "main.go", cwd=folder, environment={"CGO_ENABLED": "0"})
        run("buildah", "build", "--quiet", "--tag", PAUSE_IMAGE, folder)


def build_python() -> None:
    """Debian trixie has the Python version of the official image; it lies at /usr/bin there, so links are added."""
    say("building the stand-in for the official Python image")
    with _work_folder() as folder:
        root = folder / "root"
        make_debian(root, "python3-minimal", "python3-venv", "ca-certificates")
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        settings = ("--cmd", "python3", "--env", f"PIP_CERT=/{CERTIFICATES}", "--env", f"SSL_CERT_FILE=/{CERTIFICATES}")
        commit(root, PYTHON_IMAGE, *settings)


def make_debian(root: Path, *packages: str) -> None:
    """A minimal Debian with `packages`, which trusts the package registries that the host trusts."""
    command = ("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", "trixie", root)
    run(*command, timeout_s=BUILD_TIMEOUT_S)
    shutil.copy(f"/{CERTIFICATES}", root / CERTIFICATES)
    for folder in WASTE:
        shutil.rmtree(root / folder, ignore_errors=True)


def commit(root: Path, tag: str, *settings: str) -> None:
    """Make a folder an image of one layer."""
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "--quiet", container, root, "/")
    run("buildah", "config", *settings, container)
    run("buildah", "commit", "--quiet", "--rm", container, tag)


def build(context: Path, dockerfile: Path, tag: str) -> str:
    """Build an image from a Dockerfile and return its id. Unchanged steps come from the layer cache."""
    options = (
        "--format=docker",  # the OCI format has no HEALTHCHECK
        "--runtime=/usr/sbin/runc",  # buildah's default, crun, refuses hybrid cgroups
        "--network=host",  # build steps reach the package registries as the host does
        "--pull-never",  # the base image is the stand-in
        "--layers",
        "--quiet",
    )
    command = ("nice", "-n", "10", "buildah", "build", *options, "--tag", tag, "--file", "-", context)
    return run(*command, stdin=without_digests(dockerfile.read_text()), timeout_s=BUILD_TIMEOUT_S).strip()


def without_digests(dockerfile: str) -> str:
    """The same with bases by their tags: a stand-in has another digest than what it stands for."""
    return re.sub(r"(?m)^(FROM \S+)@sha256:[0-9a-f]{64}", r"\1", dockerfile)


def load(tag: str) -> None:
    """Hand an image of the host's to the cluster, unless the cluster has just that one."""
    stamp = STATE / "loaded" / tag.replace("/", "_")
    image_id = run("buildah", "inspect", "--type=image", "--format={{.FromImageID}}", tag).strip()
    if stamp.exists() and stamp.read_text() == image_id:
        return
    with tempfile.TemporaryDirectory(dir=IMAGES) as folder:
        archive = Path(folder) / "image.tar"
        run("buildah", "push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
        load_archive(archive)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(image_id)


def load_archive(archive: Path) -> None:
    """Import an image archive (docker-archive or oci-archive) into the cluster."""
    run("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import", archive)


@contextmanager
def _work_folder() -> Iterator[Path]:
    IMAGES.mkdir(parents=True, exist_ok=True)
    # A folder of its own a build: two builds at once never see each other's files.
    with tempfile.TemporaryDirectory(dir=IMAGES, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
