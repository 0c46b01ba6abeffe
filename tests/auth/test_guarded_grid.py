"""A grid of real processes in which everyone is asked for a token: who may do what, at each of its services."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from smartgrid.auth.principal import owner_of
from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ, GRID_SERVICE
from support.grid import Grid, car
from support.http import Reply
from support.identity import Identities
from support.processes import Process, wait_until

OPEN = {"/health", "/ready", "/metrics", "/openapi.json", "/docs"}
OPEN_AT_BALANCERS = {"/autoscaling"}  # where the metrics are, as they are
SETTLE_S = 60.0
NUMBER = "4102444800000000.0"  # of the year 2100: of no gateway


@pytest.fixture(params=["gateway", "balancer", "substation", "edge"])
def service(request: pytest.FixtureRequest, guarded_grid: Grid) -> Process:
    of = {
        "gateway": guarded_grid.gateway,
        "balancer": guarded_grid.balancer,
        "substation": guarded_grid.substations[0],
        "edge": guarded_grid.edge,
    }
    return of[request.param]


def operations(service: Process) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation that the service documents."""
    for path, methods in service.call("GET", "/openapi.json").json()["paths"].items():
        for method, spec in methods.items():
            yield method.upper(), path.replace("{session_id}", "substation-0.x").replace("{url}", "x"), spec


def is_open(service: Process) -> set[str]:
    return OPEN | (OPEN_AT_BALANCERS if service.service == "balancer" else set())


def start(target: Process, headers: dict[str, str], vehicle_id: str = "EV-1", **more: str) -> Reply:
    body = car(vehicle_id, max_power_kw=2, min_power_kw=2)
    return target.call("POST", "/charge", json=body, headers={**headers, **more})


def test_without_a_token_every_operation_is_refused_but_those_that_tell_nobody_anything(service: Process) -> None:
    asked = {
        path: service.call(method, path) for method, path, _ in operations(service) if path not in is_open(service)
    }
    assert len(asked) >= 3
    assert {path: reply.status for path, reply in asked.items()} == dict.fromkeys(asked, 401)
    for reply in asked.values():
        assert reply.json()["code"] == "unauthenticated"
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="smartgrid"'
    assert [path for path in is_open(service) if service.call("GET", path).status != 200] == []


def test_without_the_scope_every_operation_is_forbidden_and_the_scope_is_named(
    service: Process, identities: Identities
) -> None:
    nothing = identities.bearer("nobody", [])
    for method, path, spec in operations(service):
        if path in is_open(service):
            continue
        reply = service.call(method, path, headers=nothing)
        named = [scope for way in spec["security"] for scope in way.get("token", [])]
        assert (reply.status, reply.json()["code"], reply.json()["needs"]) == (403, "forbidden", named), path
        assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
        assert " or ".join(named) in reply.json()["detail"]


@pytest.mark.parametrize(
    ("header", "part"),
    [("Basic YTpi", "Bearer"), ("Bearer", "Bearer"), ("Bearer rubbish", "JSON Web Token"), ("Bearer a b", "JSON Web")],
)
def test_what_is_no_token_is_refused_with_a_sentence(guarded_grid: Grid, header: str, part: str) -> None:
    reply = guarded_grid.gateway.call("GET", "/sessions", headers={"Authorization": header})
    assert reply.status == 401
    assert part in reply.json()["detail"]


def test_a_token_may_come_in_a_header_of_ours_where_a_proxy_takes_the_other_away(
    guarded_grid: Grid, identities: Identities
) -> None:
    token = identities.bearer("driver-1")["Authorization"].removeprefix("Bearer ")
    assert guarded_grid.gateway.call("GET", "/sessions", headers={"Smartgrid-Token": token}).status == 200
    assert guarded_grid.gateway.call("GET", "/sessions", headers={"Smartgrid-Token": "x"}).status == 401


