"""What every policy has in common."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import Candidate
from smartgrid.domain.routing.index import FleetIndex


class Policy(Protocol):
    """Chooses a member for a car. One object serves one fleet, since some remember what they chose last."""

    corrects_view: bool
    """Whether reservations and answers correct the view between polls, and a refused car is offered elsewhere."""

    def choose(self, index: FleetIndex, power: PowerRange, excluded: Container[str]) -> Candidate | None:
        """The member to ask first, or None if none has room as far as is known.

        `excluded` names the members that the car has asked already: it is called once for each attempt.
        """
