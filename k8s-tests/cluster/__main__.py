"""The command line: `PYTHONPATH=k8s-tests python3 -m cluster --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cluster import backend, dex, keda, prometheus, tools
from cluster.existing import NotPossibleError
from cluster.lock import exclusive
from cluster.paths import BIN, REPOSITORY
from cluster.shell import CommandFailedError, NotInTimeError, say

FAILURES = (backend.NoBackendError, NotPossibleError, CommandFailedError, NotInTimeError, tools.NoGoError)


def main() -> int:
    """Do what the command line says; 0 on success, 1 with one message otherwise."""
    options = parse()
    try:
        if options.action == "tools":
            install_tools(options.names)
        else:
            act(options)
    except FAILURES as error:
        say(f"cluster: {error}")
        return 1
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("setup", help="install and build what the cluster needs; cached")
    actions.add_parser("up", help="set up, start, and print the variables to export")
    actions.add_parser("status", help="tell which kind of cluster this machine gets, and whether it is up")
    actions.add_parser("down", help="end the cluster and remove its data")
    build = actions.add_parser("build", help="build an image and load it into the cluster")
    build.add_argument("dockerfile", type=Path)
    build.add_argument("tag")
    build.add_argument("--context", type=Path, default=REPOSITORY)
    load = actions.add_parser("load", help="load image archives into the cluster")
    load.add_argument("archives", type=Path, nargs="+")
    actions.add_parser("prometheus", help="install the Prometheus operator and a Prometheus into the cluster")
    actions.add_parser("dex", help="install Dex, an identity provider, into the cluster")
    actions.add_parser("keda", help="install KEDA, which scales on external metrics, into the cluster")
    only = actions.add_parser("tools", help="install command-line tools, without a cluster")
    only.add_argument("names", nargs="+", choices=sorted(tools.TOOLS))
    return parser.parse_args()


def act(options: argparse.Namespace) -> None:
    """Carry out an action on the cluster that this machine gets."""
    choice = backend.choose(backend.look())
    cluster = backend.make(choice)
    say(f"cluster: {choice.kind} ({choice.reason})")
    if options.action == "status":
        sys.stdout.write(f"{choice.kind}: {'up' if cluster.is_up() else 'down'}\n")
        return
    with exclusive():
        change(cluster, options)


def change(cluster: backend.Backend, options: argparse.Namespace) -> None:
    """What at most one process may do at a time."""
    match options.action:
        case "setup":
            cluster.set_up()
        case "up":
            cluster.set_up()
            cluster.up()
            sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig} PATH={BIN}:$PATH\n")
        case "down":
            cluster.down()
        case "build":
            cluster.build(options.context, options.dockerfile, options.tag)
        case "load":
            for archive in options.archives:
                cluster.load(archive)
        case "prometheus":
            prometheus.install(cluster)
        case "keda":
            keda.install(cluster)
        case "dex":
            dex.install(cluster)
            sys.stdout.write(f"issuer {dex.ISSUER}, users {', '.join(dex.USERS)}, password {dex.PASSWORD}\n")


def install_tools(names: list[str]) -> None:
    """Install tools and tell where they are."""
    with exclusive():
        for name in names:
            sys.stdout.write(f"{tools.install(name)}\n")


if __name__ == "__main__":
    sys.exit(main())
