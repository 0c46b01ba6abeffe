"""The node's first process, run here on folders of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.local import node
from cluster.shell import wait_until

WRITES_ITS_PID = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Path]:
    """The folder of a running init."""
    folder, logs = tmp_path / "processes", tmp_path / "log"
    folder.mkdir()
    logs.mkdir()
    init = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", sys.executable, node.INIT, folder, logs])
    yield folder
    init.kill()
    init.wait()


@pytest.fixture
def pid_file(processes: Path) -> Path:
    """Where a program that the init runs writes its process id."""
    path = processes.parent / "pid"
    command = [sys.executable, "-c", WRITES_ITS_PID, str(path)]
    (processes / "program.json").write_text(json.dumps(command))
    wait_until("start of the program", path.exists, timeout_s=20)
    return path


pytestmark = pytest.mark.skipif(
    subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs the right to make PID namespaces",
)


def test_program_that_ends_is_started_again(pid_file: Path) -> None:
    first = pid_file.read_text()
    kill(pid_file)
    wait_until("restart", lambda: pid_file.read_text() not in ("", first), timeout_s=20)


def test_program_whose_file_is_removed_is_killed_and_stays_dead(processes: Path, pid_file: Path) -> None:
    (processes / "program.json").unlink()
    wait_until("end", lambda: not children(pid_file), timeout_s=20)


def kill(pid_file: Path) -> None:
    for pid in children(pid_file):
        subprocess.run(["kill", "-KILL", pid], check=True)


def children(pid_file: Path) -> list[str]:
    command = ["pgrep", "--full", f"{WRITES_ITS_PID[:20]}.*{pid_file}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.split()
