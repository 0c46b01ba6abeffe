"""Cars that wait are moved to where they can start, and whatever happens meanwhile, one session of each remains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.parts import Parts, parts_of
from smartgrid.balancer.moves import LONGEST_PAUSE_S, Mover
from smartgrid.balancer.placement.attempt import Car
from smartgrid.balancer.placement.compare import Comparer
from smartgrid.balancer.placement.keys_under_way import KeysUnderWay
from smartgrid.balancer.waiting_lists import in_turn
from smartgrid.domain.request import PowerRange
from smartgrid.domain.status import Status
from smartgrid.protocol import numbers
from smartgrid.protocol.keys import KeyEntry, OwnUse, digest
from support.scripted_substation import (
    Held,
    Request,
    Response,
    Script,
    ScriptedSubstation,
    ScriptedSubstations,
    answers,
    done_but_lost,
    problem,
    silence,
)

OWNER = "A" * 22


@dataclass
class Grid:
    """Two substations, of which "full" is full; what a mover does is what `look` makes it do."""

    stubs: ScriptedSubstations
    parts: Parts
    mover: Mover
    results: list[str]
    keys: KeysUnderWay
    cars: int = field(default=0)

    def __getitem__(self, name: str) -> ScriptedSubstation:
        return self.stubs[name]

    def wait_at(self, name: str, count: int = 1, owner: str | None = None) -> list[Held]:
        """So many cars wait there, which this balancer has let wait."""
        for stub in self.stubs:
            stub.forecast_s = 1.0 if stub.name == name else 99.0
        before = len(self[name].waiting())
        for _ in range(count):
            self.cars += 1
            placed = self.parts.place_or_wait(f"key-{self.cars}", (1_000 + self.cars,), owner=owner)
            assert (placed.member, placed.session["state"]) == (name, "Waiting")
        return self[name].waiting()[before:]

    def free(self, name: str, room_kw: float = 100.0) -> None:
        self[name].set_load(self[name].capacity_kw - room_kw)
        self.parts.see(self[name])

    def look(self, after_s: float = 0.0) -> None:
        self.mover.look(time.monotonic() + after_s)


@pytest.fixture
def grid() -> Iterator[Grid]:
    with ScriptedSubstations(["full", "free", "other"]) as stubs, parts_of(stubs) as parts:
        results, keys = list[str](), KeysUnderWay()
        comparer = Comparer(parts.fleet, parts.directory)
        mover = Mover(
            parts.fleet,
            parts.directory,
            keys,
            balancer_id=88,
            timeout_s=0.5,
            on_move=results.append,
            settle=lambda: comparer.look(time.monotonic()),
        )
        for stub in stubs:
            stub.fill()
            parts.see(stub)
        yield Grid(stubs, parts, mover, results, keys)
        parts.assert_nothing_reserved()


# ---------------------------------------------------------------------- whose turn it is


def a_list(kwh: float, capacity_kw: float = 100.0, *, draining: bool = False) -> Status:
    return Status(capacity_kw, 0, 0, 0, 0, 1, None, 0.0, draining, waiting_sessions=1, waiting_kwh=kwh)


def test_the_list_that_is_longest_for_its_substation_is_in_turn_and_those_of_drained_ones_before_all() -> None:
    lists = {
        "short": a_list(10),
        "long": a_list(40),
        "small": a_list(30, capacity_kw=50),
        "drained": a_list(1, draining=True),
        "off": a_list(1, capacity_kw=0),
    }

    assert in_turn(lists) == ["drained", "off", "small", "long", "short"]


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(st.floats(0, 1e9), st.floats(0, 1e9), st.booleans())))
def test_every_list_has_its_turn_once(lists: dict[str, tuple[float, float, bool]]) -> None:
    found = {name: a_list(kwh, kw, draining=draining) for name, (kwh, kw, draining) in lists.items()}

    turns = in_turn(found)

    assert sorted(turns) == sorted(lists)
    assert [found[name].draining for name in turns] == sorted((found[name].draining for name in turns), reverse=True)


# ---------------------------------------------------------------------- a move


def test_the_first_car_charges_where_there_is_room_and_waits_no_more(grid: Grid) -> None:
    first, second = grid.wait_at("full", 2)
    grid.free("free", room_kw=1.5)

    grid.look()

    [moved] = grid["free"].charging()
    assert (moved.digest, moved.vehicle_id) == (first.digest, first.vehicle_id)
    assert (first.state, first.end_reason, first.superseded_by) == ("Idle", "Superseded", f"../free.{moved.session_id}")
    assert second.state == "Waiting"
    assert grid.results == ["moved"]


def test_its_number_goes_on_from_the_one_that_it_had_and_the_key_stays_its_clients(grid: Grid) -> None:
    [waiting] = grid.wait_at("full", owner=OWNER)
    grid.free("free")

    grid.look()

    [request] = grid["free"].asked("POST /charge")
    assert request.number == (*waiting.number, 0, 88, 0)
    assert request.headers["smartgrid-key-digest"] == digest("key-1", OWNER)
    assert request.headers["smartgrid-owner"] == OWNER
    assert request.headers["smartgrid-wait"] == "no"
    assert "idempotency-key" not in request.headers
    assert b"wait" not in request.body


def test_a_repeat_finds_the_moved_session_at_once(grid: Grid) -> None:
    grid.wait_at("full")
    grid.free("free")
    grid.look()

    placed = grid.parts.place_or_wait("key-1", (9_000,))

    [moved] = grid["free"].charging()
    assert (placed.session["session_id"], placed.replayed) == (f"free.{moved.session_id}", True)
    assert placed.look_again_s is None


def test_as_many_are_moved_as_there_is_room_for(grid: Grid) -> None:
    grid.wait_at("full", 5)
    grid.free("free", room_kw=3.0)

    grid.look()

    assert (len(grid["free"].charging()), len(grid["full"].waiting())) == (3, 2)


def test_a_list_of_a_drained_substation_goes_first(grid: Grid) -> None:
    grid.wait_at("full", 3)
    grid.wait_at("other", 1)
    grid["other"].fill(draining=True)
    grid.parts.see(grid["other"])
    grid.free("free", room_kw=1.5)

    grid.look()

    assert (len(grid["other"].waiting()), len(grid["full"].waiting())) == (0, 3)


def test_the_directory_has_one_session_of_the_owner_in_the_end(grid: Grid) -> None:
    grid.wait_at("full", owner=OWNER)
    grid.free("free")

    grid.look()

    entries = grid.parts.directory.entries(digest("key-1", OWNER))
    assert sorted((each.superseded, each.use) for each in entries) == [(False, OwnUse(OWNER, 11)), (True, None)]


# ---------------------------------------------------------------------- what is not moved


def test_while_no_one_has_room_no_list_is_read(grid: Grid) -> None:
    grid.wait_at("full", 2)

    grid.look()

    assert [stub.asked("GET /waiting") for stub in grid.stubs] == [[], [], []]


def test_where_cars_wait_themselves_none_is_moved_to(grid: Grid) -> None:
    grid.wait_at("full")
    grid.wait_at("other")
    grid["other"].set_load(0.0)
    grid.parts.see(grid["other"])

    grid.look()

    assert grid.results == []


def test_a_car_that_fits_nowhere_keeps_its_place_and_a_later_one_that_fits_goes(grid: Grid) -> None:
    grid["full"].forecast_s = 1.0
    body = b'{"vehicle_id": "EV-L", "energy_kwh": 10, "max_power_kw": 50, "min_power_kw": 50, "wait": true}'
    grid.parts.placement.place(Car(body, PowerRange(50, 50), "large", (900,), wants_to_wait=True, may_wait=True))
    grid.wait_at("full")
    grid.free("free", room_kw=20)

    grid.look()

    assert [each.vehicle_id for each in grid["full"].waiting()] == ["EV-L"]
    assert len(grid["free"].charging()) == 1


def test_a_car_whose_session_is_elsewhere_by_now_is_left_alone(grid: Grid) -> None:
    """Another balancer has moved it, and its list is not told yet."""
    [waiting] = grid.wait_at("full")
    grid.parts.directory.note("other", KeyEntry(waiting.digest, (*waiting.number, 0, 99, 0), "there"))
    grid.free("free")

    grid.look()

    assert grid["free"].asked("POST /charge") == []


def test_a_car_whose_client_is_just_asking_for_it_is_left_alone(grid: Grid) -> None:
    [waiting] = grid.wait_at("full")
    grid.free("free")

    with grid.keys.holding(waiting.digest, 1.0):
        grid.look()
    assert grid["free"].asked("POST /charge") == []

    grid.look(LONGEST_PAUSE_S)
    assert grid.results == ["moved"]


def absurd(**changes: object) -> Script:
    async def script(substation: ScriptedSubstation, request: Request) -> Response:
        response = await substation.do(request)
        response.body["cars"] = [{**each, **changes} for each in response.body["cars"]]
        return response

    return script


async def plugged_in(substation: ScriptedSubstation, request: Request) -> Response:
    """Its cars are, so they cannot be moved; no substation lists such."""
    response = await substation.do(request)
    for each in response.body["cars"]:
        each["body"]["charger"] = {"charger": "CP-1", "connector": 1}
    return response


@pytest.mark.parametrize(
    "script",
    [
        absurd(digest="short"),
        absurd(number="1.2.x"),
        absurd(number="9000000000000000"),
        absurd(session_id="../etc"),
        absurd(fingerprint="B" * 16),
        absurd(owner="me"),
        absurd(body={}),
        plugged_in,
        absurd(number=".".join(["9000"] * numbers.MAX_PARTS)),
        answers(Response(200, {"cars": {}})),
        answers(Response(200, raw=b"[")),
        answers(Response(404, {})),
        silence,
    ],
)
def test_of_a_list_that_cannot_be_no_car_is_moved(grid: Grid, script: Script) -> None:
    grid.wait_at("full")
    grid.free("free")
    grid["full"].scripts["GET /waiting"] = script

    grid.look()

    assert grid["free"].asked("POST /charge") == []


def test_a_list_of_which_the_first_twenty_fit_nowhere_is_read_to_its_end(grid: Grid) -> None:
    *large, small = grid.wait_at("full", 21)
    for each in large:
        each.body = b'{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 60, "min_power_kw": 50}'
    grid.free("free", room_kw=40)

    grid.look()

    assert [each.digest for each in grid["free"].charging()] == [small.digest]


# ---------------------------------------------------------------------- what may go wrong


def test_a_list_from_which_nothing_can_be_moved_is_left_alone_for_a_while_or_until_there_is_more_room(
    grid: Grid,
) -> None:
    grid.wait_at("full")
    grid.free("free", room_kw=5)
    grid["free"].scripts["POST /charge"] = answers(problem(429, "quota-exceeded"))
    grid.look()
    grid.look()
    assert len(grid["full"].asked("GET /waiting")) == 1

    grid.look(LONGEST_PAUSE_S)
    assert len(grid["full"].asked("GET /waiting")) == 2
    grid.free("free", room_kw=50)
    grid.look()

    assert len(grid["full"].asked("GET /waiting")) == 3
    assert grid.results == ["refused"] * 3


@pytest.mark.parametrize("script", [done_but_lost, silence], ids=["lost", "silence"])
def test_a_move_of_unknown_outcome_is_not_tried_elsewhere_and_the_car_keeps_its_place(
    grid: Grid, script: Script
) -> None:
    [waiting] = grid.wait_at("full")
    grid.free("free")
    grid["free"].scripts["POST /charge"] = script

    grid.look()

    assert grid.results == ["unknown"]
    assert waiting.state == "Waiting"
    assert grid["other"].asked("POST /charge") == []
    assert not grid.parts.fleet.is_in_rotation("free")


def test_a_move_whose_answer_was_lost_is_settled_as_soon_as_the_log_tells_of_it(grid: Grid) -> None:
    [waiting] = grid.wait_at("full")
    grid.free("free")
    grid["free"].scripts["POST /charge"] = done_but_lost
    grid.look()
    [moved] = grid["free"].charging()

    grid.parts.directory.note("free", KeyEntry(moved.digest, moved.number, moved.session_id))
    Comparer(grid.parts.fleet, grid.parts.directory).look(time.monotonic())

    assert (waiting.end_reason, moved.state) == ("Superseded", "Charging")


def test_two_moves_of_one_car_to_two_substations_leave_one_session(grid: Grid) -> None:
    """Of two balancers: this one had not heard of the other's."""
    [waiting] = grid.wait_at("full")
    grid.free("free")
    elsewhere = grid["other"].put("key-1", (*waiting.number, 0, 99, 5))
    grid.look()
    [moved] = grid["free"].charging()

    grid.parts.directory.note("other", KeyEntry(waiting.digest, (*waiting.number, 0, 99, 5), elsewhere))
    Comparer(grid.parts.fleet, grid.parts.directory).look(time.monotonic())

    assert [len(stub.charging()) + len(stub.waiting()) for stub in grid.stubs] == [0, 0, 1]
    assert moved.end_reason == "Superseded"


