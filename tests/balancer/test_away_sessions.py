"""A look at a session whose substation is away is answered with what was last known of it, marked as that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from balancer.scripted_grid import ScriptedGrid, charge, code, scripted_grid
from smartgrid.protocol.headers import OWNER
from support.http import Reply
from support.processes import Process
from support.scripted_substation import answers, problem, silence

pytestmark = pytest.mark.timeout(300)

MINE, YOURS = {OWNER: "m" * 22}, {OWNER: "y" * 22}


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[ScriptedGrid]:
    with scripted_grid(tmp_path, ["one"], registered=True) as grid:
        yield grid


def placed(grid: ScriptedGrid, sent: Mapping[str, str] = {}) -> dict[str, Any]:
    reply = charge(grid.balancer, "key", sent)
    assert reply.status == 201
    return dict(reply.json())


def look(grid: ScriptedGrid, session: dict[str, Any], sent: Mapping[str, str] = {}, method: str = "GET") -> Reply:
    return grid.balancer.call(method, f"/charge/{session['session_id']}", headers=sent)


def test_while_it_answers_a_look_is_fresh(grid: ScriptedGrid) -> None:
    reply = look(grid, placed(grid))
    assert reply.status == 200
    assert "as_of" not in reply.json()
    assert "Age" not in reply.headers


def test_one_that_has_left_is_remembered(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid.remove(grid["one"])

    reply = look(grid, session)

    found = reply.json()
    as_of = datetime.fromisoformat(found.pop("as_of"))
    assert (reply.status, found) == (200, session)
    age_s = int(reply.headers["Age"])
    assert 0 <= age_s <= (datetime.now(UTC) - as_of).total_seconds()


def test_one_that_does_not_answer_is_remembered(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid["one"].scripts["GET /charge/"] = silence
    assert "as_of" in look(grid, session).json()


def test_one_that_says_it_cannot_tell_is_remembered(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid["one"].scripts["GET /charge/"] = answers(problem(503, "substation-unavailable"))
    assert "as_of" in look(grid, session).json()


def test_what_was_seen_last_is_what_is_remembered(grid: ScriptedGrid) -> None:
    session = placed(grid)
    stopped = look(grid, session, method="DELETE").json()
    assert stopped["ended_at"] is not None
    grid.remove(grid["one"])

    found = look(grid, session).json()

    del found["as_of"]
    assert found == stopped


def test_a_stop_is_not_done_by_heart(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid.remove(grid["one"])
    assert code(look(grid, session, method="DELETE")) == (503, "substation-unavailable")


def test_a_list_names_it_as_missing(grid: ScriptedGrid) -> None:
    placed(grid)
    grid.remove(grid["one"])
    reply = grid.balancer.call("GET", "/charge")
    assert (reply.json()["sessions"], reply.headers["Smartgrid-Unreachable"]) == ([], "one")


def test_nothing_is_told_of_another_owners_session(grid: ScriptedGrid) -> None:
    session = placed(grid, MINE)
    grid.remove(grid["one"])
    assert look(grid, session, MINE).status == 200
    assert look(grid, session).status == 200
    assert code(look(grid, session, YOURS)) == (503, "substation-unavailable")


def test_nothing_is_told_to_an_owner_of_what_is_not_known_to_be_his(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid.remove(grid["one"])
    assert code(look(grid, session, MINE)) == (503, "substation-unavailable")


def test_what_this_balancer_never_saw_is_unavailable(grid: ScriptedGrid) -> None:
    placed(grid)
    grid.remove(grid["one"])
    assert code(look(grid, {"session_id": "one.abcdefghijklmnopqrstuv"})) == (503, "substation-unavailable")


def test_when_it_is_back_a_look_is_fresh_again(grid: ScriptedGrid) -> None:
    session = placed(grid)
    grid.remove(grid["one"])
    assert "as_of" in look(grid, session).json()
    grid.register(grid["one"])
    assert look(grid, session).json() == session


def test_what_a_region_remembers_goes_on_as_it_is_with_its_age(grid: ScriptedGrid, tmp_path: Path) -> None:
    with Process("balancer", tmp_path / "above", substations=f"west={grid.balancer.url}") as above:
        session = charge(above, "key").json()
        grid.remove(grid["one"])

        reply = above.call("GET", f"/charge/{session['session_id']}")

        found = reply.json()
        assert datetime.fromisoformat(found.pop("as_of")) <= datetime.now(UTC)
        assert (reply.status, found) == (200, session)
        assert int(reply.headers["Age"]) >= 0
