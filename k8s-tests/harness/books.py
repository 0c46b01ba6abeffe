"""Comparing what clients were told with what the substations have on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.grid import Grid
from harness.load import Load

STOPPED = "Stopped"


@dataclass(frozen=True)
class Books:
    """What became of the cars of a load."""

    lost: list[str]
    """Sessions that a client was told of and their substation does not know."""
    doubled: list[str]
    """Cars with more than one session that was not taken back."""


def audit(grid: Grid, load: Load) -> Books:
    """Read every substation's record. All substations must be up."""
    recorded = [session for pod in grid.pods("substation") for session in grid.sessions(pod.name)]
    known = {f"{session['substation']}.{session['session_id']}" for session in recorded}
    lost = [one.session_id for one in load.charged if one.session_id not in known]
    cars = {one.subject for one in load.seen if one.operation == "charge"}
    sessions = Counter(s["vehicle_id"] for s in recorded if s["vehicle_id"] in cars and not was_taken_back(s, load))
    return Books(lost, [car for car, count in sessions.items() if count > 1])


def was_taken_back(session: dict[str, object], load: Load) -> bool:
    """Whether a balancer ended it because another substation had taken the car: no client was ever told of it."""
    told = {one.session_id.rpartition(".")[2] for one in load.charged}
    return session["end_reason"] == STOPPED and session["session_id"] not in told
