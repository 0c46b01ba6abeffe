"""The node: namespaces of its own for network, mounts and processes, and an init in them.

Because of the PID namespace, `stop` ends everything by ending one process, and nothing of the cluster can outlive it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cluster.local import network
from cluster.local.layout import INIT_PID, LOGS, NETWORK_NAMESPACE, PROCESSES, STATE
from cluster.shell import CommandFailedError, run, wait_until

INIT = Path(__file__).with_name("init.py")

# The node outlives whoever starts it. Python warns when a child that still runs is forgotten, and tests fail of that.
_left_running: list[subprocess.Popen[bytes]] = []


def start() -> None:
    """Make the namespaces and start the init, which starts what the processes folder holds."""
    for folder in (PROCESSES, LOGS):
        folder.mkdir(exist_ok=True)
    network.create()
    inside = (
        f"sysctl -qw net.ipv4.ip_forward=1; exec {shlex.join([sys.executable, str(INIT), str(PROCESSES), str(LOGS)])}"
    )
    # nsenter, not `ip netns exec`: the latter mounts a new /sys and hides the cgroups from the kubelet.
    enter = ("nsenter", f"--net=/run/netns/{NETWORK_NAMESPACE}")
    new = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    with (LOGS / "init.log").open("wb") as log:
        process = subprocess.Popen(
            [*enter, *new, "sh", "-c", inside], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    _left_running.append(process)
    INIT_PID.write_text(str(process.pid))


def keep_running(name: str, command: list[str]) -> None:
    """Start a program on the node, and start it again whenever it ends."""
    complete = PROCESSES / f"{name}.json"
    draft = complete.with_suffix(".draft")
    draft.write_text(json.dumps(command))
    draft.rename(complete)


def end(name: str) -> None:
    """Kill a program on the node and leave it dead."""
    (PROCESSES / f"{name}.json").unlink(missing_ok=True)


def shell(script: str) -> str:
    """Run a shell script on the node and return its stdout. Raises CommandFailedError."""
    pid = init_pid()
    if pid is None:
        raise CommandFailedError("the node is not running")
    return run("nsenter", f"--target={pid}", "--net", "--mount", "--pid", "sh", "-c", script)


def is_running() -> bool:
    """Whether there is a node."""
    return init_pid() is not None


def init_pid() -> int | None:
    """The init as the host sees it: the child of the `unshare` whose id was written down."""
    if not INIT_PID.exists():
        return None
    try:
        return int(run("pgrep", "--parent", INIT_PID.read_text()).split()[0])
    except CommandFailedError:
        return None


def stop() -> None:
    """End the node and remove all that it had."""
    if pid := init_pid():
        os.kill(pid, signal.SIGKILL)  # the kernel ends the rest of its PID namespace
    network.remove()
    wait_until(f"removal of {STATE}", _state_is_removed, timeout_s=60)


def _state_is_removed() -> bool:
    # The dying programs may still write to it, so once is not always enough.
    shutil.rmtree(STATE, ignore_errors=True)
    return not STATE.exists()
