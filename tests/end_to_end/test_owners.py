"""Through gateway, balancer and substation: a session is its owner's, and so is a key."""

from __future__ import annotations

from typing import Any

import pytest

from support.grid import Grid, charge, charge_known_to, owned, sessions, together
from support.http import Reply

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

ANN, BOB = "A" * 22, "B" * 22


def placed(grid: Grid, owner: str | None, key: str | None = None, vehicle_id: str = "EV-1") -> dict[str, Any]:
    reply = charge(grid.gateway, vehicle_id, key=key, owner=owner)
    assert (reply.status, "Smartgrid-Replayed" in reply.headers) == (201, False), reply.body
    return dict(reply.json())


def asked(grid: Grid, method: str, session_id: str, owner: str | None) -> list[Reply]:
    """The gateway's answer, and the balancers'."""
    paths = [(grid.gateway, f"/sessions/{session_id}"), *((each, f"/charge/{session_id}") for each in grid.balancers)]
    return [target.call(method, path, headers=owned(owner)) for target, path in paths]


def test_no_one_else_sees_or_stops_it(grid: Grid) -> None:
    session_id = placed(grid, ANN)["session_id"]
    substation, _, inner = session_id.partition(".")
    unknown = f"{substation}.{'x' * len(inner)}"

    for method in ("GET", "DELETE"):
        for foreign, absent in zip(
            asked(grid, method, session_id, BOB), asked(grid, method, unknown, BOB), strict=True
        ):
            assert (foreign.status, foreign.body.replace(session_id.encode(), unknown.encode())) == (404, absent.body)
    assert {reply.json()["state"] for reply in asked(grid, "GET", session_id, ANN)} == {"Charging"}
    assert {reply.json()["state"] for reply in asked(grid, "GET", session_id, None)} == {"Charging"}
    assert {reply.json()["end_reason"] for reply in asked(grid, "DELETE", session_id, ANN)} == {"Stopped"}


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_lists_have_ones_own(grid: Grid, limit: int) -> None:
    known = {owner: {each["session_id"] for each in sessions(grid.gateway, owner=owner)} for owner in (ANN, BOB)}
    new = {owner: {placed(grid, owner)["session_id"] for _ in range(count)} for owner, count in ((ANN, 5), (BOB, 3))}

    for target in (grid.gateway, *grid.balancers):
        for owner, own in new.items():
            listed = [each["session_id"] for each in sessions(target, limit, owner)]
            assert (len(listed), set(listed)) == (len(set(listed)), known[owner] | own)


def test_two_owners_with_one_key_get_a_session_each_at_once_and_by_any_way(grid: Grid) -> None:
    owners = (ANN, BOB, None)
    replies = together(30, lambda i: charge(grid.gateway, f"EV-{i % 3}", key="one key", owner=owners[i % 3]))
    ids = {owner: {reply.json()["session_id"] for reply in replies[i::3]} for i, owner in enumerate(owners)}

    assert {reply.status for reply in replies} == {201}
    assert [len(each) for each in ids.values()] == [1, 1, 1]
    assert len(set.union(*ids.values())) == 3
    for i, owner in enumerate(owners):
        for target in (grid.gateway, grid.balancer):
            again = charge(target, f"EV-{i}", key="one key", owner=owner)
            assert ({again.json()["session_id"]}, again.headers["Smartgrid-Replayed"]) == (ids[owner], "true")
        assert charge(grid.gateway, "EV-other", key="one key", owner=owner).json()["code"] == "idempotency-key-reused"


def test_a_repeat_through_another_balancer_finds_the_owners_own(grid: Grid) -> None:
    first, second = grid.balancers
    own = {owner: charge_known_to(second, first, "EV-1", "moved on", owner).json() for owner in (ANN, BOB)}

    for owner, session in own.items():
        again = charge(grid.gateways[1], "EV-1", key="moved on", owner=owner)
        assert (again.status, again.json()["session_id"]) == (201, session["session_id"])


def test_what_cannot_be_an_owner_is_refused(grid: Grid) -> None:
    replies = [charge(target, owner="someone") for target in (grid.gateway, grid.balancer)]
    replies += asked(grid, "GET", "substation-0.x", "someone")
    assert {(reply.status, reply.json()["code"]) for reply in replies} == {(422, "invalid-request")}


def test_an_owner_is_in_no_answer_log_or_metric(grid: Grid) -> None:
    owner = "never-told-to-anyone-0"
    session_id = placed(grid, owner)["session_id"]
    replies = [*asked(grid, "GET", session_id, owner), *asked(grid, "DELETE", session_id, owner)]
    replies += [each.call("GET", "/metrics") for each in grid.processes]

    assert all(owner.encode() not in each.body for each in replies)
    assert [each.service for each in grid.processes if owner in each.log()] == []
