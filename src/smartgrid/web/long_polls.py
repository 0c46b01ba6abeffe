"""Long polls: each takes a thread while it waits, and some must be left for everyone else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from flask import request

from smartgrid.http_server.wsgi import MAY_WAIT

T = TypeVar("T")


class LongPolls:
    """At most `most` are held at once; whoever comes on top of that is answered as if the time were up, and so is who
    has another request's place in the server (`http_server.turns`)."""

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)

    def answer(self, wait: Callable[[], T], at_once: Callable[[], T]) -> T:
        """What `wait` returns in its time, or `at_once` where there is no place to wait."""
        if not request.environ.get(MAY_WAIT, True) or not self._places.acquire(blocking=False):
            return at_once()
        try:
            return wait()
        finally:
            self._places.release()
