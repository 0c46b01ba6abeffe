"""A member that answers what cannot be: it spoils its own answers, and no one else's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid, seen
from smartgrid.protocol.keys import KeyEntry, KeyPage, digest, to_wire
from support.grid import metric
from support.processes import wait_until
from support.scripted_substation import Request, Response, Script, ScriptedSubstation, answers, problem

pytestmark = pytest.mark.timeout(300)

BAD_PAGES = [
    b'{"sessions":[{}],"next_cursor":null}',
    b'{"sessions":7,"next_cursor":null}',
    b"[1]",
    b"{",
    b"",
    b"\xff\xfe",
]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    with scripted_grid(tmp_path, ["good", "strange"], registered=True) as grid:
        yield grid


def with_header(header: str) -> Script:
    """Answers as it should, but with this status."""

    async def script(stub: ScriptedSubstation, request: Request) -> Response:
        response = await stub.do(request)
        response.headers["Smartgrid-Status"] = header
        return response

    return script


def absurd(stub: ScriptedSubstation, **changes: object) -> str:
    found = {
        "name": stub.name, "state": "Available", "capacity_kw": 100, "load_kw": 0, "committed_kw": 0, "demand_kw": 0,
        "active_sessions": 0, "revision": 10**15, "epoch": stub.epoch, "next_release_s": None, "largest_free_kw": 100,
    }  # fmt: skip
    return json.dumps({**found, **changes})


# ---------------------------------------------------------------------- sessions and lists


@pytest.mark.parametrize("body", BAD_PAGES)
def test_a_page_that_is_none_makes_its_member_unreachable_and_the_list_stands(grid: ScriptedGrid, body: bytes) -> None:
    grid.prefer("good")
    placed = charge(grid.balancer, "key").json()
    grid["strange"].scripts["GET /charge"] = answers(Response(200, raw=body))

    page = grid.balancer.call("GET", "/charge")

    assert page.status == 200
    assert [each["session_id"] for each in page.json()["sessions"]] == [placed["session_id"]]
    assert page.headers["Smartgrid-Unreachable"] == "strange"


@pytest.mark.parametrize("body", [*BAD_PAGES, b'{"session_id": "x", "substation": "strange"}'])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_session_that_is_none_is_a_member_that_does_not_answer(grid: ScriptedGrid, method: str, body: bytes) -> None:
    grid["strange"].scripts[f"{method} /charge"] = answers(Response(200, raw=body))

    assert code(grid.balancer.call(method, "/charge/strange.x")) == (503, "substation-unavailable")


@pytest.mark.parametrize("body", [*BAD_PAGES, b'{"session_id": "x\\r\\nX: y", "substation": "strange"}'])
def test_a_201_without_a_session_sends_the_car_on(grid: ScriptedGrid, body: bytes) -> None:
    grid.prefer("strange")
    grid["strange"].scripts["POST"] = answers(Response(201, raw=body))

    reply = charge(grid.balancer, "key")

    assert (reply.status, reply.json()["substation"]) == (201, "good")


def test_and_is_an_unknown_outcome_where_no_one_else_takes_it(grid: ScriptedGrid) -> None:
    grid["strange"].scripts["POST"] = answers(Response(201, raw=b"{}"))
    grid["good"].scripts["POST"] = answers(problem(503, "no-capacity"))

    assert code(charge(grid.balancer, "key")) == (504, "outcome-unknown")


def test_the_console_shows_a_member_that_does_not_answer(grid: ScriptedGrid) -> None:
    grid["strange"].scripts["GET /charge"] = answers(Response(200, raw=b"[1]"))

    assert code(grid.balancer.call("GET", "/console/sessions/strange")) == (503, "substation-unavailable")


def test_a_cursor_that_a_member_refuses_is_the_clients_fault(grid: ScriptedGrid) -> None:
    grid["strange"].scripts["GET /charge"] = answers(problem(422, "invalid-request"))

    assert code(grid.balancer.call("GET", "/charge")) == (422, "invalid-request")


# ---------------------------------------------------------------------- statuses and keys


@pytest.mark.parametrize("changes", [{"capacity_kw": 1e303}, {"committed_kw": -1e9}, {"active_sessions": 10**30}])
def test_a_car_that_was_admitted_is_admitted_whatever_its_answers_status_says(
    grid: ScriptedGrid, changes: dict[str, object]
) -> None:
    grid.prefer("strange")
    grid["strange"].scripts["POST"] = with_header(absurd(grid["strange"], **changes))

    reply = charge(grid.balancer, "key", {"Smartgrid-Status": "wanted"})

    assert (reply.status, reply.json()["substation"]) == (201, "strange")
    assert json.loads(reply.headers["Smartgrid-Status"])["capacity_kw"] == 200
    assert grid.balancer.call("GET", "/status").json()["capacity_kw"] == 200


def test_a_poll_that_tells_an_absurd_status_takes_its_member_out_and_is_said_once(grid: ScriptedGrid) -> None:
    grid["strange"].scripts["GET /status"] = with_header(absurd(grid["strange"], capacity_kw=1e306))
    grid["strange"].set_load(1.0)

    wait_until(lambda: not seen(grid.balancer, "strange")["in_rotation"], 60, "it is out of rotation")
    polls = len(grid["strange"].asked("GET /status"))
    wait_until(lambda: len(grid["strange"].asked("GET /status")) > polls + 2, 60, "it is still asked")

    assert grid.balancer.log().count("absurd answer to a poll") == 1
    assert [charge(grid.balancer, f"k{i}").json()["substation"] for i in range(3)] == ["good"] * 3
    grid["strange"].scripts.clear()
    wait_until(lambda: seen(grid.balancer, "strange")["in_rotation"], 60, "it is back")


def keys_of(page: object) -> Script:
    async def script(stub: ScriptedSubstation, request: Request) -> Response:
        response = await stub.do(request)
        response.body["keys"] = page
        return response

    return script


FUTURE = (time.time_ns() // 1000 + 3600 * 10**6,)


@pytest.mark.parametrize(
    "page",
    [
        to_wire(KeyPage([KeyEntry(digest("key"), FUTURE, "x")], 1, False, True)),
        {"entries": [["short", "1", "x", 0]], "position": 1, "more": False, "reset": True},
        {"entries": [], "position": -1, "more": False, "reset": True},
        {"entries": [[digest("key"), "1", "x", 0]] * 2001, "position": 1, "more": False, "reset": True},
        None,
        [],
    ],
    ids=["number from the future", "no digest", "position", "too many", "null", "list"],
)
def test_a_page_of_keys_that_cannot_be_takes_no_key_from_anyone(grid: ScriptedGrid, page: object) -> None:
    grid.prefer("good")
    placed = charge(grid.balancer, "key").json()
    assert placed["substation"] == "good"
    grid["strange"].scripts["GET /status"] = keys_of(page)
    grid["strange"].restart()
    wait_until(lambda: not seen(grid.balancer, "strange")["in_rotation"], 60, "it is out of rotation")

    again = charge(grid.balancer, "key")

    assert again.json()["session_id"] == placed["session_id"]
    assert len(grid["good"].charging()) == 1
    assert metric(grid.balancer, "keys_contested") == 0


async def endless(stub: ScriptedSubstation, request: Request) -> Response:
    response = await stub.do(request)
    response.raw = b" " * (2 * 1024 * 1024) + json.dumps(response.body).encode()
    return response


def test_an_endless_answer_to_a_poll_is_not_read_to_its_end(grid: ScriptedGrid) -> None:
    grid["strange"].scripts["GET /status"] = endless
    grid["strange"].set_load(1.0)

    wait_until(lambda: not seen(grid.balancer, "strange")["in_rotation"], 60, "it is out of rotation")
    assert "absurd answer to a poll" in grid.balancer.log()


def test_a_member_whose_revisions_begin_anew_is_believed_at_once(grid: ScriptedGrid) -> None:
    """As of a region with two balancers behind one name, or after its file was lost with a clock that was ahead."""
    for i in range(5):
        charge(grid.balancer, f"k{i}")
    before = seen(grid.balancer, "strange")["revision"]

    grid["strange"].restart()
    grid["strange"].set_load(33.0)

    wait_until(lambda: seen(grid.balancer, "strange")["load_kw"] >= 33.0, 60, "its status is seen")
    assert seen(grid.balancer, "strange")["revision"] < before


# ---------------------------------------------------------------------- substations that are away


def test_a_list_names_the_substations_that_are_away_with_sessions(grid: ScriptedGrid) -> None:
    grid.prefer("strange")
    charge(grid.balancer, "key")
    grid.remove(grid["strange"])

    page = grid.balancer.call("GET", "/charge")

    assert (page.status, page.json()["sessions"]) == (200, [])
    assert page.headers["Smartgrid-Unreachable"] == "strange"
    grid.remove(grid["good"])  # which has none
    assert grid.balancer.call("GET", "/charge").headers["Smartgrid-Unreachable"] == "strange"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_session_at_one_that_is_away_is_unavailable_and_not_unknown(grid: ScriptedGrid, method: str) -> None:
    grid.remove(grid["strange"])

    assert code(grid.balancer.call(method, "/charge/strange.x")) == (503, "substation-unavailable")
    assert code(grid.balancer.call(method, "/charge/stranger.x")) == (404, "not-found")


def test_after_its_time_one_that_is_away_is_forgotten(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, ["good", "strange"], registered=True, away_life_h=0.0005) as grid:
        grid.prefer("strange")
        placed = charge(grid.balancer, "key").json()
        grid.remove(grid["strange"])
        assert code(charge(grid.balancer, "key")) == (503, "substation-unavailable")

        wait_until(lambda: metric(grid.balancer, "fleet_away") == 0, 60, "it is forgotten")

        assert code(grid.balancer.call("GET", f"/charge/{placed['session_id']}")) == (404, "not-found")
        assert charge(grid.balancer, "key").json()["substation"] == "good"
        assert metric(grid.balancer, "keys_known") == 1
