"""Which chargers there are, how they behave, and when which car comes to them. Pure: all follows from the seed.

Each charger is drawn by a generator of its own, seeded by the run's seed and its number: so what kind of charger the
seventh is, and which cars come to it, does not change with how many others there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from smartgrid.workload.ramp import max_power_kw_at

CHARGERS = "chargers"
DEFAULT_RAMP_UP_S = 10.0
SAMPLE_INTERVAL_S = 30.0
"""How often chargers read their meters until the edge tells them otherwise."""
FAULTS = (
    "rejects-profiles",
    "ignores-tx-profiles",
    "no-power-meter",
    "watts-only",
    "no-authorize",
    "never-boots",
    "slow-answers",
    "clock-of-1970",
    "two-sockets",
    "zero-volt-phases",
    "repeats-messages",
    "garbage",
    "starts-at-plug",
)
"""Of chargersim.behaviour: those that a load test gives to its share of faulty chargers, one each."""
SHORTEST_STAY, LONGEST_STAY = 0.5, 1.5
LEAST_NEED, MOST_NEED = 0.3, 1.6
"""Of what a car could take during its stay at its full power: below 1 it is full before it leaves."""
FROM_SHARE_FULL = 0.5
VOLTAGE_V = 230.0


@dataclass(frozen=True)
class ChargerSettings:
    """Everything that shapes one run, as the report repeats it. Times in seconds."""

    target: str
    edge: str
    chargers: int
    duration_s: float
    ramp_up_s: float
    stay_s: float
    faulty: float
    seed: int
    min_success_rate: float | None = None
    max_p95_ms: float | None = None
    max_over_kw: float | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A car at a charger, from `at_s` to `until_s` after the start. Its battery needs `battery_kwh - energy_kwh`."""

    at_s: float
    until_s: float
    tag: str
    battery_kwh: float
    energy_kwh: float
    current_a: float
    phases: int


@dataclass(frozen=True, slots=True)
class PlannedCharger:
    """`version` is 1.6 or 2.0.1; it connects at `connects_s`."""

    name: str
    substation: str
    version: str
    faults: tuple[str, ...]
    phases: int
    connects_s: float
    visits: tuple[Visit, ...]


def planned(settings: ChargerSettings, substations: Sequence[str], run: str) -> list[PlannedCharger]:
    """Chargers in turn over the substations. `run` begins the names of cars and chargers: it tells runs apart."""
    return [_charger(settings, index, substations[index % len(substations)], run) for index in range(settings.chargers)]


def _charger(settings: ChargerSettings, index: int, substation: str, run: str) -> PlannedCharger:
    rng = Random(f"{settings.seed}:{index}")
    faults = (rng.choice(FAULTS),) if rng.random() < settings.faulty else ()
    phases = 1 if rng.random() < 0.15 else 3
    connects_s = settings.ramp_up_s * index / settings.chargers
    return PlannedCharger(
        name=f"{run}-{index}",
        substation=substation,
        version="1.6" if rng.random() < 0.5 else "2.0.1",
        faults=faults,
        phases=phases,
        connects_s=connects_s,
        visits=tuple(_visits(settings, rng, connects_s, f"{run}-{index}")),
    )


def _visits(settings: ChargerSettings, rng: Random, connects_s: float, name: str) -> list[Visit]:
    found: list[Visit] = []
    at_s = connects_s + rng.uniform(0.0, settings.stay_s)
    while at_s < settings.duration_s:
        until_s = at_s + settings.stay_s * rng.uniform(SHORTEST_STAY, LONGEST_STAY)
        found.append(_visit(rng, at_s, min(until_s, settings.duration_s), f"{name}-{len(found)}"))
        at_s = until_s + rng.uniform(0.1, 0.5) * settings.stay_s
    return found


def _visit(rng: Random, at_s: float, until_s: float, tag: str) -> Visit:
    power_kw = min(22.0, max_power_kw_at(rng.random()))  # there is no direct current at these chargers
    phases = 1 if power_kw <= 7.4 else 3
    needed_kwh = rng.uniform(LEAST_NEED, MOST_NEED) * power_kw * (until_s - at_s) / 3600
    battery_kwh = needed_kwh / (1 - FROM_SHARE_FULL)
    current_a = round(power_kw * 1000 / (VOLTAGE_V * phases))
    return Visit(at_s, until_s, tag, battery_kwh, battery_kwh - needed_kwh, current_a, phases)
