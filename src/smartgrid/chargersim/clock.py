"""The time of simulated chargers: runs with the machine's, or so much faster."""

from __future__ import annotations

import time


class Clock:
    """Monotonic seconds since it was made, times `scale`. Only useful beside an edge and a grid that run as fast."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.begun_s, self.begun_wall_s = time.monotonic(), time.time()

    def now_s(self) -> float:
        return (time.monotonic() - self.begun_s) * self.scale

    def wall_s(self) -> float:
        return self.begun_wall_s + self.now_s()

    def real_s_until(self, at_s: float) -> float:
        """How long to wait, in real seconds."""
        return (at_s - self.now_s()) / self.scale
