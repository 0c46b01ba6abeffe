"""Long polls: each takes a thread while it waits, and some must be left for everyone else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class LongPolls:
    """At most `most` are held at once; whoever comes on top of that is answered as if the time were up."""

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)

    def answer(self, wait: Callable[[], T], at_once: Callable[[], T]) -> T:
        """What `wait` returns in its time, or `at_once` where there is no place to wait."""
        if not self._places.acquire(blocking=False):
            return at_once()
        try:
            return wait()
        finally:
            self._places.release()
