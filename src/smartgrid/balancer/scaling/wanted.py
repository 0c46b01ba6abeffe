"""What an autoscaler is told of the substations that it scales. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smartgrid.domain.status import Status

ORDINAL = re.compile(r"0|[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a substation: its last status, the power reserved for cars under way to it, and whether it has
    left, or cannot be asked."""

    name: str
    status: Status | None
    reserved_max_kw: float = 0.0
    is_away: bool = False

    @property
    def may_be_busy(self) -> bool:
        """Whether a car charges, waits or is under way there; also where nobody knows."""
        status = self.status
        return status is None or status.active_sessions + status.waiting_sessions > 0 or self.reserved_max_kw > 0

    @property
    def demand_kw(self) -> float:
        """What its cars could take, those that wait and those under way included."""
        told_kw = self.status.demand_kw + self.status.waiting_kw if self.status else 0.0
        return told_kw + self.reserved_max_kw


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the scaled substations' cars could take, how few substations there may be, and how many there are known."""

    demand_kw: float
    busy_floor: int
    substations: int


def ordinal(statefulset: str, name: str) -> int | None:
    """The number of a StatefulSet's pod in its name, `<statefulset>-<n>`; None for what is none of its pods."""
    prefix, number = f"{statefulset}-", name[len(statefulset) + 1 :]
    return int(number) if name.startswith(prefix) and ORDINAL.fullmatch(number) else None


def wanted(statefulset: str, known: Iterable[Known]) -> Wanted:
    """The numbers for the pods of this StatefulSet; other members, such as those by hand, are scaled by no one."""
    own = [(number, each) for each in known if (number := ordinal(statefulset, each.name)) is not None]
    return Wanted(
        demand_kw=round(sum(each.demand_kw for _, each in own), 3),
        busy_floor=1 + max((number for number, each in own if each.may_be_busy), default=-1),
        substations=len(own),
    )
