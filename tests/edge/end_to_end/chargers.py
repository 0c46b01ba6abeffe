"""Simulated chargers on a real grid, for tests: a street on its edge, and what the grid says of their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smartgrid.chargersim.street import Handle, Street
from support.grid import Grid, sessions
from support.processes import Process, wait_until

WAIT_S = 60.0
SETTLE_S = 150.0
"""A rise waits a minute for the one before, and until falls have been followed."""
OPEN = {"registration": "open", "meter_interval_s": 5}
KW_PER_AMPERE = 0.69
"""On three phases of 230 V."""
SAFE_KW = 6 * KW_PER_AMPERE
RATING_KW = 32 * KW_PER_AMPERE
CAR_KW = 16 * KW_PER_AMPERE
STEP_KW = 0.1 * KW_PER_AMPERE
"""A limit has one decimal in amperes, and is rounded down."""


@contextmanager
def street_of(grid: Grid, **options: Any) -> Iterator[Street]:
    """Chargers that call at the grid's edge, and at once again when it has been away."""
    settings = {"pause_s": 0.2, "longest_pause_s": 1.0, **options}
    with Street(f"ws://127.0.0.1:{grid.edge.settings['ocpp_port']}/ocpp", **settings) as street:
        yield street


def charging_kw(street: Street, substation: str) -> float:
    return street.call(lambda: street.busbar(substation).power_kw)


def wait_power(handle: Handle, expected_kw: float, why: str, *, within_kw: float = STEP_KW + 0.01) -> None:
    """Until a charger draws so much, or a step of a limit less."""
    wait_until(
        lambda: expected_kw - within_kw <= handle.power_kw <= expected_kw + 0.001,
        SETTLE_S,
        f"{why}: {expected_kw:.2f} kW, now {handle.power_kw:.2f}",
    )


def session_of(target: Process, vehicle_id: str) -> dict[str, Any]:
    """The one session of a car that counts."""
    found = [each for each in sessions(target) if each["vehicle_id"] == vehicle_id]
    assert len(found) == 1, found
    return found[0]


def wait_session(target: Process, vehicle_id: str, state: str) -> dict[str, Any]:
    def is_there() -> bool:
        found = [each for each in sessions(target) if each["vehicle_id"] == vehicle_id]
        return bool(found) and found[0]["state"] == state

    wait_until(is_there, WAIT_S, f"the session of {vehicle_id} is {state}")
    return session_of(target, vehicle_id)


def set_capacity(substation: Process, capacity_kw: float) -> None:
    assert substation.call("PUT", "/capacity", json={"capacity_kw": capacity_kw}).status == 200


def register_energy_kwh(handle: Handle) -> float:
    """Of all its transactions that are over, by the meter, in whole Wh as a message has it."""
    ended = [each for each in handle.transactions if each.register_end_kwh is not None]
    return sum(int(each.register_end_kwh * 1000) - int(each.register_start_kwh * 1000) for each in ended) / 1000
