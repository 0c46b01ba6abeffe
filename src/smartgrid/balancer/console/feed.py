"""What the console polls: the whole fleet in one compact answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smartgrid.balancer.live_fleet import Seen
from smartgrid.domain.status import Status

COLUMNS = (
    "name",
    "state",
    "capacity_kw",
    "load_kw",
    "committed_kw",
    "demand_kw",
    "sessions",
    "waiting",
    "waiting_kw",
    "age_s",
    "booked_kw",
    "metered_kw",
    "overbooked_kw",
)
SILENT, DRAINING, AVAILABLE, UNKNOWN = "Silent", "Draining", "Available", "Unknown"


def feed(
    name: str,
    seen: Iterable[Seen],
    *,
    admitted: int,
    rejected: int,
    now_s: float,
    max_age_s: float,
    has_edge: bool = False,
) -> dict[str, Any]:
    """The fleet as rows of COLUMNS, by name; powers in kW, to 10 W. `now_s` is on the clock of the views."""
    return {
        "name": name,
        "admitted": admitted,
        "rejected": rejected,
        "max_age_s": max_age_s,
        "has_edge": has_edge,
        "columns": COLUMNS,
        "substations": [row(each, now_s) for each in seen],
    }


def row(seen: Seen, now_s: float) -> list[Any]:
    """One substation; powers are null until it has answered once."""
    status, updated_at_s = seen.view.status, seen.view.updated_at_s
    age_s = None if updated_at_s is None else round(max(0.0, now_s - updated_at_s), 1)
    powers = (None,) * 4 if status is None else _powers_kw(status)
    sessions = None if status is None else status.active_sessions
    drawn = (None, None, None) if status is None else _drawn_kw(status)
    waiting = (None, None) if status is None else (status.waiting_sessions, round(status.waiting_kw, 2))
    return [seen.member.name, state(seen), *powers, sessions, *waiting, age_s, *drawn]


def state(seen: Seen) -> str:
    """In one word, the worst first: a substation that does not answer may also have been draining."""
    if not seen.in_rotation:
        return SILENT
    if seen.view.status is None:
        return UNKNOWN
    return DRAINING if seen.view.status.draining else AVAILABLE


def _powers_kw(status: Status) -> tuple[float, ...]:
    powers = (status.capacity_kw, status.load_kw, status.committed_kw, status.demand_kw)
    return tuple(round(power_kw, 2) for power_kw in powers)


def _drawn_kw(status: Status) -> tuple[float | None, ...]:
    """By chargers; null where none are known."""
    if status.booked_kw is None:
        return None, None, None
    return round(status.booked_kw, 2), round(status.metered_kw or 0.0, 2), round(status.overbooked_kw, 2)
