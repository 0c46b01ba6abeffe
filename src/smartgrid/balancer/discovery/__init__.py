"""Where substations are found: each source publishes the whole fleet as it knows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Member:
    """A substation and where it is reached. `name` is a DNS label, `url` has no path.

    One that is `away` belongs to the fleet and cannot be asked at present. A source says so where it can, so that also
    a balancer that has just started knows whose sessions are unavailable, and not unknown.

    `host` is what requests name as their `Host`, where that is not the URL's: the sidecars of a mesh know pods by name.
    """

    name: str
    url: str
    away: bool = False
    host: str = ""


Publish = Callable[[frozenset[Member]], None]


class Discovery(Protocol):
    """One source of members."""

    source: str

    def run(self, publish: Publish, stop: threading.Event) -> None:
        """Publish the fleet whenever it changes; return only when `stop` is set."""
        ...

    def sync_age_s(self, now_s: float) -> float:
        """Monotonic seconds since the source last confirmed what it published; infinity before the first time."""
        ...
