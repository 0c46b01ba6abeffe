"""The last minutes of the fleet, so that a page that has just been opened has a chart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from smartgrid.balancer.periodic import Periodic
from smartgrid.domain.status import Status

SAMPLE_INTERVAL_S = 1.0
LENGTH = 600
COLUMNS = ("load_kw", "committed_kw", "demand_kw", "capacity_kw", "admitted", "rejected")

Sample = tuple[float, float, float, float, int, int]


def sample(totals: Status, admitted: int, rejected: int) -> Sample:
    """A row of COLUMNS; the two counts go on from the process's start."""
    powers = (totals.load_kw, totals.committed_kw, totals.demand_kw, totals.capacity_kw)
    load_kw, committed_kw, demand_kw, capacity_kw = (round(power_kw, 2) for power_kw in powers)
    return load_kw, committed_kw, demand_kw, capacity_kw, admitted, rejected


class History(Periodic):
    """Takes a sample each second, in a thread of its own while it is entered, and keeps the last `length`."""

    def __init__(
        self, take: Callable[[], Sample], *, interval_s: float = SAMPLE_INTERVAL_S, length: int = LENGTH
    ) -> None:
        super().__init__("console-history", interval_s, failed="no sample could be taken")
        self._take = take
        self._samples: deque[Sample] = deque(maxlen=length)

    def samples(self) -> list[Sample]:
        """Oldest first, one for each second up to now."""
        return list(self._samples)

    def work(self) -> None:
        self._samples.append(self._take())  # if it raises: a chart with a gap is better than none from now on
