"""How one charger differs from another: its traits, and faults by name that real chargers are known to have.

A `Behaviour` without arguments is a charger as the standard has it. Each fault changes a trait or two, so faults can be
combined (`behaving`); what follows from a trait is where the charger would do it: `charger` for what it says and takes,
`line` for its sockets, `samples` for its meters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from smartgrid.chargersim.profiles import Unit

YEARS_BEHIND_S = 56 * 365.25 * 86_400.0
"""How far a clock is behind that begins in 1970."""


class Obeys(StrEnum):
    """What becomes of a charging profile."""

    YES = "yes"
    REJECTS = "rejects"
    IGNORES = "ignores"
    """Accepts it, and does nothing."""
    IGNORES_TX = "ignores-tx"
    """Accepts a TxProfile and does nothing; the default rules."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A charger without faults, unless changed. Times in seconds.

    `tick_s` is how often it looks at its profiles. `lets_in` says what happens when nobody answers an Authorize.
    """

    tick_s: float = 1.0
    obeys: Obeys = Obeys.YES
    units: tuple[Unit, ...] = (Unit.AMPERES, Unit.WATTS)
    max_stack_level: int = 8
    has_power_meter: bool = True
    has_phase_meters: bool = True
    unused_phases_read_zero_volts: bool = False
    authorizes: bool = True
    starts_offline: bool = True
    boots: bool = True
    answer_delay_s: float = 0.0
    clock_ahead_s: float = 0.0
    sets_clock: bool = True
    offline_transaction_id: int | None = None
    repeats_messages: bool = False
    sends_garbage: bool = False
    opens_two_sockets: bool = False
    starts_at_plug: bool = False
    """2.x: Started with the cable, the token later."""
    sample_interval_s: float = 60.0
    call_timeout_s: float = 30.0
    retry_pause_s: float = 2.0


FAULTLESS = Behaviour()

FAULTS: dict[str, dict[str, object]] = {
    "rejects-profiles": {"obeys": Obeys.REJECTS},
    "ignores-profiles": {"obeys": Obeys.IGNORES},
    "ignores-tx-profiles": {"obeys": Obeys.IGNORES_TX},
    "no-power-meter": {"has_power_meter": False, "has_phase_meters": False},
    "no-phase-meters": {"has_phase_meters": False},
    "watts-only": {"units": (Unit.WATTS,)},
    "amperes-only": {"units": (Unit.AMPERES,)},
    "one-stack-level": {"max_stack_level": 0},
    "no-authorize": {"authorizes": False},
    "never-boots": {"boots": False},
    "slow-answers": {"answer_delay_s": 10.0},
    "clock-of-1970": {"clock_ahead_s": -YEARS_BEHIND_S, "sets_clock": False},
    "clock-behind": {"clock_ahead_s": -3600.0, "sets_clock": False},
    "clock-ahead": {"clock_ahead_s": 3600.0, "sets_clock": False},
    "two-sockets": {"opens_two_sockets": True},
    "offline-id-minus-one": {"offline_transaction_id": -1},
    "offline-id-zero": {"offline_transaction_id": 0},
    "zero-volt-phases": {"unused_phases_read_zero_volts": True},
    "repeats-messages": {"repeats_messages": True},
    "garbage": {"sends_garbage": True},
    "starts-at-plug": {"starts_at_plug": True},
    "slow-tick": {"tick_s": 30.0},
}


def behaving(faults: Iterable[str] = (), base: Behaviour | None = None) -> Behaviour:
    """A behaviour with these faults. Raises ValueError for a name that is none."""
    found = base or FAULTLESS
    for name in faults:
        if name not in FAULTS:
            raise ValueError(f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
        found = replace(found, **FAULTS[name])  # type: ignore[arg-type]
    return found
