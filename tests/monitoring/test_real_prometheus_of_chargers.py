"""A real grid with chargers under a real Prometheus: each query has data, and chargers' alerts fire and resolve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from balancer.discovery.scripted_api_server import Listing
from monitoring import queries
from monitoring.conftest import Services
from monitoring.watched_grid import SMALL, Grid, has_data, needs_prometheus, traffic, watched
from smartgrid.chargersim.behaviour import Behaviour, behaving
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Handle, Street
from smartgrid.edge.chargers.picture import GONE_S
from support.processes import frozen, wait_until

pytestmark = needs_prometheus
WAITS = {"energy_kwh": 0.2, "max_power_kw": 100, "min_power_kw": 100, "wait": True}


@pytest.fixture(scope="module")
def grid(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    services.api_server.script.lists[:] = [Listing([])]  # what it refuses is an alert of the other file
    with watched(services, tmp_path_factory.mktemp("prometheus")) as grid:
        yield grid


@pytest.fixture(scope="module")
def street(grid: Grid) -> Iterator[Street]:
    """Where simulated chargers are added that connect to the grid's edge."""
    with Street(f"ws://127.0.0.1:{grid.edge.settings['ocpp_port']}/ocpp", pause_s=0.1, longest_pause_s=1) as made:
        yield made


def add(street: Street, name: str, *faults: str, substation: str = "substation-0") -> Handle:
    base = Behaviour(sample_interval_s=1, tick_s=0.2)
    return street.add(substation, name, Dialect16(), behaving(faults, base), keeps_commands=False)


def test_every_query_of_panels_and_rules_returns_data(grid: Grid, street: Street) -> None:
    wanted = [*queries.panel_queries(), *queries.rule_queries()]
    assert len(wanted) > 60
    for number in (1, 2):
        add(street, f"first-{number}").plug(tag="a-tag")

    with traffic(lambda: grid.charge(SMALL)), traffic(lambda: grid.ask(WAITS), threads=3):
        missing = wanted
        while_missing = {"left": wanted}

        def all_have_data() -> bool:
            nonlocal missing
            missing = while_missing["left"] = [query for query in while_missing["left"] if not has_data(grid, query)]
            return not missing

        with contextlib.suppress(AssertionError):
            wait_until(all_have_data, 40)
    grid.stop_all()
    assert [f"{query.where}: {query.expression}" for query in missing] == []


def test_alerts_of_chargers_fire_and_resolve(grid: Grid, street: Street) -> None:
    """One does not do as it is told, one lives in the past, one is at no substation, and half of six go."""
    substation = grid.substations[0]
    disobeys, _ = add(street, "disobeys", "ignores-profiles"), add(street, "late", "clock-behind")
    lost = add(street, "lost", substation="nowhere")
    several = [add(street, f"several-{number}") for number in range(6)]
    wait_until(lambda: all(each.is_connected for each in (disobeys, *several)), 20, "all are connected")
    disobeys.plug(tag="a-tag")
    wait_until(lambda: disobeys.power_kw > 5, 20, "it draws")
    substation.call("PUT", "/capacity", json={"capacity_kw": 5})
    for each in several[:4]:
        each.cut()
    grid.prometheus.wait_firing(
        "SmartGridChargersNotObeying",
        "SmartGridSubstationOverbooked",
        "SmartGridChargersOffline",
        "SmartGridChargersRefused",
        "SmartGridChargerClockWrong",
        within_s=90,
    )
    substation.call("PUT", "/capacity", json={"capacity_kw": 100})
    lost.cut()
    for each in several[:4]:
        each.connect()
    disobeys.unplug()
    grid.prometheus.wait_quiet("SmartGridSubstationOverbooked", "SmartGridChargersOffline", "SmartGridChargersRefused")
    street.handles["late"].cut()
    disobeys.cut()
    grid.prometheus.wait_quiet("SmartGridChargerClockWrong")  # who does not obey is counted for longer: see the end


def test_alerts_of_an_edge_fire_for_a_substation_that_hangs_and_resolve_when_it_goes_on(
    grid: Grid, street: Street
) -> None:
    expected = ("SmartGridEdgeCannotReachSubstations", "SmartGridEdgeInboxOld")
    charges = add(street, "charges")
    charges.plug(tag="a-tag")
    wait_until(lambda: charges.power_kw > 0, 20, "it charges")
    with frozen(grid.substations[0]):
        charges.unplug()
        grid.prometheus.wait_firing(*expected)
    grid.prometheus.wait_quiet(*expected)


@pytest.mark.timeout(300)
def test_in_the_end_every_alert_has_resolved(grid: Grid) -> None:
    grid.prometheus.wait_quiet(*grid.all_alerts(), within_s=GONE_S + 60)
