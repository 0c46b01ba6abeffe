"""How often a charger is written to: it keeps profiles in flash memory, which wears, and cars dislike much change.

Rises are at least a minute apart, over all connectors of a charger. A profile that only lives on is renewed each seven
minutes: 206 a day for a connector that charges around the clock, about 70 for one that does for eight hours. Changes
come on top; each is a renewal too. Beyond `DAILY_WRITES` in 24 hours only what safety needs is still written: falls,
the first limit of a car, and renewals as late as they may be (one in 12 minutes). So a charger stays below the 100,000
writes a year that others warn of (libocpp #543: a profile each five minutes), unless its limit falls all day.
"""

from __future__ import annotations

from array import array

RISE_SPACING_S = 60.0
DAILY_WRITES = 250
HOUR_S = 3_600.0
HOURS = 24
MOST_COUNTED = 60_000


class Pace:
    """Of one charger, shared by its connectors."""

    __slots__ = ("_counts", "_hour", "_rose_s")

    def __init__(self) -> None:
        self._counts = array("H", bytes(2 * HOURS))
        self._hour = 0
        self._rose_s: float | None = None

    def next_rise_s(self) -> float:
        """The earliest time at which a limit of this charger may rise."""
        return -1.0 if self._rose_s is None else self._rose_s + RISE_SPACING_S

    def rose(self, now_s: float) -> None:
        self._rose_s = now_s

    def wrote(self, now_s: float) -> None:
        self._turn_to(now_s)
        slot = self._hour % HOURS
        self._counts[slot] = min(self._counts[slot] + 1, MOST_COUNTED)

    def writes(self, now_s: float) -> int:
        """Within the last 24 hours, to the hour."""
        self._turn_to(now_s)
        return sum(self._counts)

    def is_spent(self, now_s: float) -> bool:
        return self.writes(now_s) >= DAILY_WRITES

    def _turn_to(self, now_s: float) -> None:
        hour = int(now_s // HOUR_S)
        if hour == self._hour:
            return
        for passed in range(self._hour + 1, min(hour, self._hour + HOURS) + 1):
            self._counts[passed % HOURS] = 0
        self._hour = max(hour, self._hour)