def test_an_expired_token_is_said_to_be_one(guarded_grid: Grid, identities: Identities) -> None:
    token = identities.issuer.token("driver-1", [CHARGE_READ], -3600)
    reply = guarded_grid.gateway.call("GET", "/sessions", headers={"Authorization": f"Bearer {token}"})
    assert (reply.status, reply.json()["detail"]) == (401, "The token has expired.")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


def test_a_driver_charges_sees_and_stops_and_another_does_not(guarded_grid: Grid, identities: Identities) -> None:
    gateway, one, two = guarded_grid.gateway, identities.bearer("driver-1"), identities.bearer("driver-2")
    started = start(gateway, one)
    assert started.status == 201
    path = f"/sessions/{started.json()['session_id']}"
    assert gateway.call("GET", path, headers=two).status == 404
    assert gateway.call("DELETE", path, headers=two).status == 404
    assert gateway.call("GET", "/sessions", headers=two).json()["sessions"] == []
    assert [each["session_id"] for each in gateway.call("GET", "/sessions", headers=one).json()["sessions"]] == [
        started.json()["session_id"]
    ]
    assert gateway.call("DELETE", path, headers=one).json()["end_reason"] == "Stopped"


def test_who_reads_the_grid_sees_all_and_who_operates_it_stops_any(guarded_grid: Grid, identities: Identities) -> None:
    gateway, reader = guarded_grid.gateway, identities.bearer("reader", [GRID_READ])
    ids = {start(gateway, identities.bearer(f"driver-{n}"), f"EV-{n}").json()["session_id"] for n in range(3)}
    seen = gateway.call("GET", "/sessions?state=Charging", headers=reader).json()
    fleet = gateway.call("GET", "/substations", headers=reader).json()["substations"]
    assert sum(row["active_sessions"] for row in fleet) >= len(ids)
    assert ids <= {each["session_id"] for each in seen["sessions"]}
    operator = identities.bearer("operator", [GRID_OPERATE])
    assert {gateway.call("DELETE", f"/sessions/{each}", headers=operator).status for each in ids} == {200}


def test_two_drivers_with_the_same_key_get_a_session_each(guarded_grid: Grid, identities: Identities) -> None:
    gateway, key = guarded_grid.gateway, {"Idempotency-Key": "trip-1"}
    one, two = identities.bearer("driver-1"), identities.bearer("driver-2")
    first, other = start(gateway, one, **key), start(gateway, two, **key)
    assert (first.status, other.status) == (201, 201)
    assert first.json()["session_id"] != other.json()["session_id"]
    assert start(gateway, one, **key).json()["session_id"] == first.json()["session_id"]


@pytest.mark.parametrize("where", ["gateway", "balancer", "substation"])
def test_what_services_tell_each_other_is_not_believed_of_a_driver(
    guarded_grid: Grid, identities: Identities, where: str
) -> None:
    targets = {
        "gateway": guarded_grid.gateway,
        "balancer": guarded_grid.balancer,
        "substation": guarded_grid.substations[0],
    }
    target, driver = targets[where], identities.bearer("driver-1")
    told = {"Smartgrid-Owner": owner_of("urn:smartgrid:local", "driver-2"), "Smartgrid-Number": NUMBER}
    session = start(target, driver, **told).json()["session_id"]
    seen = guarded_grid.gateway.call("GET", "/sessions", headers=identities.bearer("driver-2")).json()["sessions"]
    assert session not in {each["session_id"] for each in seen}
    listing = "/sessions" if where == "gateway" else "/charge"
    other = target.call("GET", listing, headers={**identities.bearer("driver-3"), **told}).json()["sessions"]
    assert other == []


