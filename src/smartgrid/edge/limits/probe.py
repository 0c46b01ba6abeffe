"""What a charger takes, found out at commissioning, before a car comes: pure. `smartgrid charger probe` runs it.

A series of named steps. An edge makes the call of a step (`call_of`) and says in a word what the answer means
(`result_of`), so whoever runs the series cannot send a charger anything else; what all results mean together
(`quirks_of`) is reckoned by the one who runs it. Steps change profiles, so they are for a charger without a car, and
the edge writes its own again afterwards (`ConnectorLimit.probed`). That a TxProfile is applied cannot be seen without a
car: the edge finds it out by the meter when one charges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smartgrid.edge.limits.payloads import (
    clear_all_profiles,
    composite_limit,
    get_composite_schedule,
    set_charging_profile,
)
from smartgrid.edge.limits.setup import configuration, unit_in, variables
from smartgrid.edge.ports import LimitOrder, OcppVersion, Payload, ProfileKind, RateUnit

PROBE_A, PROBE_W = 6.0, 4140.0
LEVEL = 1
LIFE_S = 300
"""Of a profile with an end."""
CLOCK_OFF_S = 60.0
NO_ANSWER = "no answer"
_DEFAULT = ProfileKind.TX_DEFAULT


@dataclass(frozen=True, slots=True)
class Step:
    """One question. A profile is set where there is a `limit`, a setting read where there is a `key`."""

    name: str
    asks: str
    key: str = ""
    component: str = ""
    variable: str = ""
    kind: ProfileKind = _DEFAULT
    unit: RateUnit = RateUnit.AMPERES
    limit: float | None = None
    then_limit: float | None = None
    level: int = 0

    @property
    def duration_s(self) -> int | None:
        return None if self.then_limit is None else LIFE_S


STEPS = (
    Step("units", "units it says", "ChargingScheduleAllowedChargingRateUnit", "SmartChargingCtrlr", "RateUnit"),
    Step("levels", "highest stack level", "ChargeProfileMaxStackLevel", "SmartChargingCtrlr", "ProfileStackLevel"),
    Step("periods", "most periods", "ChargingScheduleMaxPeriods", "SmartChargingCtrlr", "PeriodsPerSchedule"),
    Step("features", "profiles it has", "SupportedFeatureProfiles", "SmartChargingCtrlr", "Available"),
    Step("clear", "clears profiles"),
    Step("default-a", "TxDefaultProfile of 6 A", limit=PROBE_A),
    Step("composite", "composite schedule then"),
    Step("default-w", "TxDefaultProfile of 4140 W", unit=RateUnit.WATTS, limit=PROBE_W),
    Step("default-0a", "TxDefaultProfile of 0 A", limit=0.0),
    Step("default-0w", "TxDefaultProfile of 0 W", unit=RateUnit.WATTS, limit=0.0),
    Step("level-1", "TxDefaultProfile of stack level 1", limit=PROBE_A, level=LEVEL),
    Step("periods-a", "two periods, absolute, A", limit=PROBE_A + 2, then_limit=PROBE_A),
    Step("periods-w", "two periods, absolute, W", unit=RateUnit.WATTS, limit=PROBE_W + 1380, then_limit=PROBE_W),
    Step("max-a", "ChargePointMaxProfile of 32 A", kind=ProfileKind.CHARGE_POINT_MAX, limit=32.0),
    Step("clear-again", "clears what was written"),
)
BY_NAME = {step.name: step for step in STEPS}


def call_of(step: Step, version: OcppVersion, connector: int, wall_s: float) -> tuple[str, dict[str, Any]]:
    """The call of this step."""
    if step.key:
        if version is OcppVersion.V16:
            return "GetConfiguration", {"key": [step.key]}
        where = {"component": {"name": step.component}, "variable": {"name": step.variable}}
        return "GetVariables", {"getVariableData": [where]}
    if step.name == "composite":
        return get_composite_schedule(connector, version, RateUnit.AMPERES)
    if step.limit is None:
        purposes = clear_all_profiles(version)
        return purposes[min(1, len(purposes) - 1)]
    order = LimitOrder(
        connector=connector,
        kind=step.kind,
        limit=step.limit,
        unit=step.unit,
        phases=3,
        duration_s=step.duration_s,
        sequence=0,
        profile_id=900 + step.level,
        stack_level=step.level,
        then_limit=step.then_limit,
    )
    return set_charging_profile(order, version, wall_s)


def result_of(step: Step, version: OcppVersion, answer: Payload | None, wall_s: float) -> str:
    """What the answer says, in a word or two: a status, a setting's value, or the limit of the composite schedule."""
    if answer is None:
        return NO_ANSWER
    if step.key:
        found = configuration(answer) if version is OcppVersion.V16 else variables(answer)
        return next(iter(found.values()), "unknown")[:200]
    if step.name == "composite":
        limit = composite_limit(answer, version)
        if limit is None:
            return str(answer.get("status", "unknown"))[:50]
        skew_s = _skew_s(answer, version, wall_s)
        return f"{limit[0]:g} {limit[1].value}" + ("" if skew_s is None else f", its clock {skew_s:+.0f} s")
    return str(answer.get("status", "unknown"))[:50]


def quirks_of(results: Mapping[str, str], name: str, vendor: str, model: str, source: str) -> dict[str, Any]:
    """An entry of the table of quirks, with what differs from the defaults only."""
    taken = {step for step, result in results.items() if result == "Accepted"}
    entry: dict[str, Any] = {"name": name, "vendor": vendor, "model": model, "source": source}
    unit = _unit(results, taken)
    if unit is not None:
        entry["unit"] = unit.value
    written = "w" if unit is RateUnit.WATTS else "a"
    if f"default-{written}" in taken and f"default-0{written}" not in taken:
        entry["can_pause"] = False
    if f"default-{written}" not in taken and "level-1" in taken:
        entry["stack_level"] = LEVEL
    if f"periods-{written}" not in taken:
        entry["kinds"] = [ProfileKind.TX.value]  # the others could not carry a limit that ends
    if (skew_s := clock_off_s(results)) is not None and abs(skew_s) > CLOCK_OFF_S:
        entry["clock"] = "relative"
    return entry


def clock_off_s(results: Mapping[str, str]) -> float | None:
    """By how much the charger's clock is ahead, where its composite schedule has told."""
    *_, text = results.get("composite", "").partition("its clock ")
    try:
        return float(text.removesuffix(" s"))
    except ValueError:
        return None


def _unit(results: Mapping[str, str], taken: set[str]) -> RateUnit | None:
    """The only unit that it takes; None where it takes both, or says rightly which."""
    takes = [unit for unit, step in ((RateUnit.AMPERES, "default-a"), (RateUnit.WATTS, "default-w")) if step in taken]
    if len(takes) != 1 or unit_in(results.get("units", "")) is takes[0]:
        return takes[0] if len(takes) == 1 and takes[0] is RateUnit.WATTS else None
    return takes[0]


def _skew_s(answer: Payload, version: OcppVersion, wall_s: float) -> float | None:
    schedule = answer if version is OcppVersion.V16 else answer.get("schedule")
    start = schedule.get("scheduleStart") if isinstance(schedule, Mapping) else None
    try:
        when = datetime.fromisoformat(str(start))
    except ValueError:
        return None
    return None if when.tzinfo is None else when.timestamp() - wall_s
