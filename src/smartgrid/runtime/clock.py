"""The clock that substations charge by, and its relation to the time of day.

Energy flows by this clock, so it may neither jump nor go back; cars depart by the time of day, so it must not stay
wrong either when the machine's clock is set. So it runs by the monotonic clock, and follows a step of the time of day
slowly: by `FOLLOW_RATE` faster or slower, until it is right again. A minute is made good in five. While it does so,
the energy of all sessions is metered by as much too fast or too slow: the time that it makes good and no more.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

FOLLOW_RATE = 0.2


class TimeScale:
    """Grid time is wall time, in seconds since 1970, times `time_scale`."""

    def __init__(self, time_scale: float = 1.0) -> None:
        self.time_scale = time_scale

    def to_wall_s(self, grid_s: float) -> float:
        return grid_s / self.time_scale

    def to_grid_s(self, wall_s: float) -> float:
        return wall_s * self.time_scale

    def first_wall_s(self, grid_s: float) -> float:
        """The first wall time at which grid time has come so far; `to_grid_s` of it may be a hair later.

        Whoever does something at a grid time, and writes down when by wall time, does it at the grid time of this one:
        then it can be repeated at just the same.
        """
        wall_s = self.to_wall_s(grid_s)
        while self.to_grid_s(wall_s) < grid_s:
            wall_s = math.nextafter(wall_s, math.inf)
        while self.to_grid_s(before_s := math.nextafter(wall_s, -math.inf)) >= grid_s:
            wall_s = before_s
        return wall_s


class GridClock(TimeScale):
    """Never goes back, and is the same for every process with the same scale, so it goes on after a restart.

    The wire and the disk speak wall time only. Thread-safe.
    """

    def __init__(
        self,
        time_scale: float = 1.0,
        *,
        time_of_day_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(time_scale)
        self._time_of_day_s, self._monotonic_s = time_of_day_s, monotonic_s
        self._lock = threading.Lock()
        self._looked_s, self._shown_s = monotonic_s(), time_of_day_s()

    def wall_s(self) -> float:
        """The time of day, in seconds since 1970, as this clock has it."""
        with self._lock:
            looked_s = self._monotonic_s()
            passed_s = max(0.0, looked_s - self._looked_s)
            behind_s = self._time_of_day_s() - (self._shown_s + passed_s)
            most_s = FOLLOW_RATE * passed_s
            self._looked_s = max(self._looked_s, looked_s)
            self._shown_s += passed_s + min(max(behind_s, -most_s), most_s)
            return self._shown_s

    def now_s(self) -> float:
        """Grid time."""
        return self.to_grid_s(self.wall_s())


def rfc3339(wall_s: float) -> str:
    """A time of day as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
