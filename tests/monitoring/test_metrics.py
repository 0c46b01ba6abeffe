"""What the services expose: the names of the specification, by the conventions, and no series too many."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from monitoring.conftest import Services
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.membership import Membership
from smartgrid.balancer.metrics import BalancerMetrics, FleetCollector, SubstationSeries
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.roster import Roster
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.web import metrics

SPECIFIED = {
    "substation": {
        "current_load": "gauge",
        "total_capacity": "gauge",
        "active_chargers": "gauge",
        "charging_requests": "counter",
        "charging_duration_seconds": "histogram",
    },
    "balancer": {
        "load_balancer_requests": "counter",
        "routing_decisions": "counter",
        "substation_load_percentage": "gauge",
        "polling_duration_seconds": "histogram",
    },
    "gateway": {
        "charge_requests": "counter",
        "requests_duration_seconds": "histogram",
        "active_sessions": "gauge",
        "failed_requests": "counter",
    },
    "edge": {
        "chargers_connected": "gauge",
        "chargers_registered": "gauge",
        "chargers_not_obeying": "gauge",
        "connectors": "gauge",
        "ocpp_messages": "counter",
        "ocpp_errors": "counter",
        "charger_connections": "counter",
        "charger_connections_refused": "counter",
        "charging_profiles": "counter",
        "ocpp_call_seconds": "histogram",
        "edge_inbox_messages": "gauge",
        "edge_inbox_oldest_seconds": "gauge",
        "edge_substations": "gauge",
        "edge_offers_age_seconds": "gauge",
        "edge_deliveries": "counter",
        "edge_polls": "counter",
        "edge_reports": "counter",
        "edge_members": "gauge",
        "charger_connections_passed_on": "counter",
        "chargers_handed_over": "counter",
        "charger_claims_disbelieved": "counter",
        "charger_clock_skew_seconds_max": "gauge",
    },
}
MANY = 1000


@pytest.fixture(scope="module")
def pages(services: Services) -> dict[str, str]:
    """`GET /metrics` of each service, after one car."""
    services.gateway.call("POST", "/charge", json={"vehicle_id": "EV-1", "energy_kwh": 0.1})
    asked = (services.substations[0], services.balancer, services.gateway, services.edge)
    return {each.service: each.call("GET", "/metrics").body.decode() for each in asked}


@pytest.mark.parametrize("service", SPECIFIED)
def test_the_names_of_the_specification_are_kept(pages: dict[str, str], service: str) -> None:
    found = {family.name: family.type for family in text_string_to_metric_families(pages[service])}

    assert SPECIFIED[service].items() <= found.items()


@pytest.mark.parametrize("service", SPECIFIED)
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_names_and_helps_follow_the_conventions(pages: dict[str, str], service: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=pages[service], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("service", SPECIFIED)
def test_no_label_names_a_vehicle_a_session_or_a_charger(pages: dict[str, str], service: str) -> None:
    labels = {
        name
        for family in text_string_to_metric_families(pages[service])
        for sample in family.samples
        for name in sample.labels
    }

    assert labels <= {"result", "reason", "code", "method", "route", "status", "substation", "source", "kind", "le"} | {
        "state", "direction", "action",
        "generation", "implementation", "major", "minor", "patchlevel", "version"
    }  # fmt: skip
    assert "EV-1" not in pages[service]


def test_series_stay_bounded_when_a_thousand_substations_come_and_go() -> None:
    fleet, counted, app = balancer_app()
    before = series(app)

    for number in range(MANY):
        join(fleet, counted, number)
    with_all = series(app)
    for number in range(MANY):
        fleet.leave(f"substation-{number}")
    counted.forget_absent(each.name for each in fleet.substations())

    assert len(with_all) - len(before) == 9 * MANY
    assert series(app) == before


def test_a_decision_about_a_substation_that_has_just_left_makes_no_series() -> None:
    fleet, counted, app = balancer_app()
    join(fleet, counted, 7)
    fleet.leave("substation-7")

    counted.decisions.count("substation-7")

    assert not [line for line in series(app) if "substation-7" in line]


def balancer_app() -> tuple[LiveFleet, BalancerMetrics, Flask]:
    """A balancer as far as /metrics sees it."""
    registry, rng = metrics.registry(), random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng, epoch=1))
    counted = BalancerMetrics(registry)
    roster = Roster(Membership(fleet, lambda: None), [])
    registry.register(FleetCollector(fleet, roster, Directory(), max_view_age_s=69))
    registry.add_text(SubstationSeries(fleet, counted.decisions).render)
    app = Flask("test")
    metrics.install(app, registry)
    return fleet, counted, app


def join(fleet: LiveFleet, counted: BalancerMetrics, number: int) -> None:
    name = f"substation-{number}"
    fleet.join(Member(name, f"http://127.0.0.1:{10_000 + number}"))
    substation = fleet.substation(name)
    assert substation is not None
    fleet.saw_status(substation, Status(100, 61.3, 40, 90, 7, number, None, 60))
    counted.decisions.count(name)


def series(app: Flask) -> set[str]:
    """Names and labels, without values."""
    lines = app.test_client().get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}
