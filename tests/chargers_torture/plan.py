"""What a round does, all of it drawn from its seed: chargers with their cars, and faults of the grid. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

FAULTS = (
    "no-power-meter",
    "no-phase-meters",
    "watts-only",
    "no-authorize",
    "never-boots",
    "clock-behind",
    "clock-of-1970",
    "two-sockets",
    "zero-volt-phases",
    "repeats-messages",
    "garbage",
    "starts-at-plug",
)
"""Of chargers that do as they are told: what one that does not may draw is beyond any grid."""
FAULTY = 0.3
CAR_PAUSE_S = (3.0, 15.0)
CAR_STAY_S = (10.0, 60.0)
DOWN_S = (0.0, 4.0)
"""For how long a killed process stays away."""
CUT_S = (1.0, 12.0)
Action = Literal["kill", "cut"]


@dataclass(frozen=True)
class Visit:
    """A car at a charger, by seconds after the round's beginning. Its tag is its own in the round."""

    plug_s: float
    unplug_s: float
    tag: str
    max_current_a: float
    phases: int
    reaction_s: float
    needs_kwh: float


@dataclass(frozen=True)
class PlannedCharger:
    name: str
    substation: str
    version: str
    faults: tuple[str, ...]
    visits: tuple[Visit, ...]


@dataclass(frozen=True)
class Step:
    """At `at_s` of the storm, something goes: a process is killed, or a charger's network cut; back after `for_s`."""

    at_s: float
    action: Action
    target: str
    for_s: float


def draw_chargers(seed: int, count: int, substations: list[str], until_s: float) -> list[PlannedCharger]:
    return [
        _charger(Random(f"{seed} charger {i}"), i, substations[i % len(substations)], until_s) for i in range(count)
    ]


def _charger(rng: Random, index: int, substation: str, until_s: float) -> PlannedCharger:
    return PlannedCharger(
        name=f"charger-{index}",
        substation=substation,
        version=rng.choice(("1.6", "2.0.1")),
        faults=(rng.choice(FAULTS),) if rng.random() < FAULTY else (),
        visits=tuple(_visits(rng, index, until_s)),
    )


def _visits(rng: Random, index: int, until_s: float) -> Iterator[Visit]:
    at_s = rng.uniform(0.0, CAR_PAUSE_S[1])
    number = 0
    while at_s < until_s:
        leaves_s = at_s + rng.uniform(*CAR_STAY_S)
        yield Visit(
            plug_s=at_s,
            unplug_s=leaves_s,
            tag=f"EV-{index}-{number}",
            max_current_a=rng.choice((10.0, 16.0, 32.0)),
            phases=rng.choice((1, 3, 3)),
            reaction_s=rng.uniform(0.5, 5.0),
            needs_kwh=rng.choice((0.03, 0.3, 30.0)),
        )
        at_s, number = leaves_s + rng.uniform(*CAR_PAUSE_S), number + 1


def draw_storm(seed: int, services: list[str], chargers: list[str], lasts_s: float, pause_s: float) -> list[Step]:
    """Faults at random moments, `pause_s` apart on average; the edge is hit as often as all substations together."""
    rng = Random(f"{seed} storm")
    edges = [name for name in services if name.startswith("edge")]
    others = [name for name in services if name not in edges]
    steps: list[Step] = []
    at_s = rng.expovariate(1 / pause_s)
    while at_s < lasts_s:
        if rng.random() < 0.25:
            steps.append(Step(at_s, "cut", rng.choice(chargers), rng.uniform(*CUT_S)))
        else:
            target = rng.choice(edges if rng.random() < 0.5 else others)
            steps.append(Step(at_s, "kill", target, rng.uniform(*DOWN_S)))
        at_s += rng.expovariate(1 / pause_s)
    return steps
