"""A circuit breaker on cars: whether a substation is spared them, by what became of those it was sent.

A substation may look perfect and take no cars: its disk hangs, its status is answered from memory, and being empty it
is every policy's favourite. Polls do not show that, so a poll does not mend it either. One car without an answer, or
with one that says nothing (a 500, a page of a proxy), opens the breaker. While it is open no car is sent; when its time
is over it is half open, and one car, no more, finds out: an answer closes the breaker, and another failure opens it
for twice as long.

Pure: the time is an argument.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_OPEN_S = 2.0
LONGEST_OPEN_S = 60.0
JITTER = 0.2


@dataclass(slots=True)
class Breaker:
    """Closed at first."""

    failures: int = 0
    due_s: float = 0.0
    """Until when it is open."""
    has_probe: bool = False
    """Whether a car is finding out."""

    @property
    def is_closed(self) -> bool:
        return self.failures == 0

    def lets_through(self, now_s: float) -> bool:
        """Whether a car may be sent: it is closed, or half open and no car is finding out yet."""
        return self.is_closed or (now_s >= self.due_s and not self.has_probe)

    def sent(self, *, as_probe: bool = False) -> None:
        """A car has been sent. `as_probe`: it finds out, whether the breaker is closed or not."""
        self.has_probe = as_probe or not self.is_closed

    def succeeded(self) -> None:
        """A car was answered, yes or no."""
        self.failures, self.has_probe = 0, False

    def failed(self, now_s: float) -> None:
        """A car was not answered, or with nothing that an answer can be."""
        open_s = min(LONGEST_OPEN_S, FIRST_OPEN_S * 2.0 ** min(self.failures, 16))
        self.failures += 1
        self.due_s, self.has_probe = now_s + open_s * random.uniform(1 - JITTER, 1 + JITTER), False

    def spared(self) -> None:
        """The car was not sent after all: nothing has been found out."""
        self.has_probe = False
