"""Which members are slow: they answer every car, and each of these cars waits.

A member that takes 0.7 s for an answer, with a disk about to fail or a neighbour that takes its CPU, breaks no rule:
it is polled and answers, and no breaker opens. But being slow it is emptier than the others, so policies send it the
next car too. So who is slow is asked last: it gets the cars that no one else has room for.

Slow is who answers more slowly than `TIMES` times the fleet, and than `LEAST_S`, so that nobody is sorted out for
milliseconds. Compared are medians: of a member's last `ANSWERS` answers, so that one slow disk write is nothing, and
the middle of all members' medians, so that a slow member does not move it; of two the lower.

Who is asked last gives few answers to be judged by. So after `SLOW_FOR_S` a member is forgotten to be slow, and after
`JUDGED_FROM` answers judged anew.

Pure: the time is an argument. An answer costs a search in the sorted medians, 2 us at 1,000 members and 6 at 10,000.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

ANSWERS = 20
JUDGED_FROM = 5
TIMES = 5.0
LEAST_S = 0.1
SLOW_FOR_S = 60.0


class Slowness:
    """Not thread-safe. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._answers_s: dict[str, deque[float]] = {}
        self._median_s: dict[str, float] = {}
        self._medians_s: list[float] = []  # ascending
        self._slow_until_s: dict[str, float] = {}  # the earliest first

    def __contains__(self, name: object) -> bool:
        return name in self._slow_until_s

    def names(self) -> set[str]:
        """Those that are slow."""
        return set(self._slow_until_s)

    def note(self, name: str, duration_s: float, now_s: float) -> None:
        """A member has answered a car."""
        answers_s = self._answers_s.get(name)
        if answers_s is None:
            answers_s = self._answers_s[name] = deque(maxlen=ANSWERS)
        answers_s.append(duration_s)
        median_s = sorted(answers_s)[(len(answers_s) - 1) // 2]
        self._put(name, median_s)
        if name not in self._slow_until_s and len(answers_s) >= JUDGED_FROM and self._is_slow(median_s):
            self._slow_until_s[name] = now_s + SLOW_FOR_S

    def pardoned(self, now_s: float) -> list[str]:
        """Those that were slow until now."""
        found = list[str]()
        while self._slow_until_s:
            name, until_s = next(iter(self._slow_until_s.items()))
            if until_s > now_s:
                break
            self.forget(name)
            found.append(name)
        return found

    def forget(self, name: str) -> None:
        """As if it had never answered."""
        self._answers_s.pop(name, None)
        self._slow_until_s.pop(name, None)
        self._take_out(name)

    def _is_slow(self, median_s: float) -> bool:
        return median_s > LEAST_S and median_s > TIMES * self._medians_s[(len(self._medians_s) - 1) // 2]

    def _put(self, name: str, median_s: float) -> None:
        if self._median_s.get(name) != median_s:
            self._take_out(name)
            self._median_s[name] = median_s
            insort(self._medians_s, median_s)

    def _take_out(self, name: str) -> None:
        former_s = self._median_s.pop(name, None)
        if former_s is not None:
            del self._medians_s[bisect_left(self._medians_s, former_s)]
