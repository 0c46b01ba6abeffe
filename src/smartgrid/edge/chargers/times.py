"""What the fleet needs of time and chance; a test has its own."""

from __future__ import annotations

import random
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Times:
    """`now` is monotonic, `later` calls back in the event loop after so many seconds."""

    now: Callable[[], float]
    wall: Callable[[], float]
    later: Callable[[float, Callable[[], None]], object]
    rng: random.Random = field(default_factory=random.Random)

    @classmethod
    def of_loop(cls, loop: AbstractEventLoop) -> Times:
        return cls(time.monotonic, time.time, loop.call_later)
