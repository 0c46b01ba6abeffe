"""The most that a car is seen to take: what it is not able to draw is better offered to others.

A car that draws clearly less than the charger lets it, for a minute, gets its *ceiling* a little above what it draws.
One that draws all that it may, might take more: its ceiling doubles, up to what the car has asked for. In between, so
at a ceiling that fits, nothing changes. What counts is the limit that the charger has confirmed, not the offer: an edge
sends small rises late.

A car that takes nothing at all for ten minutes, although it may, *rests*: it is full, or waits for its own timer. Its
ceiling is 0, so its place is another's who needs it, until it draws again. Each ten minutes that it is let draw and
does not, it goes to the end of those who rest: one whose timer has come gets its turn beside one that is full.
"""

from __future__ import annotations

from smartgrid.domain.request import PowerRange

LITTLE, PATIENCE_S, MARGIN = 0.9, 60.0, 1.1
"""Less than this part of its limit, for so long, lowers the ceiling to the power that is drawn, with this margin."""
ALL = 0.95
"""More than this part of its limit raises it."""
GROWTH = 2.0
NOTHING_KW, REST_S = 0.2, 600.0
"""No more than this is what a car takes that does not charge; after so long it rests."""


class Ceiling:
    """Of one session; `max_kw` is infinite where nothing is known, and 0 where it rests, last since `rested_s`. Times
    are seconds of wall time."""

    __slots__ = ("_little_since_s", "_nothing_since_s", "max_kw", "rested_s")

    def __init__(self, max_kw: float = float("inf")) -> None:
        self.max_kw = max_kw
        self.rested_s = 0.0
        self._little_since_s: float | None = None
        self._nothing_since_s: float | None = None

    @property
    def rests(self) -> bool:
        return self.max_kw <= 0

    def observe(self, now_s: float, drawn_kw: float, limit_kw: float | None, power: PowerRange) -> bool:
        """It draws so much under that limit, None for one that is not known; whether the ceiling has changed."""
        self._note_nothing(now_s, drawn_kw, limit_kw)
        if self.rests:
            return drawn_kw > NOTHING_KW and self._move(drawn_kw * GROWTH, power)
        if not limit_kw:  # what it draws then says nothing of what it could
            self._little_since_s = None
            return False
        if drawn_kw >= LITTLE * limit_kw:
            self._little_since_s = None
            return drawn_kw >= ALL * limit_kw and self._move(self.max_kw * GROWTH, power)
        if self._little_since_s is None:
            self._little_since_s = now_s
        if now_s - self._little_since_s < PATIENCE_S:
            return False
        self._little_since_s = None
        return self._move(drawn_kw * MARGIN, power)

    def pass_time(self, now_s: float) -> bool:
        """Let it rest, if it has taken nothing for long enough; whether it has just begun to, or begun anew."""
        if self._nothing_since_s is None or now_s - self._nothing_since_s < REST_S:
            return False
        self.max_kw, self.rested_s, self._nothing_since_s = 0.0, now_s, now_s
        return True

    def _note_nothing(self, now_s: float, drawn_kw: float, limit_kw: float | None) -> None:
        """Since when it has taken nothing although it may. Where the limit is not known, that goes on as it was."""
        if drawn_kw > NOTHING_KW or limit_kw == 0:
            self._nothing_since_s = None
        elif limit_kw and self._nothing_since_s is None:
            self._nothing_since_s = now_s

    def _move(self, max_kw: float, power: PowerRange) -> bool:
        before = self.max_kw
        self.max_kw = float("inf") if max_kw >= power.max_kw else max(max_kw, power.min_kw)
        return self.max_kw != before
