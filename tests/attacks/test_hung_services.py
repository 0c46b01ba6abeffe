"""A service that hangs takes neither the threads nor the time of the others, and no car gets a session too many."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attacks.conftest import LONGEST_S
from balancer.scripted_grid import CAR, scripted_grid
from support.grid import Grid, charge, sessions, together
from support.http import Reply
from support.processes import Process, frozen, wait_until

pytestmark = pytest.mark.timeout(300)


def send_car(gateway: Process, number: int) -> Reply:
    body = {"vehicle_id": f"EV-{number}", "energy_kwh": 50, "max_power_kw": 1.4, "min_power_kw": 1.4}
    return gateway.call("POST", "/charge", json=body, timeout_s=LONGEST_S)


def test_while_the_balancer_hangs_probes_do_not_wait_behind_cars_and_no_car_is_placed_behind_its_back(
    grid: Grid,
) -> None:
    """H6: /health took 30 s, and then all gateways were restarted."""
    with ThreadPoolExecutor(100) as threads:
        with frozen(grid.balancer):
            cars = [threads.submit(send_car, grid.gateway, number) for number in range(100)]
            for path in ("/health", "/status", "/health"):
                assert grid.gateway.call("GET", path, timeout_s=LONGEST_S).status == 200
            assert not all(car.done() for car in cars), "the probes were answered only after the cars"
            replies = [car.result(LONGEST_S) for car in cars]
        assert {reply.status for reply in replies} <= {503, 504}
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)

    wait_until(lambda: charge(grid.gateway, "EV-last").status == 201, LONGEST_S, "a car is placed again")
    held = [each["vehicle_id"] for substation in grid.substations for each in sessions(substation, state="Charging")]
    assert held == ["EV-last"]


def test_a_hundred_looks_at_a_substation_that_hangs_stop_nothing(grid: Grid) -> None:
    """M8: they held all threads of the balancer for a minute."""
    hung = grid.substations[2]
    with frozen(hung), ThreadPoolExecutor(100) as threads:
        path = f"/console/sessions/{hung.settings['name']}"
        looks = [threads.submit(grid.balancer.call, "GET", path, timeout_s=LONGEST_S) for _ in range(100)]
        begun_s = time.monotonic()
        assert grid.balancer.call("GET", "/substations", timeout_s=LONGEST_S).status == 200
        assert charge(grid.gateway).status == 201
        replies = [look.result(LONGEST_S) for look in looks]
        assert time.monotonic() - begun_s < LONGEST_S, "they waited one behind the other"

    assert {reply.status for reply in replies} == {503}


def test_fresh_keys_cost_one_request_each_however_many_substations_there_are(tmp_path: Path) -> None:
    """C5: each was asked of all of them; 32 at once stopped an empty grid of 200."""
    with scripted_grid(tmp_path, [f"substation-{i}" for i in range(200)]) as grid:
        replies = together(
            32, lambda i: grid.balancer.call("POST", "/charge", json=CAR, headers={"Idempotency-Key": f"fresh-{i}"})
        )

        assert [reply.status for reply in replies] == [201] * 32
        assert len(grid.asked_but_status()) == 32
