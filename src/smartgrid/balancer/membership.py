"""Who is in the fleet, brought together from several sources, each of which knows a part.

A name belongs to the source that had it first, and a URL to the name that had it first. Only registrations come after
all others, whenever they were made: no one can take a name by hand that is another substation's, or that one will have.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import LiveFleet

REGISTRATION = "registration"
log = logging.getLogger(__name__)


class Membership:
    """Keeps the fleet's members in step with what the sources publish. Thread-safe."""

    def __init__(self, fleet: LiveFleet, on_change: Callable[[], None]) -> None:
        """`on_change` is called after the fleet's members have changed."""
        self._fleet, self._on_change = fleet, on_change
        self._published: dict[str, frozenset[Member]] = {}
        self._members: dict[str, Member] = {}
        self._lock = threading.Lock()

    def publish(self, source: str, members: frozenset[Member]) -> None:
        """Take over what one source knows."""
        with self._lock:
            self._published[source] = members
            before, self._members = self._members, merge(self._published)
            after = self._members
            for name in before.keys() - after.keys():
                self._fleet.leave(name)
            for name, member in after.items():
                if before.get(name) != member:
                    self._fleet.join(member)
            for name in away(self._published) - after.keys():
                self._fleet.note_away(name)
        for name in sorted(before.keys() ^ after.keys()):
            log.info(
                "substation %s", "left" if name in before else "joined", extra={"substation": name, "source": source}
            )
        self._on_change()

    def named_away(self) -> set[str]:
        """Those that belong to the fleet and cannot be asked, by name."""
        with self._lock:
            return away(self._published) - self._members.keys()

    def find_url(self, url: str) -> tuple[str, Member] | None:
        """Which source has a member at this URL."""
        with self._lock:
            found = ((s, m) for s, members in self._published.items() for m in members)
            return next(((source, member) for source, member in found if member.url == url and not member.away), None)

    def find_name(self, name: str) -> Member | None:
        """Who has the name, or would have it if it could be asked."""
        with self._lock:
            return self._members.get(name) or next((m for m in _discovered(self._published) if m.name == name), None)


def away(published: dict[str, frozenset[Member]]) -> set[str]:
    """The names of which some source says that they are away."""
    return {member.name for members in published.values() for member in members if member.away}


def merge(published: dict[str, frozenset[Member]]) -> dict[str, Member]:
    """Who can be asked: one member a name and a URL; the first source to publish wins, within a source by name.

    Registrations come last, and have no name that another source knows, also where it calls that one away.
    """
    merged: dict[str, Member] = {}
    urls: set[str] = set()
    taken = {member.name for member in _discovered(published)} if REGISTRATION in published else set[str]()
    for source, members in sorted(published.items(), key=lambda each: each[0] == REGISTRATION):
        for member in sorted(members, key=lambda m: m.name):
            if source == REGISTRATION and member.name in taken:
                continue
            if not member.away and member.name not in merged and member.url not in urls:
                merged[member.name] = member
                urls.add(member.url)
    return merged


def _discovered(published: dict[str, frozenset[Member]]) -> Iterator[Member]:
    """What all sources but registrations know."""
    return (member for source, members in published.items() if source != REGISTRATION for member in members)
