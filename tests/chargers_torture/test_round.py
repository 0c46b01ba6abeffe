"""A short round: `make chargers-torture` runs them for as long as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargers_torture.plan import draw_storm
from chargers_torture.rounds import Intensity, run_round
from chargers_torture.rules import check

pytestmark = pytest.mark.timeout(600)  # a busy machine takes minutes to start many processes

SEED = 7
SHORT = Intensity(chargers=50, storm_s=40.0, pause_s=3.0)


def test_no_energy_is_lost_or_counted_twice_no_session_doubled_and_never_over(tmp_path: Path) -> None:
    outcome = run_round(SEED, tmp_path, SHORT, print)

    assert outcome.counts["cars"] > 50, f"cars must have come: {outcome.counts}"
    violations = [f"{each.rule}: {each.what}" for each in check(outcome.evidence)]
    assert not violations, "\n".join([f"seed {SEED}, logs in {tmp_path}", *violations[:20]])


def test_the_short_round_kills_edge_and_substations_and_cuts_lines() -> None:
    steps = draw_storm(SEED, ["substation-0", "substation-1", "edge-0"], ["charger-0"], SHORT.storm_s, SHORT.pause_s)

    assert {(step.action, step.target.partition("-")[0]) for step in steps} == {
        ("kill", "edge"),
        ("kill", "substation"),
        ("cut", "charger"),
    }
