"""What must hold of a round, whatever was killed in it. Each rule is a pure function from the evidence.

The chargers' own meters are the truth: a car's transaction has one session, in the books of its substation, with the
energy that the register counted; and no substation's chargers ever drew more than its capacity, by the sum of all
meters at every moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smartgrid.chargersim.busbar import Moment

TOLERANCE_KW = 1e-6
TOLERANCE_KWH = 0.0011
"""Of one session: messages have whole watt-hours."""
TOTAL_TOLERANCE_KWH = 0.1


@dataclass(frozen=True)
class CarSeen:
    """A transaction as its charger knows it, in the whole Wh that its messages had."""

    tag: str
    substation: str
    charger: str
    energy_kwh: float
    is_settled: bool
    """Its end has been taken."""


@dataclass(frozen=True)
class Evidence:
    cars: Sequence[CarSeen]
    sessions: Mapping[str, Sequence[dict[str, Any]]]
    """The books of each substation."""
    drawn: Mapping[str, Sequence[Moment]]
    capacities_kw: Mapping[str, float]
    dropped: Mapping[str, int]
    """Transaction messages that a charger gave up, by its name."""
    events: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Violation:
    rule: str
    what: str


Rule = Callable[[Evidence], Iterator[str]]
RULES: list[Rule] = []


def rule(each: Rule) -> Rule:
    RULES.append(each)
    return each


def check(evidence: Evidence) -> list[Violation]:
    """All violations of all rules."""
    return [Violation(each.__name__, what) for each in RULES for what in each(evidence)]


@rule
def never_over(evidence: Evidence) -> Iterator[str]:
    """At no moment do the chargers of a substation draw more than its capacity."""
    for name, moments in evidence.drawn.items():
        for at_s, power_kw in moments:
            if power_kw > evidence.capacities_kw[name] + TOLERANCE_KW:
                yield f"{name}: {power_kw:.3f} of {evidence.capacities_kw[name]:g} kW at {at_s:.3f} s"


@rule
def nothing_is_dropped(evidence: Evidence) -> Iterator[str]:
    """Every message of a transaction is taken, in the end."""
    for name, count in evidence.dropped.items():
        if count:
            yield f"{name} gave up {count} messages"
    for car in evidence.cars:
        if not car.is_settled:
            yield f"the end of {car.tag} at {car.charger} was never taken"


@rule
def each_car_has_one_session(evidence: Evidence) -> Iterator[str]:
    """Not none, not two, and none that no car has made."""
    found = _by_tag(evidence)
    known = {car.tag for car in evidence.cars}
    for car in evidence.cars:
        here = found.get(car.tag, [])
        if len(here) != 1:
            yield f"{car.tag} at {car.charger} has {len(here)} sessions"
        elif here[0][0] != car.substation:
            yield f"{car.tag} is at {here[0][0]}, its charger at {car.substation}"
    for tag in found:
        if tag not in known:
            yield f"nobody was {tag}"


@rule
def every_session_has_ended(evidence: Evidence) -> Iterator[str]:
    """All cars have left."""
    for tag, found in _by_tag(evidence).items():
        for _, session in found:
            if session["ended_at"] is None:
                yield f"{tag} is {session['state']} still"


@rule
def energy_is_the_registers(evidence: Evidence) -> Iterator[str]:
    """To the watt-hour, car by car."""
    found = _by_tag(evidence)
    for car in evidence.cars:
        for _, session in found.get(car.tag, []):
            booked_kwh = session["delivered_kwh"]
            if abs(booked_kwh - car.energy_kwh) > TOLERANCE_KWH:
                yield f"{car.tag}: {booked_kwh:.4f} kWh in the books, {car.energy_kwh:.4f} by the register"


@rule
def no_energy_is_lost_or_counted_twice(evidence: Evidence) -> Iterator[str]:
    """In all, by substation."""
    for name, books in evidence.sessions.items():
        booked_kwh = sum(each["delivered_kwh"] for each in books)
        metered_kwh = sum(car.energy_kwh for car in evidence.cars if car.substation == name)
        if abs(booked_kwh - metered_kwh) > TOTAL_TOLERANCE_KWH:
            yield f"{name}: {booked_kwh:.3f} kWh in the books, {metered_kwh:.3f} by the registers"


def _by_tag(evidence: Evidence) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for substation, books in evidence.sessions.items():
        for session in books:
            found[session["vehicle_id"]].append((substation, session))
    return found
