"""The node's first process: it keeps one program running for each file in a folder.

Run inside the node's namespaces as `python3 init.py PROCESSES LOGS`. A file `NAME.json` holds a program and its
arguments; adding one starts it, removing it kills it, and a program that ends is started again. That is all the
service manager that the node needs: components may start before those they depend on, and tests stop and start them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

CHECK_INTERVAL_S = 0.2
# A component whose API server is not there yet fails at once; trying more often would only take its CPU time.
RESTART_AFTER_S = 1.0


def main(processes: Path, logs: Path) -> None:
    """Look after the programs until killed."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    started_s: dict[str, float] = {}
    while True:
        forget(running, ended_children())
        wanted = {path.stem: path for path in processes.glob("*.json")}
        for name in running.keys() - wanted.keys():
            running[name].kill()
        for name in sorted(wanted.keys() - running.keys()):
            if time.monotonic() - started_s.get(name, -RESTART_AFTER_S) >= RESTART_AFTER_S:
                started_s[name] = time.monotonic()
                running[name] = start(json.loads(wanted[name].read_text()), logs / f"{name}.log")
        time.sleep(CHECK_INTERVAL_S)


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start one program; its output is added to the log."""
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def ended_children() -> set[int]:
    """Reap every ended child. Orphans come to the first process of a PID namespace, so not only its own programs."""
    ended: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.add(pid)


def forget(running: dict[str, subprocess.Popen[bytes]], ended: set[int]) -> None:
    """Drop the programs that ended."""
    for name in [name for name, process in running.items() if process.pid in ended]:
        running.pop(name).returncode = -1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
