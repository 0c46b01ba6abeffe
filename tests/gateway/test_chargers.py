"""The gateway's routes of chargers where there is no edge, or none that answers; tests/edge has those with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.grid import Grid
from support.http import Reply
from support.processes import Process, wait_until
from support.rough_server import RoughServer, Script

Start = Callable[[str], Process]
ROUTES = [
    ("GET", "/chargers", None),
    ("GET", "/chargers/substation-0/CP1", None),
    ("PUT", "/chargers/substation-0/CP1", {"security_profile": 0}),
    ("DELETE", "/chargers/substation-0/CP1", None),
    ("POST", "/chargers/substation-0/CP1/commands", {"command": "reset"}),
    ("GET", "/chargers/substation-0/CP1/diagnostics", None),
]


def ask(gateway: Process, method: str, path: str, body: object) -> Reply:
    return gateway.call(method, path, **({} if body is None else {"json": body}))


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory, grid: Grid) -> Iterator[Start]:
    """A gateway with an edge at this URL."""
    started: list[Process] = []

    def made(edge_url: str) -> Process:
        folder = tmp_path_factory.mktemp("gateway")
        process = Process("gateway", folder, balancer_url=grid.balancer.url, edge_url=edge_url, edge_timeout_s=5)
        started.append(process.start())
        return process

    yield made
    for process in started:
        process.end()


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_in_a_grid_without_an_edge_there_are_no_chargers(grid: Grid, method: str, path: str, body: object) -> None:
    reply = ask(grid.gateway, method, path, body)

    assert (reply.status, reply.json()["code"]) == (404, "no-edge")
    assert "SMARTGRID_EDGE_URL" in reply.json()["detail"]


def test_an_edge_that_is_not_reached_is_said_to_be_away_and_cars_charge_all_the_same(start: Start) -> None:
    gateway = start("http://127.0.0.1:1")

    for method, path, body in ROUTES:
        reply = ask(gateway, method, path, body)
        assert (reply.status, reply.json()["code"]) == (503, "edge-unavailable"), path
        assert reply.headers["Retry-After"] == "1"
    assert gateway.call("POST", "/charge", json={"vehicle_id": "EV-1", "energy_kwh": 1}).status == 201


def test_nobody_knows_whether_a_charger_did_what_an_edge_was_told_that_then_fell_silent(start: Start) -> None:
    def hang_up(connection) -> None:
        edge.read(connection)

    script: Script = hang_up
    edge = RoughServer([script])
    with edge:
        reply = ask(start(edge.url), *ROUTES[4])

    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")
    assert len(edge.requests) == 1, "it is not sent twice"


def test_what_is_no_edge_is_said_to_be_none(start: Start, grid: Grid) -> None:
    gateway = start(grid.substations[0].url)  # which has no such route, and says so by a problem

    assert ask(gateway, *ROUTES[1]).status == 404


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("commands", {"command": "unlock"}, "unlock needs connector"),
        ("commands", {"command": "explode"}, "command: Input should be 'remote-start'"),
    ],
)
def test_a_bad_command_is_refused_before_it_goes_anywhere(grid: Grid, path: str, body: object, sentence: str) -> None:
    reply = grid.gateway.call("POST", f"/chargers/substation-0/CP1/{path}", json=body)

    assert reply.status == 422
    assert sentence in reply.json()["detail"]


@pytest.mark.parametrize("name", ["CP%2F1", "%2E%2E", "x" * 49, "Substation/CP1"])
def test_what_can_be_no_charger_is_not_found(grid: Grid, name: str) -> None:
    reply = grid.gateway.call("GET", f"/chargers/substation-0/{name}")

    assert (reply.status, reply.json()["code"]) == (404, "not-found")


def test_failures_are_counted_by_their_code(grid: Grid) -> None:
    grid.gateway.call("GET", "/chargers")

    def counted() -> bool:
        return b'failed_requests_total{code="no-edge"}' in grid.gateway.call("GET", "/metrics").body

    wait_until(counted, what="the gateway counts it")