def meanwhile(grid: Grid, waiting: Held, what: Callable[[], None]) -> None:
    """While the car is moved, this happens where it waits, and this balancer reads of it."""

    async def script(substation: ScriptedSubstation, request: Request) -> Response:
        what()
        response = await substation.do(request)
        grid.parts.directory.note("full", KeyEntry(waiting.digest, waiting.number, waiting.session_id))
        return response

    grid["free"].scripts["POST /charge"] = script
    grid.look()


def test_a_car_that_is_stopped_while_it_is_moved_does_not_charge(grid: Grid) -> None:
    [waiting] = grid.wait_at("full")
    grid.free("free")

    meanwhile(grid, waiting, lambda: grid["full"].end(waiting.session_id))

    [moved] = grid["free"].sessions.values()
    assert (waiting.end_reason, waiting.superseded_by) == ("Stopped", "")
    assert (moved.end_reason, moved.superseded_by) == ("Superseded", f"../full.{waiting.session_id}")
    assert grid.parts.directory.contested() == []


def test_a_car_that_begins_to_charge_while_it_is_moved_goes_on_where_it_is(grid: Grid) -> None:
    [waiting] = grid.wait_at("full")
    grid.free("free")

    meanwhile(grid, waiting, lambda: grid["full"].begin(waiting.session_id))

    assert waiting.state == "Charging"
    assert [each.end_reason for each in grid["free"].sessions.values()] == ["Superseded"]


