"""A short round of torture: `make torture` runs them for as long as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture.history import save
from torture.plan import draw_plan, draw_shape
from torture.retelling import retell
from torture.rounds import Intensity, run_round, statistics
from torture.rules import check

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

SEED = 133
SHORT = Intensity(storm_s=12.0, pause_s=0.35, clients=3)


def test_nothing_told_is_lost_doubled_over_capacity_or_another_cars(tmp_path: Path) -> None:
    outcome = run_round(SEED, tmp_path, SHORT, print)

    save(outcome.evidence, tmp_path)
    found = statistics(outcome)
    assert found["charge 201"] > 50, f"the load must have got through: {found}"
    violations = [retell(outcome.evidence, each) for each in check(outcome.evidence)]
    assert not violations, "\n".join([f"seed {SEED}, history, books and logs in {tmp_path}", *violations[:10]])


def test_the_short_round_kills_freezes_parts_and_removes() -> None:
    plan = draw_plan(SEED, draw_shape(SEED), SHORT.storm_s, SHORT.pause_s)

    killed = {step.target.partition("-")[0] for step in plan if step.action == "kill"}
    assert killed == {"gateway", "balancer", "substation"}
    assert {"start-empty", "terminate", "freeze", "held", "cut-answers", "remove", "limit", "stall"} <= {
        step.action for step in plan
    }
