"""Running other programs, telling what goes on, and waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster.paths import search_path


class CommandFailedError(Exception):
    """A program ended with a failure; the message has its name, its exit code and what it wrote to stderr."""


class NotInTimeError(Exception):
    """Something waited for did not come."""


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for what a shell may evaluate."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(
    *command: object,
    stdin: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> str:
    """Run a program and return its stdout.

    Raises CommandFailedError if it fails and subprocess.TimeoutExpired if it takes longer than `timeout_s`.
    """
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": search_path(), **(environment or {})},
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise CommandFailedError(f"{' '.join(words)[:300]}: exit code {done.returncode}\n{done.stderr.strip()[-4000:]}")
    return done.stdout


def succeeds(*command: object, timeout_s: float = 20) -> bool:
    """Whether a program exists and ends with success in time."""
    try:
        run(*command, timeout_s=timeout_s)
    except (CommandFailedError, OSError, subprocess.TimeoutExpired):
        return False
    return True


def wait_until(what: str, ready: Callable[[], bool], timeout_s: float = 90, interval_s: float = 0.3) -> None:
    """Ask `ready` until it says yes; a program that fails or hangs counts as a no. Raises NotInTimeError."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        try:
            if ready():
                return
        except (CommandFailedError, subprocess.TimeoutExpired):
            pass
        time.sleep(interval_s)
    raise NotInTimeError(f"{what}: not within {timeout_s:.0f} s")