@pytest.mark.parametrize("path", ["/charge", "/charge/x", "/charge/x/y", "/no-such-path", "/health", "/ready", "/docs"])
@pytest.mark.parametrize("who", ["nobody", "impostor", "driver"])
def test_how_full_the_grid_is_only_those_are_told_who_may_read_it(
    guarded_grid: Grid, identities: Identities, who: str, path: str
) -> None:
    headers = {"nobody": {}, "impostor": {"Authorization": "Bearer x"}, "driver": identities.bearer("driver-1")}[who]
    for target in (guarded_grid.balancer, guarded_grid.substations[0]):
        reply = target.call("GET", path, headers={**headers, "Smartgrid-Status": "wanted"})
        assert "Smartgrid-Status" not in reply.headers


def test_services_are_told_how_full_a_substation_is(guarded_grid: Grid, identities: Identities) -> None:
    service = {**identities.bearer("service", [GRID_SERVICE]), "Smartgrid-Status": "wanted"}
    for target in (guarded_grid.balancer, guarded_grid.substations[0]):
        assert "Smartgrid-Status" in target.call("GET", "/charge/substation-0.x", headers=service).headers


def test_nobody_but_a_service_reads_keys_or_supersedes_sessions(guarded_grid: Grid, identities: Identities) -> None:
    person = identities.bearer("operator", [CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ])
    substation = guarded_grid.substations[0]
    assert substation.call("GET", "/status", headers=person).status == 200
    for method, path in [
        ("GET", "/status?keys=0"),
        ("GET", "/waiting"),
        ("DELETE", f"/charge/substation-0.x?before={NUMBER}&superseded_by=../substation-1.y"),
    ]:
        reply = substation.call(method, path, headers=person)
        assert (reply.status, reply.json()["needs"]) == (403, [GRID_SERVICE])
    assert substation.call("GET", "/status?keys=0", headers=identities.bearer("x", [GRID_SERVICE])).status == 200


def test_a_drivers_digest_and_wish_not_to_wait_are_not_believed(guarded_grid: Grid, identities: Identities) -> None:
    """Else one could take the place of a session whose digest one has seen."""
    substation, digest = guarded_grid.substations[0], {"Smartgrid-Key-Digest": secrets.token_urlsafe(16)}
    first, again = (start(substation, identities.bearer("driver-1"), **digest) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert first.json()["session_id"] != again.json()["session_id"]
    service = identities.bearer("service", [GRID_SERVICE])
    first, again = (start(substation, service, **digest) for _ in range(2))
    assert first.json()["session_id"] == again.json()["session_id"]


def test_a_capacity_is_changed_by_an_operator_only(guarded_grid: Grid, identities: Identities) -> None:
    substation, limit = guarded_grid.substations[1], {"capacity_kw": 100}
    for scopes, status in [([CHARGE_WRITE, GRID_READ], 403), ([GRID_OPERATE], 200)]:
        headers = identities.bearer("somebody", scopes)
        assert substation.call("PUT", "/capacity", json=limit, headers=headers).status == status


def test_who_a_driver_is_appears_in_no_log_and_no_metric(guarded_grid: Grid, identities: Identities) -> None:
    driver = identities.bearer("driver-of-a-kind")
    assert start(guarded_grid.gateway, driver, "EV-of-a-kind").status == 201
    token, owner = driver["Authorization"].split()[1], owner_of("urn:smartgrid:local", "driver-of-a-kind")
    for process in guarded_grid.processes:
        told = process.log() + process.call("GET", "/metrics").body.decode()
        assert [each for each in ("driver-of-a-kind", "EV-of-a-kind", token) if each in told] == []
        assert owner not in process.call("GET", "/metrics").body.decode()


def test_the_fleet_is_in_rotation_as_the_services_know_each_other(guarded_grid: Grid, identities: Identities) -> None:
    reader = identities.bearer("reader", [GRID_READ])

    def whole() -> bool:
        seen = guarded_grid.balancer.call("GET", "/substations", headers=reader).json()["substations"]
        return [each["in_rotation"] for each in seen] == [True, True]

    wait_until(whole, SETTLE_S, "both substations are in rotation")
