"""The audit: a stream of its own of who changed what. One JSON object a line, in a file or on standard error.

A line is made in the thread of the request and written by another one: a disk that hangs, or a reader that stopped
reading, must not keep anybody from charging, nor from stopping. What waits to be written is bounded. What does not fit,
or cannot be written, is lost, and counted, so an alert can tell. At the end of a process what waits is written; a
process that is killed loses what it has not written, which is what a few milliseconds bring.

The file is opened anew where it was renamed, so whoever rotates logs can rotate this.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_json

MAX_WAITING = 10_000
MAX_LINE_BYTES = 4096
"""As much as one write puts into a pipe without another's line in between."""
BATCH = 200
LAST_WRITE_S = 2.0
STDERR = "-"
log = logging.getLogger(__name__)


class Audit:
    """Writes to the file at `target`, or to standard error for `-`. `lines_lost` counts what could not be written."""

    def __init__(self, service: str, target: str) -> None:
        """Raises OSError where the file cannot be written to."""
        self._service = service
        self._path = None if target == STDERR else Path(target)
        self._file: int | None = None
        self._waiting: deque[bytes] = deque()
        self._wake, self._lock = threading.Event(), threading.Lock()
        self._is_lossy = False
        self.lines = self.lines_lost = 0
        if self._path is not None:
            self._open(self._path)
        threading.Thread(target=self._write_all, name="audit", daemon=True).start()
        atexit.register(self.flush, LAST_WRITE_S)

    def line(self, fields: Mapping[str, Any]) -> None:
        """Have a line written soon. Never waits, never fails."""
        now_s = time.time()
        whole = {"stream": "audit", "time": _stamp(now_s), "service": self._service, **fields}
        text = to_json(whole, fallback=str) + b"\n"
        with self._lock:
            fits = len(self._waiting) < MAX_WAITING and len(text) <= MAX_LINE_BYTES
            if fits:
                self._waiting.append(text)
            else:
                self.lines_lost += 1
        if fits:
            self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is written; whether it was."""
        end_s = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < end_s:
            self._wake.set()
            time.sleep(0.01)
        return not self._waiting

    def metrics(self) -> str:
        """In Prometheus' text format."""
        return (
            "# HELP audit_lines_total Lines of the audit that were written.\n# TYPE audit_lines_total counter\n"
            f"audit_lines_total {self.lines}\n"
            "# HELP audit_lines_lost_total Lines of the audit that could not be written.\n"
            f"# TYPE audit_lines_lost_total counter\naudit_lines_lost_total {self.lines_lost}\n"
        )

    def _write_all(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
                written = self._write(b"".join(batch))
                with self._lock:
                    for _ in batch:
                        self._waiting.popleft()
                    if written:
                        self.lines += len(batch)
                    else:
                        self.lines_lost += len(batch)

    def _write(self, text: bytes) -> bool:
        try:
            descriptor = self._target()
            while text:
                text = text[os.write(descriptor, text) :]
        except (OSError, ValueError) as error:
            if not self._is_lossy:  # said once: the log may be on the same full disk
                log.error("the audit cannot be written", extra={"reason": str(error)})
            self._is_lossy = True
            return False
        self._is_lossy = False
        return True

    def _target(self) -> int:
        if self._path is None:
            return sys.stderr.fileno()
        try:
            there: os.stat_result | None = self._path.stat()
        except FileNotFoundError:
            there = None
        ours = None if self._file is None else os.fstat(self._file)
        if self._file is None or ours is None or there is None or not os.path.samestat(there, ours):
            return self._open(self._path)
        return self._file

    def _open(self, path: Path) -> int:
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._file is not None:
            os.close(self._file)
        self._file = opened
        return opened


def _stamp(now_s: float) -> str:
    whole_s = int(now_s)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole_s))}.{int((now_s - whole_s) * 1000):03d}Z"
