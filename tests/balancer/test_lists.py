"""How a list says whose sessions are missing."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from smartgrid.balancer.views.sessions import MAX_UNREACHABLE_LENGTH, listed
from support.grid import Grid


def test_the_names_stand_side_by_side() -> None:
    assert listed(["one"]) == "one"
    assert listed(["one", "two"]) == "one, two"


def test_where_they_are_too_many_for_a_header_the_first_are_named_and_the_rest_counted() -> None:
    names = [f"substation-{i:03}" for i in range(500)]

    value = listed(names)

    assert len(value) < MAX_UNREACHABLE_LENGTH + 30
    *shown, rest = value.split(", ")
    assert shown == names[: len(shown)]
    assert rest == f"and {500 - len(shown)} more"


def cursor(*position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "forged",
    [
        "x",
        cursor(),
        cursor("substation-0"),
        cursor("substation-0", 7),
        cursor("substation-0", "no number"),
        cursor("substation-0", "-1"),
        cursor("substation-0", "9" * 30),
        cursor("substation-0", "x" * 4000),
        cursor("substation-0", "\u20ac" * 900),
        cursor("substation-0", "\ud800"),
        cursor("substation-0", "1&limit=5000"),
    ],
)
def test_a_cursor_that_was_made_up_is_refused_and_no_substation_seems_silent_for_it(grid: Grid, forged: str) -> None:
    reply = grid.balancer.call("GET", f"/charge?cursor={quote(forged)}")

    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
    assert "next_cursor" in reply.json()["detail"]
