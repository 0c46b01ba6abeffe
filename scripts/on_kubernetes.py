"""From a fresh clone to a grid on Kubernetes, and where to look at it: `make kind-up`, and what else there is.

    python3 scripts/on_kubernetes.py kind         a cluster of its own in Docker; also minikube, k3d
    python3 scripts/on_kubernetes.py registry --registry registry.example.com/me     the cluster that kubectl points to
    python3 scripts/on_kubernetes.py loaded       install where kubectl points; its nodes have the images
    python3 scripts/on_kubernetes.py installed    only the last part: forward the ports, and say where to look

`helm install` alone ends in ErrImagePull, as a clone's images are in no registry. So what differs between clusters is
how the five images get to the nodes, and that is all that differs here. Every command is printed before it runs, to be
typed by hand as well; `--dry-run` only prints them. It needs Python and the programs that it calls, nothing else.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("substation", "balancer", "gateway", "edge", "loadtest")
CLUSTER = "smart-grid"
RELEASE = NAMESPACE = "grid"
STACK, MONITORING = "kube-prometheus-stack", "monitoring"
CHARTS = "https://prometheus-community.github.io/helm-charts"
READY_TIMEOUT_S = 60.0
RETRY_S = 1.0

Command = list[str]


class NotPossibleError(Exception):
    """What is missing, in one sentence."""


@dataclass(frozen=True)
class Place:
    """A kind of cluster: what makes it, unless `exists` names it, and how images get to its nodes, if not by itself."""

    context: str = ""
    exists: Command | None = None
    create: Command | None = None
    load: Callable[[list[str]], list[Command]] | None = None
    programs: tuple[str, ...] = ("docker", "kubectl", "helm")


PLACES = {
    "kind": Place(
        context=f"kind-{CLUSTER}",
        exists=["kind", "get", "clusters"],
        create=["kind", "create", "cluster", "--name", CLUSTER, "--wait", "120s"],
        load=lambda images: [["kind", "load", "docker-image", *images, "--name", CLUSTER]],
        programs=("docker", "kind", "kubectl", "helm"),
    ),
    "minikube": Place(
        context=CLUSTER,
        exists=["minikube", "profile", "list", "--output", "json"],
        create=["minikube", "start", "--profile", CLUSTER],
        load=lambda images: [["minikube", "image", "load", image, "--profile", CLUSTER] for image in images],
        programs=("docker", "minikube", "kubectl", "helm"),
    ),
    "k3d": Place(
        context=f"k3d-{CLUSTER}",
        exists=["k3d", "cluster", "list", "--no-headers"],
        create=["k3d", "cluster", "create", CLUSTER, "--wait"],
        load=lambda images: [["k3d", "image", "import", *images, "--cluster", CLUSTER]],
        programs=("docker", "k3d", "kubectl", "helm"),
    ),
    "registry": Place(load=lambda images: [["docker", "push", image] for image in images]),
    "loaded": Place(programs=("kubectl", "helm")),
    "installed": Place(programs=("kubectl",)),
}


def main() -> int:
    """Do what the command line says; 0 on success and on Ctrl-C."""
    options = parse()
    place = PLACES[options.place]
    run = print_only if options.dry_run else execute
    try:
        if not options.dry_run:
            check(place)
        if options.place != "installed":
            up(place, options, run)
        if options.dry_run:
            say("Then the ports are forwarded:")
        look(place, options)
    except NotPossibleError as problem:
        say(str(problem))
        return 2
    except subprocess.CalledProcessError as failed:
        say(f"That ended with exit code {failed.returncode}.")
        return 1
    except KeyboardInterrupt:
        say("\nThe ports are no longer forwarded; the grid goes on.")
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", choices=PLACES)
    parser.add_argument("--registry", default="", help="where images are pushed to, and pulled from by the cluster")
    parser.add_argument("--tag", default=chart_version(), help="of the images (default: the chart's version)")
    parser.add_argument(
        "--without-monitoring", action="store_true", help="no Prometheus and no Grafana beside the grid"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, and do nothing")
    options = parser.parse_args()
    if options.place == "registry" and not options.registry:
        parser.error("`registry` needs to know which, as in --registry registry.example.com/me")
    if options.registry and options.place not in ("registry", "loaded"):
        parser.error(f"--registry has no meaning for {options.place}, whose nodes get the images without one")
    return options


# ------------------------------------------------------------------ what is done


def up(place: Place, options: argparse.Namespace, run: Callable[[Command], None]) -> None:
    """Everything until the grid is ready."""
    if place.create and (options.dry_run or not is_there(place)):
        run(place.create)
    if place.load:
        images = [image(service, options) for service in SERVICES]
        for service, name in zip(SERVICES, images, strict=True):
            run(["docker", "build", "--quiet", "--tag", name, "--file", f"images/{service}/Dockerfile", "."])
        for command in place.load(images):
            run(command)
    if not options.without_monitoring:
        run(install_monitoring(place))
    run(install_grid(place, options))


def image(service: str, options: argparse.Namespace) -> str:
    """Its name, as the chart has it."""
    return "/".join(filter(None, (options.registry, "smart-grid", f"{service}:{options.tag}")))


def install_monitoring(place: Place) -> Command:
    """First, so that the cluster knows PodMonitors and rules when the grid comes."""
    return [
        *("helm", "upgrade", "--install", STACK, STACK, "--version", monitoring_version(), "--repo", CHARTS),
        *("--namespace", MONITORING, "--create-namespace", "--values", f"monitoring/{STACK}.yaml"),
        *("--wait", "--timeout", "15m", *at_context(place, "--kube-context")),
    ]


def install_grid(place: Place, options: argparse.Namespace) -> Command:
    """The chart, with the images that were built."""
    registry = ["--set", f"global.imageRegistry={options.registry}"] if options.registry else []
    tagged = SERVICES if options.tag != chart_version() else ()
    tags = [word for service in tagged for word in ("--set", f"{service}.image.tag={options.tag}")]
    return [
        *("helm", "upgrade", "--install", RELEASE, ".", "--namespace", NAMESPACE, "--create-namespace"),
        *registry,
        *tags,
        *("--wait", "--timeout", "5m", *at_context(place, "--kube-context")),
    ]


def at_context(place: Place, flag: str) -> Command:
    """The cluster to use, where it is not the one that kubectl points to."""
    return [flag, place.context] if place.context else []


def chart_version() -> str:
    """The tag that the chart asks for if nobody says another."""
    return named(r"^appVersion: \"?([^\s\"]+)", "Chart.yaml")


def monitoring_version() -> str:
    """As it is pinned for `skaffold run -p monitoring`."""
    return named(rf"remoteChart: {STACK}\n.*\n +version: (\S+)", "skaffold.yaml")


def named(pattern: str, path: str) -> str:
    """What a file of this repository says."""
    found = re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)
    assert found, f"{path} has no {pattern}"
    return found[1]


# ------------------------------------------------------------------ where to look


@dataclass
class Forward:
    """A Service whose port is forwarded to this machine, for as long as this program runs."""

    label: str
    namespace: str
    service: str
    port: int
    local_port: int
    path: str = "/"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.local_port}{self.path}"

    def command(self, place: Place) -> Command:
        """What forwards it."""
        where = ["--namespace", self.namespace, *at_context(place, "--context")]
        return ["kubectl", *where, "port-forward", f"service/{self.service}", f"{self.local_port}:{self.port}"]


GRID = (
    Forward("gateway, with its API", NAMESPACE, f"{RELEASE}-gateway", 8080, 8080, "/docs"),
    Forward("console", NAMESPACE, f"{RELEASE}-balancer", 8080, 8081),
)
MONITORS = (
    Forward("Grafana", MONITORING, f"{STACK}-grafana", 80, 3000),
    Forward("Prometheus", MONITORING, "prometheus", 9090, 9090, "/alerts"),
)
"""The first of them that the cluster has; the second is that of `make cluster-demo`."""


def look(place: Place, options: argparse.Namespace) -> None:
    """Forward the ports, say where to look, and go on until Ctrl-C."""
    if options.dry_run:
        for forward in (*GRID, *(() if options.without_monitoring else MONITORS[:1])):
            say(shlex.join(forward.command(place)))
        return
    forwards = [*GRID, *next(([each] for each in MONITORS if has(place, each)), [])]
    for forward in forwards:
        forward.local_port = free_port(forward.local_port)
    try:
        for forward in forwards:
            start(forward, place)
        for forward in forwards:
            wait_until_open(forward, place)
        say(f"\n{told(forwards, place)}")
        while True:
            time.sleep(RETRY_S)
            for forward in forwards:  # its pod was replaced
                if forward.process is None or forward.process.poll() is not None:
                    start(forward, place)
    finally:
        for forward in forwards:
            if forward.process is not None:
                forward.process.terminate()
                forward.process.wait()


def told(forwards: list[Forward], place: Place) -> str:
    """What is said when all is up."""
    kubectl = shlex.join(["kubectl", *at_context(place, "--context")])
    gateway = forwards[0].url.removesuffix(forwards[0].path)
    car = (
        """-H 'Content-Type: application/json' -d '{"vehicle_id": "EV-042", "energy_kwh": 12.5, "max_power_kw": 22}'"""
    )
    secret = f"get secret {STACK}-grafana --output jsonpath={{.data.admin-password}}"
    signs_in = any(forward.label == "Grafana" for forward in forwards)
    lines = [
        f"Charge a car:         curl -s {gateway}/charge {car}",
        f"More substations:     {kubectl} -n {NAMESPACE} scale statefulset/{RELEASE}-substation --replicas 10",
        *([f"Grafana, for `admin`: {kubectl} -n {MONITORING} {secret} | base64 -d"] if signs_in else []),
        "Ctrl-C ends the forwarding of these ports, and nothing else.",
        "",
        *(f"{forward.label:21} {forward.url}" for forward in forwards),
    ]
    return "\n".join(lines)


def has(place: Place, forward: Forward) -> bool:
    """Whether the cluster has that Service."""
    where = ["--namespace", forward.namespace, *at_context(place, "--context")]
    asked = ["kubectl", *where, "get", "service", forward.service, "--ignore-not-found", "--output", "name"]
    return bool(subprocess.run(asked, capture_output=True, check=False).stdout)


def start(forward: Forward, place: Place) -> None:
    """Begin to forward. In a group of its own, so that Ctrl-C ends it only through this program."""
    forward.process = subprocess.Popen(
        forward.command(place), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def wait_until_open(forward: Forward, place: Place) -> None:
    """Wait until the port takes connections."""
    end_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < end_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", forward.local_port)) == 0:
                return
        if forward.process is None or forward.process.poll() is not None:
            break
        time.sleep(0.1)
    raise NotPossibleError(f"Nothing answers at {forward.url}; this says why: {shlex.join(forward.command(place))}")


def free_port(wanted: int) -> int:
    """That one, or any where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise NotPossibleError("This machine has no port left to forward to.")


# ------------------------------------------------------------------ running it


def check(place: Place) -> None:
    """Raise NotPossibleError that says what is missing, before anything is begun."""
    missing = [program for program in place.programs if shutil.which(program) is None]
    if missing:
        raise NotPossibleError(
            f"This needs {', '.join(place.programs)} on PATH, and there is no {' and no '.join(missing)}."
        )
    if "docker" in place.programs and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        raise NotPossibleError("`docker info` fails: is the Docker engine running, and may you use it?")


def is_there(place: Place) -> bool:
    """Whether the cluster was made before."""
    assert place.exists is not None
    listed = subprocess.run(place.exists, capture_output=True, text=True, check=False).stdout
    return re.search(rf"(?<![-\w]){CLUSTER}(?![-\w])", listed) is not None


def execute(command: Command) -> None:
    """Say it and run it. Raises CalledProcessError."""
    print_only(command)
    subprocess.run(command, cwd=ROOT, check=True)


def print_only(command: Command) -> None:
    """Say it, as one would type it."""
    say(f"$ {shlex.join(command)}")


def say(text: str) -> None:
    """At once: what is run next writes too."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
