"""What an operator sees of the services: counts, metrics, and one request followed through all logs."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.grid import Grid, charge, metric
from support.processes import Process

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

TRACE_ID = "0123456789abcdef0123456789abcdef"
OF_THE_SPECIFICATION = {
    "substation": {
        "current_load": "gauge",
        "total_capacity": "gauge",
        "active_chargers": "gauge",
        "charging_requests_total": "counter",
        "charging_duration_seconds": "histogram",
    },
    "balancer": {
        "load_balancer_requests_total": "counter",
        "routing_decisions_total": "counter",
        "substation_load_percentage": "gauge",
        "polling_duration_seconds": "histogram",
    },
    "gateway": {
        "charge_requests_total": "counter",
        "requests_duration_seconds": "histogram",
        "active_sessions": "gauge",
        "failed_requests_total": "counter",
    },
}
OURS = {
    "substation": {
        "committed_power_kw",
        "demand_power_kw",
        "curtailed_power_kw",
        "delivered_energy_kwh_total",
        "suspended_sessions",
        "charging_rejections_total",
        "data_volume_free_bytes",
        "data_volume_size_bytes",
    },
    "balancer": {
        "fleet_view_age_seconds",
        "substation_in_rotation",
        "fleet_size",
        "discovery_last_sync_age_seconds",
        "substation_committed_percentage",
        "load_balancer_rejections_total",
        "fleet_away",
        "keys_known",
        "keys_contested",
        "supersedings_total",
        "decision_duration_seconds",
    },
    "gateway": set(),
}


def services(grid: Grid) -> dict[str, Process]:
    return {"substation": grid.substations[0], "balancer": grid.balancer, "gateway": grid.gateway}


def kinds(process: Process) -> dict[str, str]:
    text = process.call("GET", "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {f"{each.name}_total" if each.type == "counter" else each.name: each.type for each in families}


@pytest.mark.parametrize("service", OF_THE_SPECIFICATION)
def test_metrics_have_the_names_that_are_fixed(grid: Grid, service: str) -> None:
    assert charge(grid.gateway).status == 201
    found = kinds(services(grid)[service])
    assert {name: found.get(name) for name in OF_THE_SPECIFICATION[service]} == OF_THE_SPECIFICATION[service]
    assert OURS[service] - found.keys() == set()


def test_no_vehicle_session_or_key_is_in_a_metric(grid: Grid) -> None:
    session = charge(grid.gateway, "EV-secret", key="secret-key").json()
    for process in services(grid).values():
        text = process.call("GET", "/metrics").body.decode()
        for secret in ("EV-secret", "secret-key", session["session_id"].split(".")[1]):
            assert secret not in text


def test_requests_are_counted_by_their_result(grid: Grid) -> None:
    def counts() -> dict[str, int]:
        return {**grid.gateway.call("GET", "/status").json()["charge_requests"]}

    before, failed = counts(), metric(grid.gateway, "failed_requests_total", code="no-capacity")
    for i in range(12):
        assert charge(grid.gateway, f"EV-{i}", key=f"counted-{i}").status == 201
    assert charge(grid.gateway, "EV-0", key="counted-0").status == 201
    assert charge(grid.gateway, "EV-13").status == 503
    assert charge(grid.gateway, "EV-14", energy_kwh=-1).status == 422
    assert charge(grid.gateway, "EV-15", wait=True).status == 202

    grown = {result: count - before[result] for result, count in counts().items()}
    assert grown == {"admitted": 12, "waiting": 1, "replayed": 1, "rejected": 1, "failed": 1}
    assert metric(grid.gateway, "failed_requests_total", code="no-capacity") == failed + 1
    assert metric(grid.gateway, "active_sessions") == 12
    assert metric(grid.gateway, "charge_requests_total", result="admitted") == counts()["admitted"]


def test_status_says_how_long_and_whether_the_balancer_is_there(grid: Grid) -> None:
    status = grid.gateway.call("GET", "/status").json()
    assert status["name"] == "gateway"
    assert status["uptime_s"] > 0
    assert status["balancer_reachable"] is True


def test_made_up_methods_and_paths_make_no_new_series(grid: Grid) -> None:
    for i in range(3):
        grid.gateway.call("GET", f"/made-up-{i}")
        grid.gateway.call("GET", f"/sessions/made-up.{i}")
    text = grid.gateway.call("GET", "/metrics").body.decode()
    assert "made-up" not in text
    assert 'route="/sessions/<session_id>"' in text


@pytest.mark.parametrize(
    "headers",
    [{"traceparent": f"00-{TRACE_ID}-0123456789abcdef-01"}, {"X-Request-ID": TRACE_ID}],
    ids=["traceparent", "X-Request-ID"],
)
def test_one_request_id_in_the_answer_and_in_all_three_logs(grid: Grid, headers: dict[str, str]) -> None:
    body = {"vehicle_id": "EV-traced", "energy_kwh": 5}
    reply = grid.gateway.call("POST", "/charge", json=body, headers=headers)
    assert reply.headers["X-Request-ID"] == TRACE_ID

    substation = next(each for each in grid.substations if each.settings["name"] == reply.json()["substation"])
    for process in (grid.gateway, grid.balancer, substation):
        lines = [json.loads(line) for line in process.log().splitlines() if TRACE_ID in line]
        assert lines, process.service
        assert {line["service"] for line in lines} == {process.service}
        assert all(line["request_id"] == TRACE_ID for line in lines)


def test_every_answer_has_a_request_id(grid: Grid) -> None:
    for path in ("/status", "/health", "/nothing"):
        assert re.fullmatch(r"[0-9a-f]{32}", grid.gateway.call("GET", path).headers["X-Request-ID"])


def test_no_log_shows_a_vehicle_a_session_or_a_key(grid: Grid) -> None:
    session = charge(grid.gateway, "EV-hidden", key="hidden-key").json()
    grid.gateway.call("GET", f"/sessions/{session['session_id']}")
    for process in grid.processes:
        for secret in ("EV-hidden", "hidden-key", session["session_id"].split(".")[1]):
            assert secret not in process.log(), process.service
