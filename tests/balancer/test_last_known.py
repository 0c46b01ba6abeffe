"""What a balancer remembers of sessions: bounded, and shown to no one whose they are not."""

from __future__ import annotations

from typing import Any

import pytest

from smartgrid.balancer.last_known import MAX_RECORD_BYTES, LastKnown

NOW_S = 1_795_694_400.0
MINE, YOURS = "m" * 22, "y" * 22


def session(name: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": f"substation-0.{name}", "state": "Charging", "power_kw": 11.0, **fields}


def test_what_was_seen_last_is_told_with_the_time_of_that() -> None:
    known = LastKnown()
    known.note(session("a"), None, NOW_S)
    known.note(session("a", power_kw=7.0), None, NOW_S + 60.5)
    assert known.get("substation-0.a", None) == session("a", power_kw=7.0) | {"as_of": "2026-11-26T12:01:00.500Z"}


def test_of_what_was_never_seen_nothing_is_told() -> None:
    assert LastKnown().get("substation-0.a", None) is None


@pytest.mark.parametrize(
    ("owner", "asks", "told"),
    [
        (MINE, MINE, True),
        (MINE, None, True),
        (None, None, True),
        (MINE, YOURS, False),
        (None, MINE, False),
    ],
    ids=["its owner", "who sees all", "nobody's, who sees all", "another owner", "nobody's, some owner"],
)
def test_it_is_told_to_its_owner_and_to_who_may_see_all(owner: str | None, asks: str | None, told: bool) -> None:
    known = LastKnown()
    known.note(session("a"), owner, NOW_S)
    assert (known.get("substation-0.a", asks) is not None) is told


def test_a_look_by_who_sees_all_does_not_make_it_nobodys() -> None:
    known = LastKnown()
    known.note(session("a"), MINE, NOW_S)
    known.note(session("a", power_kw=7.0), None, NOW_S + 1)
    found = known.get("substation-0.a", MINE)
    assert found is not None
    assert found["power_kw"] == 7.0
    assert known.get("substation-0.a", YOURS) is None


def test_that_it_is_not_there_is_believed_unless_it_is_merely_another_owners() -> None:
    known = LastKnown()
    known.note(session("a"), MINE, NOW_S)
    known.forget("substation-0.a", YOURS)
    assert known.get("substation-0.a", MINE) is not None
    known.forget("substation-0.a", MINE)
    assert known.get("substation-0.a", MINE) is None


def test_what_a_region_remembers_is_no_news() -> None:
    known = LastKnown()
    known.note(session("a"), None, NOW_S)
    known.note(session("a", power_kw=7.0, as_of="2026-11-26T11:00:00.000Z"), None, NOW_S + 1)
    found = known.get("substation-0.a", None)
    assert found is not None
    assert found["power_kw"] == 11.0


def test_beyond_the_most_the_longest_unseen_are_forgotten() -> None:
    known = LastKnown(max_sessions=3)
    for name in ("a", "b", "c", "a", "d"):
        known.note(session(name), None, NOW_S)
    assert [name for name in "abcd" if known.get(f"substation-0.{name}", None)] == ["a", "c", "d"]


def test_beyond_the_most_bytes_the_longest_unseen_are_forgotten() -> None:
    known = LastKnown(max_bytes=5_000)
    for name in "abc":
        known.note(session(name, note="x" * 2_000), None, NOW_S)
    assert [name for name in "abc" if known.get(f"substation-0.{name}", None)] == ["b", "c"]


def test_one_that_is_too_large_is_not_kept_nor_what_was_known_before() -> None:
    known = LastKnown()
    known.note(session("a"), None, NOW_S)
    known.note(session("a", note="x" * MAX_RECORD_BYTES), None, NOW_S)
    assert known.get("substation-0.a", None) is None
    assert len(known) == 0
