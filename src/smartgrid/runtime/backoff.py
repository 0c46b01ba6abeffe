"""How long to wait before trying again. Pure, but for the jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST_S = 0.2
LONGEST_S = 5.0


@dataclass(slots=True)
class Backoff:
    """Doubling waits up to a cap, each cut by up to half at random, so that many clients do not return at once."""

    first_s: float = FIRST_S
    longest_s: float = LONGEST_S
    jitter: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        # The exponent is bounded, or an outage of days would overflow a float.
        full_s: float = min(self.longest_s, self.first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return full_s * self.jitter.uniform(0.5, 1)

    def succeeded(self) -> None:
        self._failures = 0
