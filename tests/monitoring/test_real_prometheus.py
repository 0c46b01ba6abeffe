"""A real grid under a real Prometheus: each alert fires and resolves; those of chargers in the file beside this."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.discovery.scripted_api_server import Listing
from monitoring import queries
from monitoring.conftest import VOLUME_BYTES, Services
from monitoring.watched_grid import SMALL, Grid, has_data, needs_prometheus, traffic, watched
from smartgrid.auth.scopes import GRID_OPERATE
from smartgrid.protocol.headers import KEY, NUMBER
from support.grid import metric
from support.processes import Process, frozen, wait_until

pytestmark = needs_prometheus
RIGID_10_KW = {"energy_kwh": 500, "max_power_kw": 10, "min_power_kw": 10}


@pytest.fixture(scope="module")
def grid(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with watched(services, tmp_path_factory.mktemp("prometheus")) as grid:
        yield grid


def test_a_query_for_a_metric_that_no_one_has_is_noticed(grid: Grid) -> None:
    renamed = queries.Query("a panel", 'sum(rate(routing_choices_total{job="balancer"}[8s]))')

    assert not has_data(grid, renamed)


def test_power_alerts_fire_when_the_grid_is_full_and_resolve_when_the_cars_have_left(grid: Grid) -> None:
    expected = ("SmartGridSubstationLoadHigh", "SmartGridCapacityNearlyCommitted")
    wait_until(lambda: grid.charge(RIGID_10_KW) == 503, what="the grid is full")

    with traffic(lambda: grid.charge(RIGID_10_KW)):
        grid.prometheus.wait_firing(*expected, "SmartGridCarsRejected")

    grid.stop_all()
    grid.prometheus.wait_quiet(*expected)


def test_the_alert_for_long_waits_fires_when_a_car_starts_that_has_waited_for_long(grid: Grid) -> None:
    """At a time scale of 100, half an hour is 18 s."""
    full: list[str] = []
    while (reply := grid.ask(RIGID_10_KW)).status == 201:
        full.append(reply.json()["session_id"])
    joined_s = time.monotonic()
    for _ in range(4):
        assert grid.ask({**RIGID_10_KW, "wait": True}).status == 202
    wait_until(lambda: time.monotonic() > joined_s + 20, what="they have waited for long")
    for session_id in full:
        grid.gateway.call("DELETE", f"/sessions/{session_id}")

    grid.prometheus.wait_firing("SmartGridWaitsLong")
    grid.stop_all()
    grid.prometheus.wait_quiet("SmartGridWaitsLong")


@pytest.mark.needs_root
def test_the_volume_alert_fires_when_it_fills_and_resolves_when_there_is_room_again(grid: Grid) -> None:
    if grid.volume is None:
        pytest.skip("only root may mount a small volume that can be filled")
    filler = grid.volume / "filler"
    filler.write_bytes(bytes(int(0.88 * VOLUME_BYTES) - shutil.disk_usage(grid.volume).used))
    grid.prometheus.wait_firing("SmartGridVolumeFilling")

    filler.unlink()
    grid.prometheus.wait_quiet("SmartGridVolumeFilling")


def test_fleet_alerts_fire_for_a_substation_that_hangs_and_resolve_when_it_goes_on(grid: Grid) -> None:
    stays, hangs = grid.substations
    expected = (
        "SmartGridInstanceDown",
        "SmartGridSubstationOutOfRotation",
        "SmartGridFleetViewStale",
        "SmartGridKeysContested",
        "SmartGridDiscoveryStale",  # of the second balancer, whose API server has refused it so far
    )
    known = metric(grid.balancer, "keys_known")
    start(hangs, "a-key", 1)
    wait_until(lambda: metric(grid.balancer, "keys_known") > known, what="the balancer knows where the key is")
    with frozen(hangs):
        start(stays, "a-key", 2)  # the later one; the earlier would be ended if its substation answered
        for _ in range(6):
            grid.charge(SMALL)
        grid.prometheus.wait_firing(*expected)

    grid.api_server.script.lists[:] = [Listing([])]
    grid.prometheus.wait_quiet(*expected)


def test_gateway_alerts_fire_for_a_balancer_that_hangs_and_for_the_requests_that_it_keeps_waiting(grid: Grid) -> None:
    expected = (
        "SmartGridBalancerUnreachable",
        "SmartGridErrorRateHigh",
        "SmartGridResponseSlow",
        "SmartGridGatewayBreakerOpen",
        "SmartGridRequestsRefused",  # it answers one at a time, as it has two threads
    )
    with frozen(grid.balancer), traffic(lambda: grid.charge(SMALL), threads=6):
        grid.prometheus.wait_firing(*expected)


def test_an_issuer_whose_keys_are_gone_and_an_audit_that_is_lost_are_told(grid: Grid) -> None:
    expected = ("SmartGridIssuerKeysNotRead", "SmartGridAuditLinesLost")
    keys = grid.identities.issuer.folder / "jwks.json"
    operator = grid.identities.bearer("operator", [GRID_OPERATE])
    kept = keys.read_bytes()
    keys.unlink()
    body = {"url": "http://127.0.0.1:1"}
    with traffic(lambda: grid.lonely.call("POST", "/substations", json=body, headers=operator)):
        grid.prometheus.wait_firing(*expected)
    keys.write_bytes(kept)
    grid.prometheus.wait_quiet(*expected)


def test_a_service_of_which_no_process_is_left_is_unavailable_until_one_is_back(grid: Grid) -> None:
    grid.gateway.kill()
    grid.prometheus.wait_firing("SmartGridServiceUnavailable", "SmartGridInstanceDown")

    grid.gateway.restart()
    grid.prometheus.wait_quiet("SmartGridServiceUnavailable", "SmartGridInstanceDown")


def test_in_the_end_every_alert_has_resolved(grid: Grid) -> None:
    grid.prometheus.wait_quiet(*grid.all_alerts())


def test_no_alert_was_left_out() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_real_prometheus*.py"))

    assert [rule["alert"] for rule in queries.alerts() if f'"{rule["alert"]}"' not in text] == []


# ---------------------------------------------------------------------- helpers


def start(substation: Process, key: str, number: int) -> None:
    """A session of this key, as if a balancer had sent the car there."""
    headers = {KEY: key, NUMBER: str(number)}
    reply = substation.call("POST", "/charge", json={"vehicle_id": "EV-1", **RIGID_10_KW}, headers=headers)
    assert reply.status == 201
