"""The last minutes of the fleet, so that a page that has just been opened has a chart."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from smartgrid.domain.status import Status

SAMPLE_INTERVAL_S = 1.0
LENGTH = 600
JOIN_TIMEOUT_S = 5.0
COLUMNS = ("load_kw", "committed_kw", "demand_kw", "capacity_kw", "admitted", "rejected")

log = logging.getLogger(__name__)
Sample = tuple[float, float, float, float, int, int]


def sample(totals: Status, admitted: int, rejected: int) -> Sample:
    """A row of COLUMNS; the two counts go on from the process's start."""
    powers = (totals.load_kw, totals.committed_kw, totals.demand_kw, totals.capacity_kw)
    load_kw, committed_kw, demand_kw, capacity_kw = (round(power_kw, 2) for power_kw in powers)
    return load_kw, committed_kw, demand_kw, capacity_kw, admitted, rejected


class History:
    """Takes a sample each second, in a thread of its own while it is entered, and keeps the last `length`."""

    def __init__(
        self, take: Callable[[], Sample], *, interval_s: float = SAMPLE_INTERVAL_S, length: int = LENGTH
    ) -> None:
        self._take, self._interval_s = take, interval_s
        self._samples: deque[Sample] = deque(maxlen=length)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-history", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_TIMEOUT_S)

    def samples(self) -> list[Sample]:
        """Oldest first, one for each second up to now."""
        return list(self._samples)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._samples.append(self._take())
            except Exception:  # a chart with a gap is better than none from now on
                log.exception("no sample could be taken")
