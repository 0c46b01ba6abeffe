"""A car that may wait: first asked of all who may have room, then of those where it would start first."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from balancer.parts import BODY, POWER, Parts, parts_of
from smartgrid.balancer.placement.attempt import Car
from smartgrid.balancer.placement.errors import HolderAwayError, NoPlaceError, NotKnownError, OverQuotaError
from smartgrid.balancer.placement.forecasts import Forecasts
from smartgrid.balancer.placement.placement import Placed
from smartgrid.domain.quotas import Quota
from smartgrid.protocol.keys import KeyEntry, digest
from smartgrid.protocol.numbers import Number
from support.scripted_substation import (
    Request,
    Response,
    ScriptedSubstation,
    ScriptedSubstations,
    answers,
    done_but_lost,
    not_done,
    problem,
    silence,
)

NAMES = ["one", "two", "three"]


class Grid:
    """Substations that are full, and known to be."""

    def __init__(self, stubs: ScriptedSubstations, parts: Parts) -> None:
        self.stubs, self.parts = stubs, parts
        for stub in stubs:
            stub.fill()
            parts.see(stub)

    def __getitem__(self, name: str) -> ScriptedSubstation:
        return self.stubs[name]

    def foretell(self, **starts_s: float | None) -> None:
        for name, start_s in starts_s.items():
            self.stubs[name].forecast_s = start_s

    def wait(self, key: str = "key", number: Number = (1_000,), *, may_wait: bool = True) -> Placed:
        return self.parts.place_or_wait(key, number, may_wait=may_wait)

    def charges(self, name: str) -> list[tuple[str | None, Number]]:
        """What it was asked: whether not to wait, and by which attempt."""
        return [(each.headers.get("smartgrid-wait"), each.number) for each in self.stubs[name].asked("POST /charge")]

    def asked(self, what: str) -> int:
        return sum(len(stub.asked(what)) for stub in self.stubs)


@pytest.fixture
def grid() -> Iterator[Grid]:
    with ScriptedSubstations(NAMES) as stubs, parts_of(stubs) as parts:
        yield Grid(stubs, parts)
        parts.assert_nothing_reserved()


@pytest.fixture
def hasty() -> Iterator[Grid]:
    """It waits for no attempt for longer than a moment."""
    with ScriptedSubstations(NAMES) as stubs, parts_of(stubs, attempt_timeout_s=0.2) as parts:
        yield Grid(stubs, parts)
        parts.assert_nothing_reserved()


def refuse_to_charge(stub: ScriptedSubstation) -> None:
    """It seems to have room, and has none; a car may wait."""
    stub.set_load(0.0)

    async def script(substation: ScriptedSubstation, request: Request) -> Response:
        if request.headers.get("smartgrid-wait") == "no":
            return problem(503, "no-capacity")
        substation.load_kw = substation.capacity_kw
        return await substation.do(request)

    stub.scripts["POST /charge"] = script


# ---------------------------------------------------------------------- where it waits


def test_it_waits_where_it_would_start_first(grid: Grid) -> None:
    grid.foretell(one=90, two=30, three=60)

    placed = grid.wait()

    assert (placed.member, placed.session["state"], placed.replayed) == ("two", "Waiting", False)
    assert placed.look_again_s == 7
    assert grid.charges("two") == [(None, (1_000, 0, 77))]
    assert grid.asked("POST /charge") == 1


def test_one_that_waits_is_known_by_its_key_at_once_and_counts_for_its_owner(grid: Grid) -> None:
    placed = grid.parts.place_or_wait(owner="A" * 22)

    holder = grid.parts.directory.holder(digest("key", "A" * 22))
    assert holder is not None
    assert (holder.session_id, holder.use) == (placed.session["session_id"], ("A" * 22, 11))


def test_it_charges_at_once_where_there_is_room(grid: Grid) -> None:
    grid["three"].set_load(0.0)
    grid.parts.see(grid["three"])

    placed = grid.wait()

    assert (placed.member, placed.session["state"], placed.look_again_s) == ("three", "Charging", None)
    assert grid.charges("three") == [("no", (1_000, 0, 77))]
    assert grid.asked("POST /forecast") == 0


def test_no_one_lets_it_wait_before_all_who_may_have_room_have_said_no(grid: Grid) -> None:
    for stub in grid.stubs:
        refuse_to_charge(stub)
        grid.parts.see(stub)
    grid.foretell(one=5, two=9, three=9)

    placed = grid.wait(number=(1_000,))

    assert placed.member == "one"
    asked = sorted((number, wait) for name in NAMES for wait, number in grid.charges(name))
    assert asked == [((1_000, i, 77), "no" if i < 3 else None) for i in range(4)]


def test_after_a_no_the_one_with_the_next_start_is_asked_and_at_last_those_that_told_nothing(grid: Grid) -> None:
    grid.foretell(one=30, two=5)
    grid["two"].scripts["POST /charge"] = answers(problem(503, "no-capacity"))
    grid["one"].scripts["POST /charge"] = answers(problem(503, "draining"))
    grid["three"].scripts["POST /forecast"] = answers(Response(500, {}))

    placed = grid.wait()

    assert placed.member == "three"
    assert [number for name in ("two", "one", "three") for _, number in grid.charges(name)] == [
        (1_000, hop, 77) for hop in range(3)
    ]


def test_one_that_would_leave_before_its_start_may_wait_all_the_same(grid: Grid) -> None:
    """Someone may stop early. Only where it is not taken at all it is not asked."""
    grid.foretell(one=None)
    for name in ("two", "three"):
        grid[name].scripts["POST /forecast"] = answers(Response(200, {"expected_start_in_s": None, "takes": False}))

    assert grid.wait().member == "one"
    assert [grid.charges(name) for name in ("two", "three")] == [[], []]


@pytest.mark.parametrize(
    "absurd", [{"expected_start_in_s": -1, "takes": True}, {"takes": True}, [], {"expected_start_in_s": 1e99}]
)
def test_an_absurd_forecast_is_none(grid: Grid, absurd: object) -> None:
    grid["one"].scripts["POST /forecast"] = answers(Response(200, absurd))

    assert grid.wait().member == "two"


def test_where_no_one_lets_it_wait_there_is_no_place(grid: Grid) -> None:
    for stub in grid.stubs:
        stub.scripts["POST /charge"] = answers(problem(503, "no-capacity"))

    with pytest.raises(NoPlaceError):
        grid.wait()

    assert grid.asked("POST /charge") == 3


def test_when_the_shortest_lists_take_nobody_the_next_are_asked() -> None:
    names = [f"s{i}" for i in range(12)]
    with ScriptedSubstations(names) as stubs, parts_of(stubs) as parts:
        grid = Grid(stubs, parts)
        for stub in stubs:
            stub.scripts["POST /forecast"] = answers(Response(200, {"expected_start_in_s": None, "takes": False}))
        stubs["s11"].scripts.clear()

        assert grid.wait().member == "s11"


def test_a_region_asks_on_until_one_of_its_own_takes_the_car() -> None:
    with ScriptedSubstations(f"s{i}" for i in range(12)) as stubs, parts_of(stubs) as parts:
        Grid(stubs, parts)
        for stub in stubs:
            stub.scripts["POST /forecast"] = answers(Response(200, {"expected_start_in_s": None, "takes": False}))
        stubs["s11"].scripts.clear()

        found = Forecasts(parts.fleet).earliest(BODY, POWER, {}, time.monotonic() + 60)
        assert (found.takes, found.expected_start_in_s) == (True, 60.0)

        stubs["s11"].scripts.update(stubs["s1"].scripts)
        assert Forecasts(parts.fleet).earliest(BODY, POWER, {}, time.monotonic() + 60).takes is False


# ---------------------------------------------------------------------- who may wait


def test_one_that_is_told_not_to_wait_here_yet_is_not_foretold_anything(grid: Grid) -> None:
    """A balancer in front asks other regions first."""
    with pytest.raises(NoPlaceError):
        grid.wait(may_wait=False)

    assert grid.asked("POST") == 0


def test_what_a_region_is_told_it_tells_its_substations(grid: Grid) -> None:
    grid["one"].set_load(0.0)
    grid.parts.see(grid["one"])

    grid.wait(may_wait=False)

    assert grid.charges("one") == [("no", (1_000, 0, 77))]


def test_one_that_does_not_want_to_wait_is_refused_and_nobody_is_asked(grid: Grid) -> None:
    with pytest.raises(NoPlaceError):
        grid.parts.place()

    assert grid.asked("POST") == 0


def test_over_its_quota_it_does_not_wait_either(grid: Grid) -> None:
    for stub in grid.stubs:
        stub.scripts["POST /charge"] = answers(problem(429, "quota-exceeded"))

    with pytest.raises(OverQuotaError):
        grid.wait()


def test_one_that_waits_takes_of_its_owners_quota_in_the_fleet() -> None:
    owner = "A" * 22
    with ScriptedSubstations(NAMES) as stubs, parts_of(stubs, quota=Quota(sessions=1)) as parts:
        grid = Grid(stubs, parts)
        first = parts.place_or_wait("first", owner=owner)

        with pytest.raises(OverQuotaError):
            parts.place_or_wait("second", owner=owner)
        assert parts.place_or_wait("first", owner=owner).session == first.session
        grid.parts.directory.note_end(first.session["session_id"])
        assert parts.place_or_wait("second", owner=owner).session["state"] == "Waiting"


# ---------------------------------------------------------------------- a key that has its session


def test_a_repeat_finds_it_where_it_waits_and_where_it_charges_by_then(grid: Grid) -> None:
    first = grid.wait(number=(1_000,))
    again = grid.wait(number=(2_000,))
    grid[first.member].begin(first.session["session_id"].partition(".")[2])
    at_last = grid.wait(number=(3_000,))

    assert (again.session["session_id"], again.replayed, again.look_again_s) == (first.session["session_id"], True, 7)
    assert (at_last.session["session_id"], at_last.session["state"]) == (first.session["session_id"], "Charging")
    assert at_last.look_again_s is None
    assert grid.asked("POST /forecast") == 3, "only of the first try"


def test_while_its_list_is_away_it_waits_nowhere_else(grid: Grid) -> None:
    grid.foretell(one=1)
    grid.wait(number=(1_000,))
    grid["one"].vanish()

    with pytest.raises(HolderAwayError):
        grid.wait(number=(2_000,))


def test_one_whose_list_was_lost_with_its_file_waits_anew(grid: Grid) -> None:
    grid.foretell(one=1)
    grid.wait(number=(1_000,))
    grid["one"].restart(without_file=True)

    again = grid.wait(number=(2_000,))

    assert again.session["state"] == "Waiting"
    assert not again.replayed


# ---------------------------------------------------------------------- attempts whose outcome is not known


@pytest.mark.parametrize("script", [done_but_lost, silence, answers(Response(500, {}))], ids=["lost", "silence", "500"])
def test_a_car_that_may_charge_already_is_put_into_no_list(hasty: Grid, script: object) -> None:
    hasty["one"].set_load(0.0)
    hasty["one"].scripts["POST /charge"] = script  # type: ignore[assignment]
    hasty.parts.see(hasty["one"])

    with pytest.raises(NotKnownError):
        hasty.wait()

    assert hasty.asked("POST /forecast") == 0


@pytest.mark.parametrize("script", [silence, answers(Response(500, {}))], ids=["silence", "500"])
def test_a_car_that_may_wait_already_is_put_into_no_second_list(hasty: Grid, script: object) -> None:
    hasty.foretell(one=1)
    hasty["one"].scripts["POST /charge"] = script  # type: ignore[assignment]

    with pytest.raises(NotKnownError):
        hasty.wait()

    assert [hasty.charges(name) for name in ("two", "three")] == [[], []]


def test_a_broken_connection_is_tried_once_more_with_the_next_number(grid: Grid) -> None:
    grid.foretell(one=1)
    broken: list[Number] = []

    async def once(substation: ScriptedSubstation, request: Request) -> Response:
        broken.append(request.number)
        return await (not_done if len(broken) == 1 else ScriptedSubstation.do)(substation, request)

    grid["one"].scripts["POST /charge"] = once

    assert grid.wait().member == "one"
    assert broken == [(1_000, 0, 77), (1_000, 1, 77)]


def test_one_of_which_others_have_told_meanwhile_is_not_queued_twice(grid: Grid) -> None:
    """The other balancer was quicker: its session of the key has been read while forecasts were under way."""
    grid.foretell(one=1, two=2)
    inner = grid["two"].put("key", (900,))

    async def other_was_quicker(_substation: ScriptedSubstation, _request: Request) -> Response:
        grid.parts.directory.note("two", KeyEntry(digest("key"), (900,), inner))
        return problem(503, "no-capacity")

    grid["one"].scripts["POST /charge"] = other_was_quicker

    placed = grid.wait()

    assert (placed.session["session_id"], placed.replayed) == (f"two.{inner}", True)
    assert grid.charges("three") == []


# ---------------------------------------------------------------------- a car that a balancer in front moves here


def moved(grid: Grid, number: Number) -> Placed:
    return grid.parts.placement.place(Car(BODY, POWER, "", number, wants_to_wait=True, moved=digest("key")))


def test_it_is_placed_under_the_digest_of_its_key_and_does_not_wait_again(grid: Grid) -> None:
    with pytest.raises(NoPlaceError):
        moved(grid, (1_000, 0, 5, 0))
    grid["two"].set_load(0.0)
    grid.parts.see(grid["two"])

    placed = moved(grid, (1_000, 0, 5, 1))

    holder = grid.parts.directory.holder(digest("key"))
    assert holder is not None
    assert (holder.session_id, holder.number) == (placed.session["session_id"], (1_000, 0, 5, 1, 0, 77))


def test_where_the_key_has_a_session_already_its_number_stays_as_it_is(grid: Grid) -> None:
    waiting = grid.wait(number=(1_000,))

    placed = moved(grid, (1_000, 0, 77, 0, 5, 1))

    holder = grid.parts.directory.holder(digest("key"))
    assert holder is not None
    assert (placed.session["session_id"], placed.replayed) == (waiting.session["session_id"], True)
    assert holder.number == (1_000, 0, 77)