def test_one_that_has_begun_or_ended_since_its_list_was_read_is_left_alone(grid: Grid) -> None:
    [waiting] = grid.wait_at("full")
    settled = numbers.settled(waiting.number)
    grid.parts.directory.note("full", KeyEntry(waiting.digest, settled, waiting.session_id))
    grid.free("free")

    grid.look()

    assert grid["free"].asked("POST /charge") == []


def test_where_the_key_has_a_session_already_the_directory_keeps_the_number_that_it_has(grid: Grid) -> None:
    """Another balancer's move, of before the client repeated its key. The one that waits counts, and stays."""
    [waiting] = grid.wait_at("full")
    grid.free("free")
    earlier = grid["free"].put("key-1", (500, 0, 99, 0))

    grid.look()
    grid.parts.directory.note("free", KeyEntry(waiting.digest, (500, 0, 99, 0), earlier))
    Comparer(grid.parts.fleet, grid.parts.directory).look(time.monotonic())

    assert grid.results == ["refused"]
    assert waiting.state == "Waiting"
    assert [each.end_reason for each in grid["free"].sessions.values()] == ["Superseded"]


def test_a_client_that_repeats_while_its_car_is_moved_keeps_its_place(grid: Grid) -> None:
    """Through another balancer: the repeat has the greater number, and its client is told of the one that waits."""
    [waiting] = grid.wait_at("full")
    grid.free("free")

    meanwhile(grid, waiting, lambda: setattr(waiting, "number", (7_000, 0, 99)))

    assert waiting.state == "Waiting"
    assert [each.end_reason for each in grid["free"].sessions.values()] == ["Superseded"]
