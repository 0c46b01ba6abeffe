"""Whether a service may receive traffic, and the order in which it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

Check = Callable[[], str | None]


class Lifecycle:
    """Ready while no check objects and no shutdown has begun.

    A check returns None, or one sentence that says why the service is not ready.
    """

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._on_drain: list[Callable[[], None]] = []
        self._ending = threading.Event()

    def add_check(self, check: Check) -> None:
        self._checks.append(check)

    def on_drain(self, action: Callable[[], None]) -> None:
        """Call `action` once no new traffic is expected, before the server stops."""
        self._on_drain.append(action)

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def not_ready(self) -> str | None:
        """Why the service may not receive traffic, or None if it may."""
        if self.ending:
            return "shutting down"
        return next((reason for check in self._checks if (reason := check()) is not None), None)

    def begin_end(self) -> None:
        """Turn unready, so that clients stop sending."""
        self._ending.set()

    def drain(self) -> None:
        """Have the service refuse what still comes and finish what is under way."""
        for action in self._on_drain:
            action()
