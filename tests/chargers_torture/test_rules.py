"""The rules of torture find what they are for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chargers_torture.rules import CarSeen, Evidence, check
from smartgrid.chargersim.busbar import Moment


def session(vehicle_id: str, delivered_kwh: float, **changes: Any) -> dict[str, Any]:
    ended = {"ended_at": "2026-11-26T12:00:00Z", "state": "Idle"}
    return {"vehicle_id": vehicle_id, "delivered_kwh": delivered_kwh, **ended, **changes}


CARS = [CarSeen("A", "s0", "c0", 1.0, is_settled=True), CarSeen("B", "s1", "c1", 2.0, is_settled=True)]
GOOD = Evidence(
    cars=CARS,
    sessions={"s0": [session("A", 1.0)], "s1": [session("B", 2.0)]},
    drawn={"s0": [Moment(0.0, 21.9)], "s1": [Moment(0.0, 22.0)]},
    capacities_kw={"s0": 22.0, "s1": 22.0},
    dropped={"c0": 0},
)


def broken(**changes: Any) -> set[str]:
    return {violation.rule for violation in check(replace(GOOD, **changes))}


def test_a_good_round_breaks_none() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"drawn": {"s0": [Moment(3.0, 22.1)]}}, "never_over"),
        ({"dropped": {"c0": 1}}, "nothing_is_dropped"),
        ({"cars": [replace(CARS[0], is_settled=False), CARS[1]]}, "nothing_is_dropped"),
        ({"sessions": {"s0": [], "s1": [session("B", 2.0)]}}, "each_car_has_one_session"),
        ({"sessions": {"s0": [session("A", 1.0)] * 2, "s1": [session("B", 2.0)]}}, "each_car_has_one_session"),
        ({"sessions": {"s0": [session("A", 1.0), session("C", 0.0)], "s1": [session("B", 2.0)]}},
         "each_car_has_one_session"),
        ({"sessions": {"s0": [session("B", 2.0)], "s1": [session("A", 1.0)]}}, "each_car_has_one_session"),
        ({"sessions": {"s0": [session("A", 1.0, ended_at=None)], "s1": [session("B", 2.0)]}},
         "every_session_has_ended"),
        ({"sessions": {"s0": [session("A", 0.99)], "s1": [session("B", 2.0)]}}, "energy_is_the_registers"),
        ({"sessions": {"s0": [session("A", 0.8)], "s1": [session("B", 2.0)]}}, "no_energy_is_lost_or_counted_twice"),
    ],
)  # fmt: skip
def test_a_bad_round_breaks_the_rule(changes: dict[str, Any], rule: str) -> None:
    assert rule in broken(**changes)
