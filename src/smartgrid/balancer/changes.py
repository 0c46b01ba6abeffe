"""How threads wait until something that they look at has changed, whoever changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Changes:
    """Whoever changes the fleet or the directory notifies; long polls of a balancer in front wait. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._ended = False

    def notify(self) -> None:
        """Something has changed. To be called without any other lock held, as the waiting look at what they need."""
        if self._waiting:  # there are none but behind a balancer of regions
            with self._changed:
                self._changed.notify_all()

    def wait_for(self, has_changed: Callable[[], bool], timeout_s: float) -> None:
        """Return as soon as `has_changed()`, after `timeout_s`, or when all waits are ended."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._ended or has_changed(), timeout_s)
            finally:
                self._waiting -= 1

    def end(self) -> None:
        """End all waits, also those to come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
