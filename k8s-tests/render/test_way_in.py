"""From a clone to a grid on kind, minikube, k3d or by a registry: all images that the chart asks for are on the nodes.

There is no Docker where these tests run. So programs that make clusters and images are stubs here, which write down how
they were called, and helm renders the chart with just the values that it would be installed with. `make cluster-demo`
does the rest for real: the install, and the ports that are forwarded.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from render.charts import ROOT, SERVICES
from render.manifests import Chart, at, pod_template

SCRIPT = ROOT / "scripts/on_kubernetes.py"
REGISTRY = ("--registry", "registry.example.com/me")
PLACES: dict[str, tuple[str, ...]] = {"kind": (), "minikube": (), "k3d": (), "registry": REGISTRY}
LOADERS = {
    "kind": ["kind", "load", "docker-image"],
    "minikube": ["minikube", "image", "load"],
    "k3d": ["k3d", "image", "import"],
    "registry": ["docker", "push"],
}
STUBBED = ("docker", "kind", "minikube", "k3d", "helm", "kubectl")
TIMEOUT_S = 60
Command = list[str]


def run(*arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script, as a user calls it."""
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env={**os.environ, **({"PATH": path} if path else {}), **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def printed(*arguments: str) -> list[Command]:
    """The commands that it would run, in order."""
    done = run(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    return [shlex.split(line.removeprefix("$ ")) for line in done.stdout.splitlines() if line.startswith("$ ")]


def built(commands: list[Command]) -> dict[str, str]:
    """The images that are built, by Dockerfile."""
    builds = [command for command in commands if command[:2] == ["docker", "build"]]
    return {build[build.index("--file") + 1]: build[build.index("--tag") + 1] for build in builds}


def loaded(commands: list[Command], place: str) -> set[str]:
    """The images that get to the nodes."""
    verb = LOADERS[place]
    words = [word for command in commands if command[: len(verb)] == verb for word in command[len(verb) :]]
    return {word for word in words if "/" in word}


def asked_for(helm: Path, commands: list[Command]) -> set[str]:
    """The images that the chart's pods have, installed as the last command does it."""
    install = next(command for command in commands if command[:2] == ["helm", "upgrade"] and command[4] == ".")
    values = [word for pair in pairwise(install) if pair[0] == "--set" for word in pair]
    text = Chart(helm, ROOT).run(
        "template",
        install[3],
        str(ROOT),
        "--kube-version=1.34",
        "--set=edge.enabled=true",
        "--set=loadtest.enabled=true",
        *values,
    )
    pods = [pod for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest and (pod := pod_template(manifest))]
    return {container["image"] for pod in pods for container in at(pod, "spec/containers")}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tag", [(), ("--tag", "mine")], ids=["the chart's version", "a tag"])
def test_every_image_that_the_chart_asks_for_is_built_and_brought_to_the_nodes(
    helm: Path, place: str, tag: tuple[str, ...]
) -> None:
    commands = printed(place, *PLACES[place], *tag)
    assert list(built(commands)) == [f"images/{service}/Dockerfile" for service in SERVICES]
    assert all((ROOT / dockerfile).exists() for dockerfile in built(commands))
    assert asked_for(helm, commands) == set(built(commands).values()) == loaded(commands, place)


@pytest.mark.parametrize("place", PLACES)
def test_the_monitoring_release_comes_before_the_grid_in_the_version_that_is_pinned(place: str) -> None:
    first, second = [command for command in printed(place, *PLACES[place]) if command[0] == "helm"]
    pinned = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["profiles"][-1]["patches"][0]["value"]
    assert first[3] == pinned["name"]
    assert first[first.index("--version") + 1] == pinned["version"]
    assert first[first.index("--repo") + 1] == pinned["repo"]
    assert first[first.index("--values") + 1] == pinned["valuesFiles"][0]
    assert second[3:5] == ["grid", "."]


def test_it_can_be_left_out() -> None:
    assert len([command for command in printed("kind", "--without-monitoring") if command[0] == "helm"]) == 1


def test_a_dry_run_says_which_ports_are_forwarded() -> None:
    lines = run("kind", "--dry-run").stdout.splitlines()
    forwards = [re.search(r"service/(\S+) (\d+):(\d+)$", line) for line in lines if "port-forward" in line]
    assert [match.groups() for match in forwards if match] == [
        ("grid-gateway", "8080", "8080"),
        ("grid-balancer", "8081", "8080"),
        ("kube-prometheus-stack-grafana", "3000", "80"),
    ]


# ------------------------------------------------------------------ with stubs of the programs


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder of them. `kind get clusters` knows none, and port-forwarding fails at once."""
    for name in STUBBED:
        stub = tmp_path / name
        stub.write_text(
            f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\ncase "$*" in *port-forward*) exit 1;; esac\n'
        )
        stub.chmod(0o755)
    return tmp_path


def called(stubs: Path) -> list[Command]:
    return [line.split() for line in (stubs / "called").read_text().splitlines()]


def path_with(stubs: Path) -> str:
    return f"{stubs}{os.pathsep}/usr/bin{os.pathsep}/bin"


@pytest.mark.parametrize("place", ["kind", "minikube", "k3d"])
def test_what_is_run_is_what_a_dry_run_prints(stubs: Path, place: str) -> None:
    run(place, path=path_with(stubs))
    asked = {("docker", "info"), ("kind", "get"), ("minikube", "profile"), ("k3d", "cluster")}
    done = [command for command in called(stubs) if tuple(command[:2]) not in asked or "create" in command]
    changed = [command for command in done if command[0] != "kubectl"]
    assert changed == printed(place)


def test_a_cluster_that_is_there_is_used(stubs: Path) -> None:
    kind = stubs / "kind"
    kind.write_text(kind.read_text() + 'if [ "$1" = get ]; then echo other-smart-grid; echo smart-grid; fi\n')
    run("kind", path=path_with(stubs))
    assert [command for command in called(stubs) if command[:2] == ["kind", "create"]] == []


def test_a_cluster_of_another_name_is_not_taken_for_it(stubs: Path) -> None:
    kind = stubs / "kind"
    kind.write_text(kind.read_text() + 'if [ "$1" = get ]; then echo smart-grid-2; fi\n')
    run("kind", path=path_with(stubs))
    assert len([command for command in called(stubs) if command[:2] == ["kind", "create"]]) == 1


def test_it_stops_at_the_first_command_that_fails(stubs: Path) -> None:
    (stubs / "helm").write_text("#!/bin/sh\nexit 3\n")
    done = run("kind", path=path_with(stubs))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "That ended with exit code 3."
    assert [command for command in called(stubs) if command[0] == "kubectl"] == []


def test_a_program_that_is_missing_is_named_before_anything_is_begun(stubs: Path) -> None:
    (stubs / "kind").unlink()
    done = run("kind", path=str(stubs))
    assert done.returncode == 2
    assert done.stdout == "This needs docker, kind, kubectl, helm on PATH, and there is no kind.\n"
    assert not (stubs / "called").exists()


def test_an_engine_that_does_not_answer_is_said_so(stubs: Path) -> None:
    (stubs / "docker").write_text("#!/bin/sh\nexit 1\n")
    done = run("kind", path=path_with(stubs))
    assert (done.returncode, done.stdout.splitlines()[0][:20]) == (2, "`docker info` fails:")


def test_a_port_that_does_not_open_is_said_with_the_command_that_tells_why(stubs: Path) -> None:
    done = run("installed", path=path_with(stubs))
    assert done.returncode == 2
    assert "this says why: kubectl --namespace grid port-forward service/grid-gateway" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("registry",), "`registry` needs to know which"),
        (("kind", *REGISTRY), "--registry has no meaning for kind"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_make_has_a_target_for_it() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "kind-up", "DRY_RUN=1", f"PYTHON={sys.executable}"],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    assert "$ kind create cluster" in done.stdout
