"""Which substations will be taken away once they are empty. Pure: the time is an argument.

The autoscaler takes the most of what it has wished for during its stabilisation window, and so does this: a moment of
little demand empties nothing. A balancer that has not watched for a whole window yet empties nothing either.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

ROUNDING = 1e-9  # of a sum of floats, which must not make one substation more


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """What the substations' autoscaler is set to: demand a substation, bounds of their number, and for how long less
    must have been wished for before it takes one away."""

    target_demand_kw: float
    min_replicas: int
    max_replicas: int
    settle_s: float

    def wish(self, demand_kw: float) -> int:
        """How many substations the demand alone asks for."""
        return min(max(self.min_replicas, math.ceil(demand_kw / self.target_demand_kw - ROUNDING)), self.max_replicas)


class Emptying:
    """Watches what demand asks for. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._wish = 0
        self._wishes: deque[tuple[float, int]] = deque()  # until when each was one; each greater than all after it

    def kept(self, autoscaler: Autoscaler, demand_kw: float, now_s: float) -> int | None:
        """How many substations stay, as far as demand asks for them; None where none is to be emptied yet."""
        if self._since_s is None:
            self._since_s = now_s
        before, self._wish = self._wish, autoscaler.wish(demand_kw)
        greater = max(before, self._wish)  # of the wish that was one until now and of that from now on
        while self._wishes and self._wishes[-1][1] <= greater:
            self._wishes.pop()
        self._wishes.append((now_s, greater))
        begin_s = now_s - autoscaler.settle_s
        while self._wishes[0][0] < begin_s:
            self._wishes.popleft()
        return self._wishes[0][1] if self._since_s <= begin_s else None
