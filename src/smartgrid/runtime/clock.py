"""The clock that substations charge by, and its relation to the time of day."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class GridClock:
    """Seconds since 1970, `time_scale` times as fast as the wall clock.

    Energy flows by this clock; the wire speaks wall time only. Monotonic within a process, and the same for every
    process with the same scale, so it goes on where it was after a restart.
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        self.time_scale = time_scale
        self._offset_s = time.time() - time.monotonic()

    def wall_s(self) -> float:
        return self._offset_s + time.monotonic()

    def now_s(self) -> float:
        return self.wall_s() * self.time_scale

    def to_wall_s(self, grid_s: float) -> float:
        return grid_s / self.time_scale

    def to_grid_s(self, wall_s: float) -> float:
        return wall_s * self.time_scale


def rfc3339(wall_s: float) -> str:
    """A time of day as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
