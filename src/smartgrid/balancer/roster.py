"""Runs the sources of members, each in a thread of its own."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from smartgrid.balancer.discovery import Discovery
from smartgrid.balancer.membership import Membership

JOIN_TIMEOUT_S = 5.0
RETRY_S = 1.0
log = logging.getLogger(__name__)


class Roster:
    """The sources run while it is entered."""

    def __init__(self, membership: Membership, sources: Sequence[Discovery]) -> None:
        self._membership = membership
        self.sources = list(sources)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(s,), name=f"discovery-{s.source}", daemon=True) for s in sources
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)

    def sync_ages_s(self) -> dict[str, float]:
        """Seconds since each source last confirmed what it published."""
        return {source.source: source.sync_age_s(time.monotonic()) for source in self.sources}

    def not_synced(self) -> str | None:
        """Which source has not been heard yet, or None.

        Later silence makes no balancer unready: the fleet that it knows is there to be served, and an API server that
        is away would take all balancers out at once. An alert tells of the age.
        """
        for source, age_s in self.sync_ages_s().items():
            if math.isinf(age_s):
                return f"{source} discovery has found nothing yet"
        return None

    def _run(self, source: Discovery) -> None:
        while not self._stop.is_set():
            try:
                source.run(lambda members: self._membership.publish(source.source, members), self._stop)
            except Exception:  # a fleet that is never brought up to date again would go unnoticed
                log.exception("%s discovery failed and is begun anew", source.source)
                self._stop.wait(RETRY_S)
