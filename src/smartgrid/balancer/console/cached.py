"""One answer for all who ask within a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Cached:
    """What `make` returned last, made anew once it is older than `life_s`. Thread-safe; only one thread makes it."""

    def __init__(self, make: Callable[[], bytes], life_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._life_s, self._clock = make, life_s, clock
        self._lock = threading.Lock()
        self._found: tuple[float, bytes] | None = None

    def get(self) -> bytes:
        with self._lock:
            if self._found is None or self._clock() - self._found[0] >= self._life_s:
                self._found = self._clock(), self._make()
            return self._found[1]
