"""What a run with chargers has shown, in the shape that the JSON file has. Pure.

Three questions are answered: did the cars charge, and how soon did they have their first limit; was any capacity
exceeded at any moment; and do the sessions of the grid have the energy that the chargers' own registers have counted.
Chargers and grid are asked each for itself, so that neither vouches for the other. What was not measured is None, and
never 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from smartgrid.loadtest.chargers.plan import CHARGERS, ChargerSettings
from smartgrid.loadtest.summary import natural_order, rate, spread

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CarSeen:
    """What became of one car, by its charger's own meter. `energy_kwh` is None where it never got a transaction."""

    tag: str
    substation: str
    energy_kwh: float | None
    limited_after_s: float | None
    is_settled: bool


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A session of the grid, as the gateway shows it."""

    vehicle_id: str
    delivered_kwh: float
    has_ended: bool


@dataclass(frozen=True)
class ChargerRun:
    """What was recorded. `most_kw` is by substation; capacities are the greatest that were seen."""

    started_at: datetime
    duration_s: float
    cars: Sequence[CarSeen]
    sessions: Sequence[SessionSeen]
    most_kw: Mapping[str, float]
    capacities_kw: Mapping[str, float]
    connected: int
    messages_out: int
    messages_in: int
    profiles: int
    connections: int
    refused: Counter[int] = field(default_factory=Counter)
    dropped_messages: int = 0
    kept_messages: int = 0
    problem: str | None = None
    """Why the grid's own view is missing, where it is."""


def report_of(settings: ChargerSettings, run: ChargerRun) -> Report:
    """Powers in kW, energies in kWh; None stands where nothing was measured."""
    charged = sum(car.energy_kwh is not None for car in run.cars)
    return {
        "scenario": CHARGERS,
        "settings": asdict(settings),
        "started_at": run.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_s": round(run.duration_s, 3),
        "chargers": {
            "connected": run.connected,
            "connections": run.connections,
            "refused": {str(status): count for status, count in sorted(run.refused.items())},
        },
        "cars": {"came": len(run.cars), "charged": charged},
        "success_rate": _rounded(rate(charged, len(run.cars)), 6),
        "first_limit_ms": _first_limits_ms(run.cars),
        "messages": {
            "sent": run.messages_out,
            "received": run.messages_in,
            "per_s": _rounded((run.messages_out + run.messages_in) / run.duration_s if run.duration_s else None, 1),
            "profiles": run.profiles,
            "dropped": run.dropped_messages,
            "kept": run.kept_messages,
        },
        "substations": _substations(run),
        "over_kw": _over_kw(run),
        "energy": _energy(run),
    }


def _first_limits_ms(cars: Iterable[CarSeen]) -> dict[str, float | None]:
    times = (car.limited_after_s * 1000 for car in cars if car.limited_after_s is not None)
    return {name: _rounded(value, 1) for name, value in spread(times).items()}


def _substations(run: ChargerRun) -> dict[str, dict[str, Any]]:
    names = sorted({*run.most_kw, *run.capacities_kw}, key=natural_order)
    cars = Counter(car.substation for car in run.cars)
    energies: Counter[str] = Counter()
    for car in run.cars:
        energies[car.substation] += car.energy_kwh or 0.0  # type: ignore[assignment]
    return {
        name: {
            "cars": cars[name],
            "energy_kwh": round(energies[name], 3),
            "capacity_kw": run.capacities_kw.get(name),
            "most_kw": round(run.most_kw.get(name, 0.0), 3),
        }
        for name in names
    }


def _over_kw(run: ChargerRun) -> float | None:
    over = [run.most_kw[name] - capacity_kw for name, capacity_kw in run.capacities_kw.items() if name in run.most_kw]
    return round(max(0.0, *over), 3) if over else None


def _energy(run: ChargerRun) -> dict[str, Any]:
    """Registers against sessions, car by car: each car's name is its own."""
    settled = {car.tag: car.energy_kwh for car in run.cars if car.is_settled and car.energy_kwh is not None}
    if run.problem is not None:
        return {"registers_kwh": round(sum(settled.values()), 3), "sessions_kwh": None}
    by_tag: dict[str, list[SessionSeen]] = {}
    for session in run.sessions:
        by_tag.setdefault(session.vehicle_id, []).append(session)
    found = {tag: sum(each.delivered_kwh for each in by_tag[tag]) for tag in settled if tag in by_tag}
    differences = [abs(found[tag] - settled[tag]) for tag in found]
    return {
        "registers_kwh": round(sum(settled.values()), 3),
        "sessions_kwh": round(sum(found.values()), 3),
        "largest_difference_kwh": round(max(differences), 3) if differences else None,
        "without_session": sum(tag not in by_tag for tag in settled),
        "with_several": sum(len(by_tag[tag]) > 1 for tag in found),
        "not_ended": sum(not each.has_ended for tag in found for each in by_tag[tag]),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
