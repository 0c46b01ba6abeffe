"""`POLICIES` is the one list of policies: what stands there can be chosen everywhere."""

from __future__ import annotations

from random import Random
from typing import cast

import pytest
from click.testing import CliRunner

from smartgrid.balancer.settings import BalancerSettings
from smartgrid.domain.routing import POLICIES, make_policy
from smartgrid.domain.routing.policies.best_fit import BestFit
from smartgrid.runtime.settings import SettingsError, load
from smartgrid.simulation.main import command as simulate

SIMULATE = ["--policies", "mine", "--substations", "1", "--duration", "200", "--no-optimum", "--workers", "1"]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, object]", POLICIES), "mine", lambda _rng: BestFit())


@pytest.mark.usefixtures("added")
def test_a_policy_that_was_added_is_made_for_a_fleet() -> None:
    assert isinstance(make_policy("mine", Random(1)), BestFit)


@pytest.mark.usefixtures("added")
def test_a_balancer_can_be_set_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_POLICY", "mine")
    assert load(BalancerSettings).policy == "mine"


@pytest.mark.usefixtures("added")
def test_it_can_be_simulated() -> None:
    result = CliRunner().invoke(simulate, SIMULATE)
    assert result.exit_code == 0, result.output
    assert "mine" in result.output


def test_one_that_is_not_there_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_POLICY", "mine")
    with pytest.raises(SettingsError, match="SMARTGRID_POLICY='mine': Input should be one of least-loaded, "):
        load(BalancerSettings)
