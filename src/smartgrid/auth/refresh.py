"""When an issuer's keys are read again. Pure: times are arguments, in seconds on one clock.

In quiet times every few minutes, so that a key that was withdrawn is noticed. When a token comes that is signed with a
key that is not known here, the issuer may have a new one: then at once, but not more often than once in
`LEAST_INTERVAL_S`, however many such tokens come and whether or not the issuer answers. Anyone can make such tokens
without being anybody, and each would otherwise cost the issuer a request. A failure is tried again with doubling waits.
What was read last is believed for `KEPT_S` while the issuer is away: its outage is not to be ours.
"""

from __future__ import annotations

from dataclasses import dataclass

INTERVAL_S = 300.0
FILE_INTERVAL_S = 10.0
LEAST_INTERVAL_S = 10.0
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 60.0
JITTER = 0.2
KEPT_S = 24 * 3600.0


@dataclass(slots=True)
class Refresh:
    """What is known of the readings of one key set."""

    interval_s: float
    tried_s: float | None = None
    read_s: float | None = None
    failures: int = 0
    is_wanted: bool = False

    def due_s(self, spread: float) -> float:
        """When to read next, at the earliest; `spread` in 0..1 jitters it."""
        if self.tried_s is None:
            return 0.0
        if self.failures:
            wait_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self.failures - 1, 10))
        else:
            wait_s = min(LEAST_INTERVAL_S, self.interval_s) if self.is_wanted else self.interval_s
        return self.tried_s + wait_s * (1 + JITTER * (spread - 0.5))

    def succeeded(self, now_s: float) -> None:
        self.tried_s = self.read_s = now_s
        self.failures, self.is_wanted = 0, False

    def failed(self, now_s: float) -> None:
        self.tried_s = now_s
        self.failures += 1

    def age_s(self, now_s: float) -> float | None:
        """How long ago the set was read; None if never."""
        return None if self.read_s is None else now_s - self.read_s

    def is_believed(self, now_s: float) -> bool:
        return self.read_s is not None and now_s - self.read_s <= KEPT_S
