"""The way of a car: to the holder of its key, or from member to member; what is certain, and what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from balancer.parts import BODY, POWER, Parts, parts_of
from smartgrid.balancer.placement.attempt import Car
from smartgrid.balancer.placement.errors import (
    FaultyRequestError,
    HolderAwayError,
    NoPlaceError,
    NoTimeError,
    NotKnownError,
    OverQuotaError,
    PlacementError,
    SupersededAboveError,
)
from smartgrid.protocol.keys import KeyEntry, digest
from smartgrid.protocol.numbers import Number
from support.scripted_substation import (
    Request,
    Response,
    Script,
    ScriptedSubstation,
    ScriptedSubstations,
    answers,
    done_but_lost,
    not_done,
    problem,
    silence,
)

OTHER_BODY = BODY.replace(b"EV-1", b"EV-2")


@dataclass
class Grid:
    stubs: ScriptedSubstations
    parts: Parts

    @property
    def one(self) -> ScriptedSubstation:
        return self.stubs["one"]

    @property
    def two(self) -> ScriptedSubstation:
        return self.stubs["two"]

    def prefer(self, name: str) -> None:
        """The next car that no key sends elsewhere asks this one first."""
        for stub in self.stubs:
            stub.set_load(0.0 if stub.name == name else 50.0)
            self.parts.join(stub)
            substation = self.parts.fleet.substation(stub.name)
            assert substation is not None
            self.parts.fleet.saw_status(substation, stub.status())

    def put(self, name: str, number: Number, key: str = "key") -> str:
        """A session of the key there, started by another balancer, which the directory knows. As this one shows it."""
        inner = self.stubs[name].put(key, number)
        self.parts.directory.note(name, KeyEntry(digest(key), number, inner))
        return f"{name}.{inner}"

    def numbers(self, name: str) -> list[Number]:
        return [request.number for request in self.stubs[name].asked("POST /charge")]


@pytest.fixture
def grid() -> Iterator[Grid]:
    with ScriptedSubstations(["one", "two"]) as stubs, parts_of(stubs) as parts:
        grid = Grid(stubs, parts)
        grid.prefer("one")
        yield grid
        parts.assert_nothing_reserved()


@pytest.fixture
def hasty() -> Iterator[Grid]:
    """It waits for no attempt for longer than a moment."""
    with (
        ScriptedSubstations(["one", "two"]) as stubs,
        parts_of(stubs, attempt_timeout_s=0.2, request_timeout_s=30) as parts,
    ):
        grid = Grid(stubs, parts)
        grid.prefer("one")
        yield grid
        parts.assert_nothing_reserved()


# ---------------------------------------------------------------------- a key that no one has


def test_the_best_takes_the_car_and_is_known_as_its_holder_at_once(grid: Grid) -> None:
    placed = grid.parts.place(number=(1_000,))

    assert (placed.member, placed.attempts, placed.replayed) == ("one", 1, False)
    holder = grid.parts.directory.holder(digest("key"))
    assert holder == KeyEntry(digest("key"), (1_000, 0, 77), placed.session["session_id"])


def test_only_the_one_that_takes_the_car_is_asked(grid: Grid) -> None:
    grid.parts.place()

    assert len(grid.one.requests) == 1
    assert grid.two.requests == []


def test_after_a_no_the_next_one_is_asked_with_a_greater_number(grid: Grid) -> None:
    grid.one.scripts["POST"] = answers(problem(503, "no-capacity"))

    placed = grid.parts.place(number=(1_000,))

    assert (placed.member, placed.attempts) == ("two", 2)
    assert (grid.numbers("one"), grid.numbers("two")) == ([(1_000, 0, 77)], [(1_000, 1, 77)])


def test_no_from_all_is_certain(grid: Grid) -> None:
    for stub in grid.stubs:
        stub.scripts["POST"] = answers(problem(503, "no-capacity"))

    with pytest.raises(NoPlaceError) as raised:
        grid.parts.place()

    assert raised.value.attempts == 2


def over_quota() -> Script:
    return answers(problem(429, "quota-exceeded"))


def test_where_one_refuses_for_its_quota_another_takes_the_car(grid: Grid) -> None:
    grid.one.scripts["POST"] = over_quota()

    assert grid.parts.place().member == "two"


@pytest.mark.parametrize("other", [over_quota(), answers(problem(503, "no-capacity"))])
def test_where_no_one_takes_it_and_one_refuses_for_its_quota_that_is_the_reason(grid: Grid, other: Script) -> None:
    grid.one.scripts["POST"] = over_quota()
    grid.two.scripts["POST"] = other

    with pytest.raises(OverQuotaError) as raised:
        grid.parts.place()

    assert raised.value.attempts == 2


@pytest.mark.parametrize("known", [False, True])
def test_a_quota_makes_no_unknown_outcome_certain(grid: Grid, known: bool) -> None:
    """What took the quota may be this very car, of the attempt that was not answered."""
    grid.one.scripts["POST"] = done_but_lost
    grid.two.scripts["POST"] = over_quota()
    if known:
        grid.put("two", (5,))

    with pytest.raises(NotKnownError):
        grid.parts.place()


def test_an_owner_is_told_to_whoever_is_asked_and_the_key_stays_as_it_is(grid: Grid) -> None:
    grid.parts.place(owner="A" * 22)
    grid.parts.place()

    sent = [(each.headers["idempotency-key"], each.headers.get("smartgrid-owner")) for each in grid.one.requests]
    assert sent == [("key", "A" * 22), ("key", None)]
    assert len(grid.one.charging()) == 2


def test_one_that_cannot_be_reached_surely_has_no_session(grid: Grid) -> None:
    for stub in grid.stubs:
        stub.vanish()

    with pytest.raises(NoPlaceError):
        grid.parts.place()

    assert grid.parts.fleet.out_of_rotation() == 2
    assert grid.parts.let_down == ["one", "two"]


def test_a_request_that_is_wrong_goes_no_further(grid: Grid) -> None:
    grid.one.scripts["POST"] = answers(problem(422, "invalid-request"))

    with pytest.raises(FaultyRequestError) as raised:
        grid.parts.place()

    assert raised.value.answer.status == 422
    assert grid.two.asked("POST") == []


# ---------------------------------------------------------------------- attempts whose outcome is not known


@pytest.mark.parametrize("script", [silence, answers(Response(500, {}))], ids=["silence", "500"])
def test_the_car_goes_on_and_its_last_attempt_has_the_greatest_number(hasty: Grid, script: Script) -> None:
    hasty.one.scripts["POST"] = script

    placed = hasty.parts.place(number=(1_000,))

    assert placed.member == "two"
    assert max(hasty.numbers("one")) < max(hasty.numbers("two"))


def test_where_no_one_else_takes_it_that_is_said(hasty: Grid) -> None:
    hasty.one.scripts["POST"] = silence
    hasty.two.scripts["POST"] = answers(problem(503, "no-capacity"))

    with pytest.raises(NotKnownError):
        hasty.parts.place()


def test_also_where_another_says_that_the_request_is_wrong(hasty: Grid) -> None:
    """The first may have taken it a moment before its departure, say."""
    hasty.one.scripts["POST"] = silence
    hasty.two.scripts["POST"] = answers(problem(422, "invalid-request"))

    with pytest.raises(NotKnownError):
        hasty.parts.place()


def test_a_broken_connection_is_tried_once_more_with_the_next_number(grid: Grid) -> None:
    asked: list[Number] = []

    async def breaks_once(stub: ScriptedSubstation, request: Request) -> Response:
        asked.append(request.number)
        response = await stub.do(request)
        return response if len(asked) > 1 else Response(0)

    grid.one.scripts["POST"] = breaks_once

    placed = grid.parts.place(number=(1_000,))

    assert (placed.member, placed.replayed) == ("one", True)
    assert asked == [(1_000, 0, 77), (1_000, 1, 77)]
    assert len(grid.one.charging()) == 1


def test_a_no_after_a_broken_connection_does_not_say_that_the_first_was_not_done(grid: Grid) -> None:
    asked: list[Request] = []

    async def breaks_and_then_refuses(_stub: ScriptedSubstation, request: Request) -> Response:
        asked.append(request)
        return problem(503, "no-capacity") if len(asked) > 1 else Response(0)

    grid.one.scripts["POST"] = breaks_and_then_refuses
    grid.two.scripts["POST"] = answers(problem(503, "no-capacity"))

    with pytest.raises(NotKnownError):
        grid.parts.place()


def test_a_session_that_shows_up_meanwhile_is_found_before_the_next_attempt(hasty: Grid) -> None:
    """Another balancer has placed the key while the first attempt here was waited for."""

    async def someone_else_places_it(_stub: ScriptedSubstation, _request: Request) -> Response:
        hasty.put("two", (2_000,))
        return problem(503, "no-capacity")

    hasty.one.scripts["POST"] = someone_else_places_it

    placed = hasty.parts.place(number=(3_000,))

    assert (placed.member, placed.replayed) == ("two", True)
    assert len(hasty.two.charging()) == 1


# ---------------------------------------------------------------------- time


def test_each_attempt_says_how_long_it_is_waited_for(hasty: Grid) -> None:
    hasty.parts.place()

    assert 0 < left_ms(hasty.one) <= 200


def test_an_attempt_gets_no_more_than_half_of_what_is_left(grid: Grid) -> None:
    grid.parts.placement.place(Car(BODY, POWER, "key", (1_000,)), time.monotonic() + 2)

    assert 0 < left_ms(grid.one) <= 1_000


def test_once_the_time_is_over_no_one_is_asked_and_that_is_certain(grid: Grid) -> None:
    with pytest.raises(NoTimeError) as raised:
        grid.parts.placement.place(Car(BODY, POWER, "key", (1_000,)), time.monotonic())

    assert raised.value.attempts == 0
    assert grid.one.requests == grid.two.requests == []


def test_a_refusal_as_late_is_certain_and_spares_the_member_no_cars(grid: Grid) -> None:
    grid.one.scripts["POST"] = answers(problem(503, "deadline-exceeded"))

    assert grid.parts.place().member == "two"
    assert grid.parts.fleet.spared() == set()


def left_ms(stub: ScriptedSubstation) -> int:
    return int(stub.asked("POST /charge")[-1].headers["smartgrid-deadline-ms"])


# ---------------------------------------------------------------------- a key that has a holder


def test_a_repeat_goes_to_the_holder_and_raises_its_number(grid: Grid) -> None:
    session_id = grid.put("two", (500,))

    placed = grid.parts.place(number=(1_000,))

    assert (placed.session["session_id"], placed.replayed) == (session_id, True)
    assert grid.one.requests == []
    assert grid.parts.directory.entries(digest("key")) == [KeyEntry(digest("key"), (1_000, 0, 77), session_id)]


def test_of_two_holders_the_one_with_the_greater_number_is_asked(grid: Grid) -> None:
    grid.put("one", (500,))
    later = grid.put("two", (900,))

    assert grid.parts.place().session["session_id"] == later


def test_a_session_that_has_ended_is_still_the_answer(grid: Grid) -> None:
    session_id = grid.put("two", (500,))
    grid.two.end(session_id.partition(".")[2])

    placed = grid.parts.place()

    assert (placed.session["session_id"], placed.session["state"]) == (session_id, "Idle")


@pytest.mark.parametrize(
    "script",
    [
        silence,
        done_but_lost,
        not_done,
        answers(Response(500, {})),
        answers(problem(503, "storage-unavailable")),
        answers(problem(503, "deadline-exceeded")),
    ],
    ids=["silence", "lost", "not done", "500", "no storage", "late"],
)
def test_a_holder_that_does_not_answer_is_waited_for_and_the_car_goes_nowhere_else(hasty: Grid, script: Script) -> None:
    hasty.put("two", (500,))
    hasty.two.scripts["POST"] = script

    with pytest.raises(HolderAwayError) as raised:
        hasty.parts.place()

    assert raised.value.member == "two"
    assert hasty.one.requests == []


def test_a_holder_that_is_away_is_waited_for(grid: Grid) -> None:
    grid.put("two", (500,))
    grid.parts.fleet.leave("two")

    with pytest.raises(HolderAwayError):
        grid.parts.place()

    assert grid.one.requests == []


def test_a_holder_that_is_back_at_another_address_has_the_session(grid: Grid) -> None:
    session_id = grid.put("two", (500,))
    grid.parts.fleet.leave("two")

    grid.parts.join(grid.two)

    assert grid.parts.place().session["session_id"] == session_id


def test_a_holder_that_has_lost_its_file_takes_the_car_anew(grid: Grid) -> None:
    lost = grid.put("two", (500,))
    grid.two.restart(without_file=True)

    placed = grid.parts.place()

    assert (placed.member, placed.replayed) == ("two", False)
    assert [each.session_id for each in grid.parts.directory.entries(digest("key"))] == [placed.session["session_id"]]
    assert placed.session["session_id"] != lost


def test_one_that_has_lost_its_file_and_is_full_by_now_leaves_the_car_to_others(grid: Grid) -> None:
    grid.put("two", (500,))
    grid.two.restart(without_file=True)
    grid.two.scripts["POST"] = answers(problem(503, "no-capacity"))

    placed = grid.parts.place()

    assert (placed.member, placed.replayed) == ("one", False)
    assert len(grid.two.asked("POST")) == 1


def test_another_request_with_the_key_is_refused_by_the_holder(grid: Grid) -> None:
    grid.parts.place()

    with pytest.raises(FaultyRequestError) as raised:
        grid.parts.place(body=OTHER_BODY)

    assert raised.value.answer.status == 422


# ---------------------------------------------------------------------- superseded sessions


def supersede(stub: ScriptedSubstation, session_id: str, by: str) -> None:
    held = stub.sessions[session_id.partition(".")[2]]
    held.state, held.end_reason, held.superseded_by = "Idle", "Superseded", by


def test_a_superseded_holder_sends_the_car_on_to_the_session_that_counts(grid: Grid) -> None:
    """The directory knows neither that it was superseded nor the other session yet."""
    first = grid.put("one", (500,))
    inner = grid.two.put("key", (900,))
    supersede(grid.one, first, f"../two.{inner}")

    placed = grid.parts.place(number=(1_000,))

    assert placed.session["session_id"] == f"two.{inner}"
    assert (grid.numbers("one"), grid.numbers("two")) == ([(1_000, 0, 77)], [(1_000, 1, 77)])
    assert [each.superseded for each in grid.parts.directory.entries(digest("key"))] == [True, False]


def test_a_session_that_counts_and_is_away_is_waited_for(grid: Grid) -> None:
    first = grid.put("one", (500,))
    supersede(grid.one, first, "../three.x")

    with pytest.raises(HolderAwayError) as raised:
        grid.parts.place()

    assert raised.value.member == "three"


def test_a_session_of_another_region_is_named_to_the_balancer_in_front(grid: Grid) -> None:
    first = grid.put("one", (500,))
    supersede(grid.one, first, "../../west.two.x")

    with pytest.raises(SupersededAboveError) as raised:
        grid.parts.place()

    assert raised.value.path == "../west.two.x"


def test_sessions_that_name_each_other_are_not_followed_for_ever(grid: Grid) -> None:
    first, second = grid.put("one", (500,)), grid.put("two", (900,))
    supersede(grid.one, first, f"../{second}")
    supersede(grid.two, second, f"../{first}")

    with pytest.raises(PlacementError):
        grid.parts.place()

    assert len(grid.one.requests) + len(grid.two.requests) <= 4


# ---------------------------------------------------------------------- two at once


def test_two_requests_with_one_key_are_served_one_after_the_other(grid: Grid) -> None:
    placed = []

    def place(number: int) -> None:
        placed.append(grid.parts.place(number=(1_000 + number,)).session["session_id"])

    threads = [threading.Thread(target=place, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(placed) == 8
    assert len(set(placed)) == 1
    assert len(grid.one.charging()) + len(grid.two.charging()) == 1
