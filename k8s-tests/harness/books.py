"""Comparing what clients were told with what the substations have on record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.grid import Grid
from harness.load import Load

Session = dict[str, Any]


@dataclass(frozen=True)
class Books:
    """What became of the cars of a load."""

    lost: list[str] = field(default_factory=list)
    """Sessions that a client was told of and their substation does not know."""
    doubled: list[str] = field(default_factory=list)
    """Cars with more than one session that counts."""
    broken: list[str] = field(default_factory=list)
    """Sessions that a client's latest try was told of, and that another one superseded all the same."""
    superseded: int = 0
    """Sessions that do not count, as their car has another one. Not a fault."""

    @property
    def faults(self) -> tuple[list[str], list[str], list[str]]:
        """Lost, doubled, broken: all empty where the protocol held."""
        return self.lost, self.doubled, self.broken


def audit(grid: Grid, load: Load) -> Books:
    """Read every substation's record. All substations must be up."""
    recorded = [session for pod in grid.pods("substation") for session in grid.sessions(pod.name)]
    cars = {one.subject for one in load.seen if one.operation == "charge"}
    return judge(recorded, {one.subject: one.session_id for one in load.charged}, cars)


def judge(recorded: Iterable[Session], told: Mapping[str, str], cars: Iterable[str]) -> Books:
    """`told` has the session that each car's latest try was told of, by car."""
    by_id = {f"{session['substation']}.{session['session_id']}": session for session in recorded}
    of_car: dict[str, list[Session]] = defaultdict(list)
    for session in by_id.values():
        of_car[session["vehicle_id"]].append(session)
    counting = Counter({car: sum(counts(session) for session in of_car[car]) for car in cars})
    return Books(
        lost=[session_id for session_id in told.values() if session_id not in by_id],
        doubled=[car for car, count in counting.items() if count > 1],
        broken=[each for each in told.values() if each in by_id and not counts(by_id[each])],
        superseded=sum(not counts(session) for car in cars for session in of_car[car]),
    )


def counts(session: Session) -> bool:
    """Whether no other session of its car has taken its place."""
    return not session.get("superseded_by")
