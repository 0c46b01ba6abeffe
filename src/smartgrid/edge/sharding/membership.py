"""Which edges there are. Pure: times are arguments, of one monotonic clock.

A peer that has been there and does not answer stays a member for `AWAY_S`: it is being restarted, as in a rolling
update, and its chargers, who find nobody meanwhile, are back with it sooner than they would have moved twice. After
that its substations are shared among the others. One that was never there, and may be, is given the same time from the
start of this process where a setting names it; of the edges of a StatefulSet, of which nobody knows how many there are,
one counts from when it is first seen.
"""

from __future__ import annotations

from collections.abc import Iterable

AWAY_S = 60.0


class Membership:
    """This edge, and its peers."""

    def __init__(self, own_name: str, expected: Iterable[str], now_s: float) -> None:
        """`expected` are those that a setting names."""
        self.own_name = own_name
        self._seen_s = dict.fromkeys((name for name in expected if name != own_name), now_s)

    def saw(self, name: str, now_s: float) -> None:
        """A peer is there."""
        if name != self.own_name:
            self._seen_s[name] = now_s

    def members(self, now_s: float) -> frozenset[str]:
        """All edges that share the substations now, this one too."""
        here = (name for name, seen_s in self._seen_s.items() if now_s - seen_s <= AWAY_S)
        return frozenset((self.own_name, *here))
