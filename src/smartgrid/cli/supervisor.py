"""Starts processes, starts them again when they die, and ends them in order."""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smartgrid.cli.plan import Service

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 10.0
HEALTHY_S = 30.0
END_TIMEOUT_S = 15.0
EXIT_REFUSED = 2
MAX_LOG_BYTES = 16 * 1024 * 1024
PR_SET_PDEATHSIG = 1
Say = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """A service's process; `process` is None while it waits to be started again."""

    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    failures: int = 0
    again_s: float = 0.0


def backoff_s(failures: int, spread: float) -> float:
    """The wait before the next start after so many failures in a row; `spread` in 0..1 jitters it."""
    return float(min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures - 1, 10)) * (0.75 + spread / 2))


class Supervisor:
    """All services as children. `processes.json` always names the present ones."""

    def __init__(self, services: Sequence[Service], data_dir: Path, say: Say) -> None:
        self._data_dir, self._say = data_dir, say
        self.children = [Child(service) for service in services]
        (data_dir / "logs").mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        for child in self.children:
            self._spawn(child, time.monotonic())
        self._write_processes()

    def tend(self, now_s: float) -> None:
        """Notice who has died, and start again who has waited long enough."""
        changed = False
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._note_death(child, now_s)
            if child.process is None and now_s >= child.again_s:
                self._spawn(child, now_s)
                changed = True
        if changed:
            self._write_processes()

    def refusal(self) -> str | None:
        """Why a child cannot start at all, in its own words (exit code 2), or None. To be asked before `tend`."""
        for child in self.children:
            if child.process is not None and child.process.poll() == EXIT_REFUSED:
                lines = self.log_path(child.service.name).read_text(errors="replace").splitlines()
                return f"{child.service.name}: {lines[-1].removeprefix('Error: ') if lines else 'no reason given'}"
        return None

    def stop(self) -> None:
        """End the gateway first, then the edge and the balancer, then the substations all at once."""
        for command in ("gateway", "edge", "balancer", "substation"):
            running = [c.process for c in self.children if c.service.command == command and c.process is not None]
            for process in running:
                process.terminate()
            _wait_all(running, END_TIMEOUT_S)
        (self._data_dir / "processes.json").unlink(missing_ok=True)

    def log_path(self, name: str) -> Path:
        return self._data_dir / "logs" / f"{name}.log"

    def _note_death(self, child: Child, now_s: float) -> None:
        code = child.process.returncode if child.process else 0
        child.failures = 1 if now_s - child.started_s > HEALTHY_S else child.failures + 1
        child.process, wait_s = None, backoff_s(child.failures, random.random())
        child.again_s = now_s + wait_s
        log = self.log_path(child.service.name)
        self._say(f"{child.service.name} {_ended(code)}; starting it again in {wait_s:.1f} s (its log: {log})")

    def _spawn(self, child: Child, now_s: float) -> None:
        path = self.log_path(child.service.name)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            child.process = subprocess.Popen(
                [sys.executable, "-m", "smartgrid", child.service.command],
                env={**os.environ, **child.service.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach only the supervisor, which ends all in order
                preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
            )
        child.started_s = now_s

    def _write_processes(self) -> None:
        running = {
            child.service.name: {"pid": child.process.pid, "url": child.service.url}
            for child in self.children
            if child.process is not None
        }
        partial = self._data_dir / "processes.json.new"
        partial.write_text(json.dumps(running, indent=2) + "\n")
        partial.replace(self._data_dir / "processes.json")


def end_with_parent() -> None:
    """Have the kernel end this process when the supervisor is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _wait_all(processes: list[subprocess.Popen[bytes]], timeout_s: float) -> None:
    end_s = time.monotonic() + timeout_s
    for process in processes:
        try:
            process.wait(max(0.0, end_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
