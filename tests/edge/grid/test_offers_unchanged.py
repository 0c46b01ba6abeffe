"""A substation's answer tells of all its sessions: what has not changed in them is not made anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smartgrid.edge.grid.offers import AbsurdAnswerError, read
from smartgrid.edge.ports import OpenSession

EDGE = "edge-0/1"


def session(name: str, **changes: Any) -> dict[str, Any]:
    found = {"session_id": name, "vehicle_id": "EV", "state": "Charging", "number": 1, "offer_kw": 7.0}
    return {**found, "charger": "CP", "connector": 1, "edge": EDGE, **changes}


def sessions(*told: dict[str, Any], before: tuple[OpenSession, ...] = (), edge: str = EDGE) -> tuple[OpenSession, ...]:
    capacities = {"capacity_kw": 100, "firm_capacity_kw": 100}
    body = json.dumps({"epoch": 1, "revision": 1, "lease_s": 900, **capacities, "sessions": told})
    return tuple(read("substation-0", body.encode(), 0.0, edge, before)[0].sessions)


def test_a_session_that_is_as_it_was_is_the_same_object() -> None:
    first, second = before = sessions(session("a"), session("b"))
    again = sessions(session("b"), session("a"), before=before)
    assert again[0] is second
    assert again[1] is first


@pytest.mark.parametrize(
    "changes",
    [
        {"vehicle_id": "other"}, {"state": "Waiting"}, {"number": 2}, {"offer_kw": 7.1}, {"charger": "CP-2"},
        {"connector": 2}, {"transaction_id": "7"}, {"meter_kwh": 1.0}, {"position": 1},
        {"expected_start": "2026-11-26T12:00:00Z"}, {"edge": "edge-1/1"}, {"edge": None},
    ],
)  # fmt: skip
def test_one_of_which_anything_has_changed_is_another(changes: dict[str, Any]) -> None:
    before = sessions(session("a"))
    assert sessions(session("a", **changes), before=before) == sessions(session("a", **changes)) != before


def test_whose_it_is_depends_on_who_asks() -> None:
    before = sessions(session("a"))
    (other,) = sessions(session("a"), before=before, edge="edge-1/1")
    assert before[0].is_ours
    assert not other.is_ours


def test_a_session_that_is_told_twice_is_refused() -> None:
    with pytest.raises(AbsurdAnswerError, match="twice"):
        sessions(session("a"), session("a", connector=2))
