"""Numbers of attempts to place a car: of two attempts with one idempotency key, the later has the greater number.

They are microseconds since 1970, so those of several balancers compare as long as their clocks agree better than a
retry takes.
"""

from __future__ import annotations

import threading
import time

HEADER = "Smartgrid-Attempt"
NEVER = 2**63 - 1  # voided before this: no attempt will do


class AttemptNumbers:
    """Strictly growing, also when the clock is set back. Thread-safe."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last


def decode(value: str | None) -> int | None:
    """The number in a header, or None where there is none."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 19 else None
