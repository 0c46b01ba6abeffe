"""Which of a key's sessions is ended, and that it is ended, whatever stands in the way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.parts import Parts, parts_of
from smartgrid.balancer.placement.compare import Comparer, Superseding, losers
from smartgrid.protocol.keys import KeyEntry, digest
from support.processes import wait_until
from support.scripted_substation import (
    Response,
    ScriptedSubstations,
    answers,
    done_but_lost,
    problem,
)

KEY = "a" * 22
NUMBERS = st.lists(st.integers(0, 5), min_size=1, max_size=5).map(tuple)
MEMBERS = ("one", "two", "three")


def entry(session_id: str, *number: int, superseded: bool = False) -> KeyEntry:
    return KeyEntry(KEY, number, session_id, superseded)


# ---------------------------------------------------------------------- the decision


def test_the_greater_number_stays_and_the_other_is_told_which_it_is() -> None:
    assert losers([entry("one.x", 5, 0, 1), entry("two.y", 5, 1, 1)]) == [
        Superseding("one.x", before=(5, 1, 1), by="two.y")
    ]


def test_there_is_nothing_to_decide_for_one_session_or_none() -> None:
    assert losers([]) == []
    assert losers([entry("one.x", 5)]) == []
    assert losers([entry("one.x", 5, superseded=True), entry("two.y", 4)]) == []


def test_two_of_one_region_are_left_to_it_but_both_give_way_to_another_member() -> None:
    west = [entry("west.one.x", 5), entry("west.two.y", 6)]

    assert losers(west) == []
    assert losers([*west, entry("east.one.z", 7)]) == [
        Superseding("west.one.x", before=(7,), by="east.one.z"),
        Superseding("west.two.y", before=(7,), by="east.one.z"),
    ]


@given(st.lists(st.tuples(st.sampled_from(MEMBERS), NUMBERS, st.booleans()), max_size=5, unique_by=lambda e: e[:2]))
def test_every_balancer_decides_alike_and_never_against_the_greatest(
    found: list[tuple[str, tuple[int, ...], bool]],
) -> None:
    entries = [KeyEntry(KEY, number, f"{member}.{i}", gone) for i, (member, number, gone) in enumerate(found)]
    live = [each for each in entries if not each.superseded]

    decided = {frozenset(losers(order)) for order in itertools.permutations(entries)}

    if len({each.number for each in live}) == len(live):  # no two attempts have the same number
        assert len(decided) == 1
    for superseding in losers(entries):
        ended = next(each for each in entries if each.session_id == superseding.session_id)
        winner = next(each for each in entries if each.session_id == superseding.by)
        assert winner.number == superseding.before == max(each.number for each in live)
        assert ended.number < winner.number
        assert not ended.superseded


# ---------------------------------------------------------------------- and how it is carried out


@dataclass
class Grid:
    stubs: ScriptedSubstations
    parts: Parts
    ended: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.comparer().look(time.monotonic())

    def comparer(self) -> Comparer:
        return Comparer(self.parts.fleet, self.parts.directory, on_superseded=lambda: self.ended.append(1))

    def put(self, name: str, *number: int) -> str:
        """A session of the key there, which the directory knows."""
        session_id = self.stubs[name].put("key", number)
        self.parts.directory.note(name, KeyEntry(digest("key"), number, session_id))
        return session_id


@pytest.fixture
def grid() -> Iterator[Grid]:
    with ScriptedSubstations(["one", "two"]) as stubs, parts_of(stubs) as parts:
        yield Grid(stubs, parts)


def test_the_session_with_the_lower_number_ends_and_says_where_the_other_is(grid: Grid) -> None:
    lower, greater = grid.put("one", 5), grid.put("two", 9)

    grid.look()

    ended = grid.stubs["one"].sessions[lower]
    assert (ended.end_reason, ended.superseded_by) == ("Superseded", f"../two.{greater}")
    assert [each.session_id for each in grid.stubs["two"].charging()] == [greater]
    assert grid.parts.directory.contested() == []
    assert len(grid.ended) == 1


def test_a_session_that_has_ended_by_itself_still_counts(grid: Grid) -> None:
    lower, greater = grid.put("one", 5), grid.put("two", 9)
    grid.stubs["two"].end(greater)

    grid.look()

    assert grid.stubs["one"].sessions[lower].end_reason == "Superseded"


def test_a_repeat_that_has_raised_the_number_meanwhile_is_left_alone(grid: Grid) -> None:
    lower = grid.put("one", 5)
    grid.put("two", 9)
    grid.stubs["one"].sessions[lower].number = (12,)

    grid.look()

    assert [each.session_id for each in grid.stubs["one"].charging()] == [lower]
    assert grid.ended == []
    assert len(grid.parts.directory.contested()) == 1, "until its log tells the new number"


def test_an_answer_that_is_lost_is_asked_for_again(grid: Grid) -> None:
    lower = grid.put("one", 5)
    grid.put("two", 9)
    grid.stubs["one"].scripts["DELETE"] = done_but_lost
    with grid.comparer():
        wait_until(lambda: len(grid.stubs["one"].asked("DELETE")) >= 2, 20, "it has been told twice")
        grid.stubs["one"].scripts.clear()
        wait_until(lambda: not grid.parts.directory.contested(), 20, "it is settled")
    assert grid.stubs["one"].sessions[lower].end_reason == "Superseded"


def test_a_session_that_its_substation_does_not_know_is_dropped(grid: Grid) -> None:
    grid.put("one", 5)
    grid.put("two", 9)
    grid.stubs["one"].restart(without_file=True)

    grid.look()

    assert grid.parts.directory.contested() == []
    assert len(grid.parts.directory.entries(digest("key"))) == 1


@pytest.mark.parametrize(
    "answer",
    [problem(503, "storage-unavailable"), Response(200, raw=b"[1]"), Response(200, raw=b"{", with_status=False)],
    ids=["503", "no session", "no JSON"],
)
def test_who_does_not_do_as_told_is_left_alone_for_a_while(grid: Grid, answer: Response) -> None:
    grid.put("one", 5)
    grid.put("two", 9)
    grid.stubs["one"].scripts["DELETE"] = answers(answer)
    comparer = grid.comparer()

    comparer.look(time.monotonic())
    comparer.look(time.monotonic())

    assert len(grid.stubs["one"].asked("DELETE")) == 1
    comparer.look(time.monotonic() + 60)
    assert len(grid.stubs["one"].asked("DELETE")) == 2


def test_one_that_is_away_is_asked_nothing_until_it_is_back(grid: Grid) -> None:
    lower = grid.put("one", 5)
    grid.put("two", 9)
    grid.parts.fleet.leave("one")
    grid.look()
    assert grid.stubs["one"].asked("DELETE") == []
    assert len(grid.parts.directory.contested()) == 1

    grid.parts.join(grid.stubs["one"])
    grid.look()

    assert grid.stubs["one"].sessions[lower].end_reason == "Superseded"
