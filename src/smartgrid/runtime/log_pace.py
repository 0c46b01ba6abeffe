"""Lines in a log that somebody outside can provoke: of each kind not more than one in a while.

The first is said, those that follow within `INTERVAL_S` are counted, and the next that is said tells how many there
were in between (`unsaid`). Kinds are from a fixed set, never made of what came from outside.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

INTERVAL_S = 10.0


class LogPace:
    """Of one logger; for one thread."""

    def __init__(self, log: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._log, self._now = log, now
        self._said: dict[str, tuple[float, int]] = {}

    def say(
        self, kind: str, text: str, extra: Mapping[str, object], *, level: int = logging.WARNING, trace: bool = False
    ) -> None:
        """Log a line, unless one of its kind was just now; with the trace of the exception at hand if `trace`."""
        now_s = self._now()
        next_s, unsaid = self._said.get(kind, (-math.inf, 0))
        if now_s < next_s:
            self._said[kind] = next_s, unsaid + 1
            return
        self._said[kind] = now_s + INTERVAL_S, 0
        self._log.log(level, text, extra={**extra, "unsaid": str(unsaid)}, exc_info=trace)
