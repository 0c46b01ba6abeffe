"""The named scenarios are those of the specification."""

from __future__ import annotations

import pytest

from smartgrid.loadtest.scenarios import SCENARIOS, Scenario, overridden


@pytest.mark.parametrize(
    ("name", "requests", "users", "ramp_up_s"), [("normal", 100, 10, 60), ("high", 500, 50, 120), ("burst", 200, 20, 0)]
)
def test_the_scenarios_are_the_specified_ones(name: str, requests: int, users: int, ramp_up_s: float) -> None:
    assert SCENARIOS[name] == Scenario(requests, users, ramp_up_s)


def test_single_options_override_a_scenario() -> None:
    assert overridden(SCENARIOS["high"], None, 7, None) == Scenario(500, 7, 120)
    assert overridden(SCENARIOS["high"], 3, None, 0) == Scenario(3, 50, 0)
