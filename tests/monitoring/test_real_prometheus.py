"""A real grid under a real Prometheus: every query has data, and every alert fires and resolves."""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from balancer.discovery.scripted_api_server import Listing
from monitoring import queries
from monitoring.conftest import VOLUME_BYTES, Services
from monitoring.local_prometheus import LocalPrometheus
from smartgrid.auth.scopes import GRID_OPERATE
from smartgrid.chargersim.behaviour import Behaviour, behaving
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Handle, Street
from smartgrid.protocol.headers import KEY, NUMBER
from support.grid import metric
from support.http import Reply
from support.processes import Process, frozen, wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed; on Debian: apt-get install prometheus"
)
RIGID_10_KW = {"energy_kwh": 500, "max_power_kw": 10, "min_power_kw": 10}
SMALL = {"energy_kwh": 0.2, "max_power_kw": 22}
WAITS = {"energy_kwh": 0.2, "max_power_kw": 100, "min_power_kw": 100, "wait": True}


@dataclass
class Grid(Services):
    """The processes, and a Prometheus that sees them."""

    prometheus: LocalPrometheus

    def charge(self, car: dict[str, float]) -> int:
        return self.ask(car).status

    def ask(self, car: Mapping[str, object]) -> Reply:
        return self.gateway.call("POST", "/charge", json={"vehicle_id": "EV-1", **car})

    def stop_all(self) -> None:
        for session in self.gateway.call("GET", "/sessions?limit=1000").json()["sessions"]:
            self.gateway.call("DELETE", f"/sessions/{session['session_id']}")


@pytest.fixture(scope="module")
def grid(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with LocalPrometheus(tmp_path_factory.mktemp("prometheus"), services.named()) as prometheus:
        yield Grid(**vars(services), prometheus=prometheus)


@pytest.fixture(scope="module")
def street(grid: Grid) -> Iterator[Street]:
    """Where simulated chargers are added that connect to the grid's edge."""
    with Street(f"ws://127.0.0.1:{grid.edge.settings['ocpp_port']}/ocpp", pause_s=0.1, longest_pause_s=1) as made:
        yield made


def add(street: Street, name: str, *faults: str, substation: str = "substation-0") -> Handle:
    base = Behaviour(sample_interval_s=1, tick_s=0.2)
    return street.add(substation, name, Dialect16(), behaving(faults, base), keeps_commands=False)


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


def test_the_volume_alert_fires_when_it_fills_and_resolves_when_there_is_room_again(grid: Grid) -> None:
    if grid.volume is None:
        pytest.skip("only root may mount a small volume that can be filled")
    filler = grid.volume / "filler"
    filler.write_bytes(bytes(int(0.88 * VOLUME_BYTES) - used_bytes(grid.volume)))
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


# From here on there are chargers at substation-0: who asks for power there without one would need a connector.


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
    grid.prometheus.wait_quiet("SmartGridChargersNotObeying", "SmartGridChargerClockWrong")


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


@pytest.mark.needs_root
def test_in_the_end_every_alert_has_resolved(grid: Grid) -> None:
    grid.prometheus.wait_quiet(*(rule["alert"] for rule in queries.alerts()))


def test_no_alert_was_left_out() -> None:
    text = Path(__file__).read_text()

    assert [rule["alert"] for rule in queries.alerts() if f'"{rule["alert"]}"' not in text] == []


# ---------------------------------------------------------------------- helpers


def start(substation: Process, key: str, number: int) -> None:
    """A session of this key, as if a balancer had sent the car there."""
    headers = {KEY: key, NUMBER: str(number)}
    reply = substation.call("POST", "/charge", json={"vehicle_id": "EV-1", **RIGID_10_KW}, headers=headers)
    assert reply.status == 201


def has_data(grid: Grid, query: queries.Query) -> bool:
    return any(not math.isnan(float(sample["value"][1])) for sample in grid.prometheus.query(query.expression))


@contextlib.contextmanager
def traffic(send: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Repeat `send` without a pause worth the name until the block ends."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.05):
            with contextlib.suppress(OSError):
                send()

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(work)
        try:
            yield
        finally:
            done.set()


def used_bytes(folder: Path) -> int:
    disk = shutil.disk_usage(folder)
    return disk.total - disk.free
