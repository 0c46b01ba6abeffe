"""What a substation does when no one asks: it ends sessions when they are due, and notes that it is alive.

Two threads, as the disk may hang. The alarm sleeps until the next session ends by itself and never touches the disk.
The heart writes, once a second, whatever is not on the disk yet, or at least a sign of life: after a crash the time of
the outage is known by it and not counted as delivered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

HEARTBEAT_S = 1.0
"""So much metering at most is lost to a `kill -9`."""
MIN_PAUSE_S = 0.05
"""Between two rounds of the alarm; who asks in between gets the exact state all the same."""
END_TIMEOUT_S = 10.0
T = TypeVar("T")
log = logging.getLogger(__name__)


class Keeper:
    """The two threads.

    `advance` is called with `lock` held and returns in how many seconds the next session ends by itself; `beat` is
    called without it, at least once every HEARTBEAT_S.
    """

    def __init__(self, lock: threading.Lock, advance: Callable[[], float], beat: Callable[[], None]) -> None:
        self._lock, self._advance, self._beat = lock, advance, beat
        self._alarm = threading.Condition(lock)
        self._awake_s = 0.0  # by the monotonic clock
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._ring, name="ledger-alarm", daemon=True),
            threading.Thread(target=self._live, name="ledger-heart", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def expect(self, event_in_s: float) -> None:
        """Be awake by then, as things have changed; the lock is held."""
        if time.monotonic() + max(MIN_PAUSE_S, event_in_s) < self._awake_s:
            self._alarm.notify()

    def stop(self) -> None:
        """End both threads and wait for them."""
        with self._lock:
            self._stopping.set()
            self._alarm.notify()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(END_TIMEOUT_S)

    def _ring(self) -> None:
        with self._lock:  # let go of by `wait` alone, so that no change falls between the look and the sleep
            while not self._stopping.is_set():
                event_in_s = self._guarded(self._advance, HEARTBEAT_S)
                pause_s = max(MIN_PAUSE_S, min(HEARTBEAT_S, event_in_s))
                self._awake_s = time.monotonic() + pause_s
                self._alarm.wait(pause_s)

    def _live(self) -> None:
        while not self._stopping.wait(HEARTBEAT_S):
            self._guarded(self._beat, None)

    def _guarded(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except Exception:
            log.exception("the keeper goes on after an unexpected error")
            return otherwise
