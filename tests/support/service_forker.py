"""A process that has imported the services, and makes processes of them by fork: for tests, which start hundreds.

Run as a program. It reads orders, a line of JSON each, and answers each with the pid. What it makes is a service as
`python -m smartgrid SERVICE` is, with a memory, files and signals of its own, less half a second of imports. It is the
child of the process that gives the orders (`support.forked`), as if that had started it: its parent here ends at once,
so it falls to the next of its ancestors that has said that it takes such orphans.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from smartgrid.cli import COMMANDS, main
from smartgrid.edge.ocpp import conversation
from smartgrid.runtime import logs

SERVICES = ("substation", "balancer", "gateway", "edge")


def wait_for_order() -> dict[str, Any]:
    """Returns in a new process, which is to be what was ordered."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        told, tells = os.pipe()
        if (between := os.fork()) == 0:
            if (pid := os.fork()) == 0:
                os.close(told)
                os.close(tells)
                answers.close()
                return dict(json.loads(line))
            os.write(tells, str(pid).encode())
            os._exit(0)
        os.close(tells)
        os.waitpid(between, 0)
        with os.fdopen(told) as pid_of:
            answers.write(pid_of.read() + "\n")
    sys.exit()


def become(order: dict[str, Any]) -> None:
    """As a new interpreter would: this environment, these files, and what is drawn at the import drawn anew."""
    os.environ.clear()
    os.environ.update(order["environment"])
    with Path(os.devnull).open("rb") as nothing, Path(order["log"]).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    logs._hash_key = secrets.token_bytes(32)
    conversation._PREFIX = secrets.token_hex(5)
    sys.argv = ["smartgrid", order["service"]]
    Path("/proc/self/comm").write_text(order["service"])  # as `ps` and `top` name it


if __name__ == "__main__":
    for service in SERVICES:
        import_module(COMMANDS[service])
    gc.freeze()
    become(wait_for_order())
    main(prog_name="smartgrid")
