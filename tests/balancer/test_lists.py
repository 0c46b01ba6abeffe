"""How a list says whose sessions are missing."""

from __future__ import annotations

from smartgrid.balancer.views.sessions import MAX_UNREACHABLE_LENGTH, listed


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
