"""Idempotency keys under way: of two requests with one key, the second waits for the first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyBusyError(Exception):
    """The first request with the key takes too long."""


class KeysUnderWay:
    """Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()

    @contextmanager
    def holding(self, key: str, timeout_s: float) -> Iterator[None]:
        """Have the key to oneself. Raises KeyBusyError after `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._held, timeout_s):
                raise KeyBusyError
            self._held.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(key)
                self._changed.notify_all()
