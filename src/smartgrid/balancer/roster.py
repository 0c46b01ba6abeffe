"""Brings the sources of members together into one fleet."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from smartgrid.balancer.discovery import Discovery, Member
from smartgrid.balancer.grid import Grid

JOIN_TIMEOUT_S = 5.0
RETRY_S = 1.0
log = logging.getLogger(__name__)


class Roster:
    """Runs each source in a thread of its own and keeps the grid's members in step with them.

    A name belongs to the source that had it first, and a URL to the name that had it first.
    """

    def __init__(self, grid: Grid, sources: Sequence[Discovery], on_change: Callable[[], None]) -> None:
        self._grid, self._on_change = grid, on_change
        self.sources = list(sources)
        self._published: dict[str, frozenset[Member]] = {}
        self._members: dict[str, Member] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(s,), name=f"discovery-{s.source}", daemon=True) for s in sources
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)

    def publish(self, source: str, members: frozenset[Member]) -> None:
        """Take over what one source knows."""
        with self._lock:
            self._published[source] = members
            before, self._members = self._members, merge(self._published)
            after = self._members
            for name in before.keys() - after.keys():
                self._grid.leave(name)
            for name, member in after.items():
                if before.get(name) != member:
                    self._grid.join(member)
        for name in sorted(before.keys() ^ after.keys()):
            log.info(
                "substation %s", "left" if name in before else "joined", extra={"substation": name, "source": source}
            )
        self._on_change()

    def find_url(self, url: str) -> tuple[str, Member] | None:
        """Which source has a member at this URL."""
        with self._lock:
            return next(((s, m) for s, members in self._published.items() for m in members if m.url == url), None)

    def find_name(self, name: str) -> Member | None:
        with self._lock:
            return self._members.get(name)

    def sync_ages_s(self) -> dict[str, float]:
        """Seconds since each source last confirmed what it published."""
        return {source.source: source.sync_age_s(time.monotonic()) for source in self.sources}

    def not_synced(self, max_age_s: float) -> str | None:
        """Why the fleet may be out of date, or None."""
        for source, age_s in self.sync_ages_s().items():
            if math.isinf(age_s):
                return f"{source} discovery has found nothing yet"
            if age_s > max_age_s:
                return f"{source} discovery is {age_s:.0f} s old"
        return None

    def _run(self, source: Discovery) -> None:
        while not self._stop.is_set():
            try:
                source.run(lambda members: self.publish(source.source, members), self._stop)
            except Exception:  # a fleet that is never brought up to date again would go unnoticed
                log.exception("%s discovery failed and is begun anew", source.source)
                self._stop.wait(RETRY_S)


def merge(published: dict[str, frozenset[Member]]) -> dict[str, Member]:
    """One member a name and a URL; the first source to publish wins, and within a source the order of names."""
    merged: dict[str, Member] = {}
    urls: set[str] = set()
    for members in published.values():
        for member in sorted(members, key=lambda m: m.name):
            if member.name not in merged and member.url not in urls:
                merged[member.name] = member
                urls.add(member.url)
    return merged
