"""Processes of services for tests, started without the half second that each would spend on its imports.

Where that cannot be (it takes Linux), they are started as usual. So they are for benchmarks and torture too, which are
no tests: there a process is to be just what it really is.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

FORKER = Path(__file__).with_name("service_forker.py")
TAKES_ORPHANS = 36
"""`PR_SET_CHILD_SUBREAPER`"""
LOOK_S = 0.005


class Popen(Protocol):
    """What tests use of `subprocess.Popen`."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...

    def terminate(self) -> None: ...


def launch(service: str, environment: dict[str, str], log_path: Path) -> Popen:
    """Start a service with this environment and no other, whose output goes to the end of a file."""
    forker = _forker()
    if forker is not None:
        return forker.launch(service, environment, log_path)
    with log_path.open("ab") as log:
        command = [sys.executable, "-m", "smartgrid", service]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class Forked:
    """A child that the forker has made."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end_s = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() >= end_s:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(LOOK_S)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _Forker:
    """Runs until this process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        command = [sys.executable, "-P", str(FORKER)]  # without the folder that it is in
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        atexit.register(self._end)

    def launch(self, service: str, environment: dict[str, str], log_path: Path) -> Forked:
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        order = {"service": service, "environment": environment, "log": str(log_path)}
        with self._lock:
            orders.write(json.dumps(order) + "\n")
            return Forked(int(answers.readline()))

    def _end(self) -> None:
        with self._process:  # closes the pipe of orders, which ends it
            pass


@functools.cache
def _forker() -> _Forker | None:
    if not sys.platform.startswith("linux") or "PYTEST_VERSION" not in os.environ:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return _Forker() if libc.prctl(TAKES_ORPHANS, 1, 0, 0, 0) == 0 else None
