"""How often something is done that could be done again at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """When to ask again: at once a few times, and then not more often than once in `interval_s` in the long run.

    The generic cell rate algorithm: each answer puts off the time at which all would be on time by one interval, and it
    may be ahead by `at_once` of them.
    """

    interval_s: float
    at_once: int
    on_time_s: float = 0.0

    def pause_s(self, now_s: float) -> float:
        """How long to wait after an answer that came at `now_s`."""
        self.on_time_s = max(self.on_time_s, now_s) + self.interval_s
        return max(0.0, self.on_time_s - now_s - self.at_once * self.interval_s)
