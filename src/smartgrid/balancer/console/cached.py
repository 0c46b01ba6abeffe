"""One answer for all who ask within a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from smartgrid.web.problems import ProblemError

FAILURE_LIFE_S = 2.0


class Cached:
    """What `make` returned or raised last, made anew once it is older than `life_s`, or `failure_life_s`. Thread-safe.

    One thread makes it, and no other waits for that one: what is being waited for may hang, and would take one thread
    after the other. They get what there was before, or where there is nothing a problem (503).
    """

    def __init__(
        self,
        make: Callable[[], bytes],
        life_s: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        failure_life_s: float = FAILURE_LIFE_S,
    ) -> None:
        self._make, self._life_s, self._clock, self._failure_life_s = make, life_s, clock, failure_life_s
        self._lock = threading.Lock()
        self._made: tuple[float, bytes | ProblemError] | None = None  # until when it lives

    def get(self) -> bytes:
        """Raises a problem: `make`'s, which is kept too, or 503 while it is made for the first time."""
        made = self._made
        if (made is None or self._clock() >= made[0]) and self._lock.acquire(blocking=False):
            try:
                made = self._made = self._made_anew()
            finally:
                self._lock.release()
        if made is None:
            raise busy()
        if isinstance(made[1], ProblemError):
            raise made[1].with_traceback(None)  # it is raised again and again
        return made[1]

    def _made_anew(self) -> tuple[float, bytes | ProblemError]:
        try:
            found = self._make()
        except ProblemError as problem:
            return self._clock() + self._failure_life_s, problem
        return self._clock() + self._life_s, found


def busy() -> ProblemError:
    """Someone else asks for just this, or too much is asked for."""
    return ProblemError(503, "overloaded", "It is being asked for just now. Try again.", headers={"Retry-After": "1"})
