"""What `kill -9` leaves of a substation's energy; what it leaves of sessions and keys, `tests/torture` shows."""

from __future__ import annotations

import pytest

from support.grid import Grid, charge, metric, sessions, stop_all
from support.processes import Process, start_all

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_the_books_balance_after_a_kill(grid: Grid) -> None:
    for substation in grid.substations:
        for i in range(3):
            assert charge(substation, f"before-{i}").status == 201
        substation.kill()
    start_all(grid.substations)
    for substation in grid.substations:
        stop_all(substation)
    before = [books(substation) for substation in grid.substations]
    for substation in grid.substations:
        for i in range(6):
            assert charge(substation, f"after-{i}", min_power_kw=1).status == 201
    for substation in grid.substations:
        stop_all(substation)

    for substation, (delivered_before_kwh, metered_before_kwh) in zip(grid.substations, before, strict=True):
        delivered_kwh, metered_kwh = books(substation)
        assert metered_kwh > metered_before_kwh
        assert delivered_kwh - delivered_before_kwh == pytest.approx(metered_kwh - metered_before_kwh, abs=1e-6)


def books(substation: Process) -> tuple[float, float]:
    """Energy of all sessions, and the integral of the load since the process started, while no one charges."""
    assert substation.call("GET", "/status").json()["load_kw"] == 0
    delivered_kwh = sum(session["delivered_kwh"] for session in sessions(substation))
    return delivered_kwh, metric(substation, "delivered_energy_kwh_total")
