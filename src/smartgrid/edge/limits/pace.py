"""How often a charger is written to: it keeps profiles in flash memory, which wears, and cars dislike much change.

Rises are at least a minute apart, over all connectors of a charger. Beyond `DAILY_WRITES` in 24 hours only what safety
needs is still written: falls, the first limit of a car, and renewals as late as they may be. A busy connector that
charges for 8 hours a day writes about 70 renewals (one in 7 minutes) and, with a change each 10 minutes, 50 more; what
keeps its place in flash for 100,000 writes lasts two years at one a quarter of an hour around the clock times ten
sectors of levelling, and a bounded day keeps it there (libocpp #543 reckons so).
"""

from __future__ import annotations

RISE_SPACING_S = 60.0
DAILY_WRITES = 300
HOUR_S = 3_600.0
HOURS = 24


class Pace:
    """Of one charger, shared by its connectors."""

    __slots__ = ("_counts", "_hour", "_rose_s")

    def __init__(self) -> None:
        self._counts = bytearray(HOURS)  # up to 255 an hour: more is as many as is too many
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
        self._counts[slot] = min(self._counts[slot] + 1, 255)

    def writes(self, now_s: float) -> int:
        """Within the last 24 hours, to the hour."""
        self._turn_to(now_s)
        return sum(self._counts)

    def is_spent(self, now_s: float) -> bool:
        return self.writes(now_s) >= DAILY_WRITES

    def _turn_to(self, now_s: float) -> None:
        hour = int(now_s // HOUR_S)
        for passed in range(self._hour + 1, min(hour, self._hour + HOURS) + 1):
            self._counts[passed % HOURS] = 0
        self._hour = max(hour, self._hour)
