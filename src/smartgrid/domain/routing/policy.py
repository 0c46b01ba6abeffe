"""What every policy has in common."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.by_free import ByFree
from smartgrid.domain.routing.candidate import Candidate


class Policy(Protocol):
    """Chooses a substation. One object serves one fleet, since some remember whom they chose last.

    The fleet takes a candidate out before it changes it and puts it back afterwards, so a policy may keep its
    candidates in any order it likes.
    """

    corrects_view: bool
    """Whether reservations and answers correct the view between polls, and a refused car is offered elsewhere."""

    def add(self, candidate: Candidate) -> None:
        """Put in a routable substation."""

    def discard(self, candidate: Candidate) -> None:
        """Take out a substation that was put in and has not changed since."""

    def choose(self, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        """The substation to ask first, or None if none has room as far as is known.

        Called once for each attempt; `excluded` is empty for a car's first.
        """

    def largest_free_kw(self) -> float:
        """The greatest minimum that any of them could admit."""


class FreeOrdered:
    """The part that most policies share: the candidates in order of their free power."""

    corrects_view = True

    def __init__(self) -> None:
        self.by_free = ByFree()

    def add(self, candidate: Candidate) -> None:
        self.by_free.add(candidate)

    def discard(self, candidate: Candidate) -> None:
        self.by_free.discard(candidate)

    def largest_free_kw(self) -> float:
        return self.by_free.largest_free_kw()
