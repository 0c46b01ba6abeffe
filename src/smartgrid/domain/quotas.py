"""How much one owner may have at once, and how much each has.

A substation counts its own sessions, a balancer those of its fleet as far as it knows of them; both decide with the
same rule. What is counted changes with each start and end, so a question costs the same however many sessions there
are. Powers are summed in quanta, so that what has come and gone leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from smartgrid.domain import quanta
from smartgrid.domain.sharing import TOLERANCE_KW

TOLERANCE = quanta.of_kw(TOLERANCE_KW)


class Used(NamedTuple):
    """Sessions, and the sum of their maximums in quanta of power."""

    sessions: int = 0
    power: int = 0

    def plus(self, other: Used) -> Used:
        return Used(self.sessions + other.sessions, self.power + other.power)


def use_of(power_kw: float) -> Used:
    """What one session takes of a quota: `power_kw` is its maximum."""
    return Used(1, quanta.of_kw(power_kw))


@dataclass(frozen=True, slots=True)
class Quota:
    """The most that one owner may have at once: sessions, and the sum of their maximums. None is no bound."""

    sessions: int | None = None
    power_kw: float | None = None

    def __bool__(self) -> bool:
        """Whether it bounds anything."""
        return self.sessions is not None or self.power_kw is not None

    def __str__(self) -> str:
        sessions = None if self.sessions is None else f"{self.sessions} session{'' if self.sessions == 1 else 's'}"
        power = None if self.power_kw is None else f"{self.power_kw:g} kW"
        return " and ".join(bound for bound in (sessions, power) if bound) or "any number of sessions"

    def allows(self, used: Used) -> bool:
        """Whether an owner may have so much."""
        if self.sessions is not None and used.sessions > self.sessions:
            return False
        return self.power_kw is None or used.power <= quanta.of_kw(self.power_kw) + TOLERANCE


UNBOUNDED = Quota()


class Tally:
    """What each has at once. Who has nothing takes no room."""

    def __init__(self) -> None:
        self._used: dict[str, Used] = {}

    def __iter__(self) -> Iterator[tuple[str, Used]]:
        return iter(self._used.items())

    def __len__(self) -> int:
        return len(self._used)

    def of(self, name: str) -> Used:
        return self._used.get(name, Used())

    def begin(self, name: str, use: Used) -> None:
        self._used[name] = self.of(name).plus(use)

    def end(self, name: str, use: Used) -> None:
        """The same `use` has begun before."""
        left = self.of(name).plus(Used(-use.sessions, -use.power))
        if left.sessions > 0:
            self._used[name] = left
        else:
            self._used.pop(name, None)
