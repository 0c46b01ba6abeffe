"""Through gateway, balancer and substation: a session is its owner's, and so is a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from smartgrid.auth.principal import owner_of
from smartgrid.auth.scopes import GRID_OPERATE, GRID_READ
from support.grid import (
    PATIENT_BALANCER,
    PATIENT_GATEWAY,
    Grid,
    charge,
    charge_known_to,
    sessions,
    together,
    wait_whole,
)
from support.http import Reply
from support.identity import Identities

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

Who = Mapping[str, str]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[Grid]:
    """Three substations with room for all, two balancers and a gateway before each; everyone is asked for a token."""
    with Grid(
        tmp_path_factory.mktemp("owners"),
        [1000] * 3,
        balancers=2,
        gateways=2,
        gateway_settings=PATIENT_GATEWAY,
        identities=identities,
        **PATIENT_BALANCER,
    ) as grid:
        yield grid


@pytest.fixture
def drivers(identities: Identities, request: pytest.FixtureRequest) -> list[Who]:
    """Three who have not been here before."""
    return [identities.bearer(f"{request.node.name}-{i}") for i in range(3)]


@pytest.fixture(scope="module")
def operator(identities: Identities) -> Who:
    return identities.bearer("operator", [GRID_READ, GRID_OPERATE])


def placed(grid: Grid, who: Who, key: str | None = None) -> str:
    reply = charge(grid.gateway, key=key, who=who)
    assert (reply.status, "Smartgrid-Replayed" in reply.headers) == (201, False), reply.body
    return str(reply.json()["session_id"])


def asked(grid: Grid, method: str, session_id: str, who: Who) -> list[Reply]:
    """The answers of a gateway, of both balancers and of the substation."""
    name, _, inner = session_id.partition(".")
    substation = grid.substations[grid.names.index(name)]
    places = [(grid.gateway, f"/sessions/{session_id}"), *((each, f"/charge/{session_id}") for each in grid.balancers)]
    return [target.call(method, path, headers=who) for target, path in [*places, (substation, f"/charge/{inner}")]]


def told(replies: list[Reply], name: str) -> set[Any]:
    assert {reply.status for reply in replies} == {200}
    return {reply.json()[name] for reply in replies}


def test_no_one_else_sees_or_stops_it(grid: Grid, drivers: list[Who], operator: Who) -> None:
    ann, bob, _ = drivers
    session_id = placed(grid, ann)
    name, _, inner = session_id.partition(".")
    unknown = f"{name}.{'x' * len(inner)}"

    for method in ("GET", "DELETE"):
        for foreign, absent in zip(*(asked(grid, method, each, bob) for each in (session_id, unknown)), strict=True):
            assert (foreign.status, foreign.body.replace(inner.encode(), b"x" * len(inner))) == (404, absent.body)
    assert told(asked(grid, "GET", session_id, ann), "state") == {"Charging"}
    assert told(asked(grid, "GET", session_id, operator), "state") == {"Charging"}
    assert told(asked(grid, "DELETE", session_id, ann), "end_reason") == {"Stopped"}


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_lists_have_ones_own(grid: Grid, drivers: list[Who], operator: Who, limit: int) -> None:
    ann, bob, newcomer = drivers
    anns, bobs = ([placed(grid, who) for _ in range(count)] for who, count in ((ann, 5), (bob, 3)))

    for target in (grid.gateway, *grid.balancers):
        for who, own in ((ann, anns), (bob, bobs), (newcomer, [])):
            assert sorted(each["session_id"] for each in sessions(target, limit, who)) == sorted(own)
        assert {*anns, *bobs} <= {each["session_id"] for each in sessions(target, 100, operator)}


def test_owners_with_one_key_get_a_session_each_at_once_and_by_any_way(grid: Grid, drivers: list[Who]) -> None:
    replies = together(30, lambda i: charge(grid.gateway, f"EV-{i % 3}", key="one key", who=drivers[i % 3]))
    ids = [{reply.json()["session_id"] for reply in replies[i::3]} for i in range(3)]

    assert {reply.status for reply in replies} == {201}
    assert [len(each) for each in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3
    for i, who in enumerate(drivers):
        for target in (grid.gateway, grid.balancer):
            again = charge(target, f"EV-{i}", key="one key", who=who)
            assert ({again.json()["session_id"]}, again.headers["Smartgrid-Replayed"]) == (ids[i], "true")
        assert charge(grid.gateway, "EV-other", key="one key", who=who).json()["code"] == "idempotency-key-reused"


def test_a_repeat_through_another_balancer_finds_the_owners_own(grid: Grid, drivers: list[Who]) -> None:
    first, second = grid.balancers
    ids = [charge_known_to(second, first, "EV-1", "moved on", who).json()["session_id"] for who in drivers]

    again = [charge(grid.gateways[1], "EV-1", key="moved on", who=who) for who in drivers]

    assert [(reply.status, reply.json()["session_id"]) for reply in again] == [(201, each) for each in ids]


def test_after_all_services_were_killed_everything_is_whose_it_was(
    grid: Grid, drivers: list[Who], operator: Who
) -> None:
    ann, bob, _ = drivers
    anns, bobs = placed(grid, ann, "kept"), placed(grid, bob, "kept")
    for process in grid.processes:
        process.kill()
    grid.start()
    for balancer in grid.balancers:
        wait_whole(balancer, operator)

    for who, own, foreign in ((ann, anns, bobs), (bob, bobs, anns)):
        assert [each["session_id"] for each in sessions(grid.gateway, who=who)] == [own]
        assert charge(grid.gateway, key="kept", who=who).json()["session_id"] == own
        assert {reply.status for reply in asked(grid, "DELETE", foreign, who)} == {404}


def test_an_owner_is_in_no_answer_log_or_metric(grid: Grid, identities: Identities) -> None:
    owner = owner_of("urn:smartgrid:local", "silent")
    who = identities.bearer("silent")
    session_id = placed(grid, who)
    replies = [*asked(grid, "GET", session_id, who), *asked(grid, "DELETE", session_id, who)]
    replies += [each.call("GET", "/metrics") for each in grid.processes]

    assert all(owner.encode() not in each.body for each in replies)
    told = [line for each in grid.processes for line in each.log().splitlines() if owner in line]
    assert [line for line in told if '"stream":"audit"' not in line] == []
