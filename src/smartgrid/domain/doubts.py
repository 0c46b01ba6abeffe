"""When a view may have gone out of date in a car's favour.

A status is believed until the next release that it announced is due, or until it is too old to be trusted, whatever
comes first (`Belief.due_s`). From then on the member is doubtful: it may have more room than is known, and a car that
finds no room elsewhere asks it before it is refused. The next status ends the doubt.

The times stand in a heap. Statuses come far more often than doubts do, and each puts its member's time off; to search
the heap for the member's entry each time would cost more than all the rest. So an entry stays where it is, and only
when its time comes it is seen whether the member's time has been put off meanwhile; if so, it is queued again for then.
A member has one entry that counts, the one for `Belief.queued_s`, which is never later than its time.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Container, Iterator

from smartgrid.domain.belief import Belief
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex
from smartgrid.domain.sharing import TOLERANCE_KW


class Doubts:
    """The times from which on the members of a fleet are doubtful."""

    def __init__(self) -> None:
        self._due: list[tuple[float, Belief]] = []  # a heap

    def watch(self, belief: Belief) -> None:
        """A new status came in: doubt it from `belief.due_s` on."""
        belief.is_doubtful = False
        if belief.due_s < belief.queued_s:
            belief.queued_s = belief.due_s
            heapq.heappush(self._due, (belief.due_s, belief))

    def come_due(self, now_s: float) -> Iterator[Belief]:
        """Those that have become doubtful since the last call, each marked as such."""
        while self._due and self._due[0][0] <= now_s:
            queued_s, belief = heapq.heappop(self._due)
            if queued_s != belief.queued_s:
                continue  # an earlier entry has taken its place
            belief.queued_s = math.inf
            if belief.due_s > now_s:
                self.watch(belief)
            else:
                belief.is_doubtful = True
                yield belief


def most_promising(index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
    """Whom to ask though no one seems to have room: the roomiest doubtful one that is large enough for the car at all,
    else one whose room is only held for cars that have not been admitted yet."""
    for candidate in index.doubtful():
        if candidate.name not in excluded and power.min_kw <= candidate.status.capacity_kw + TOLERANCE_KW:
            return candidate
    for candidate in index.holding():
        if candidate.name not in excluded and candidate.has_room(power.min_kw - candidate.reserved_min_kw):
            return candidate
    return None
