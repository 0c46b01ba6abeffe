"""The fleet as all threads of the balancer share it: who is in it, who is in rotation, and who is away."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from smartgrid.balancer import live_fleet as live_fleet_module
from smartgrid.balancer.changes import Changes
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import Choice, LiveFleet, Substation
from smartgrid.balancer.slowness import JUDGED_FROM
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header

THREADS = 16
CARS_EACH = 150
NAMES = [f"substation-{i}" for i in range(5)]
POWER = PowerRange(1, 1)


def new_fleet(names: list[str], **options: object) -> LiveFleet:
    rng = random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng), **options)  # type: ignore[arg-type]
    for name in names:
        fleet.join(member(name))
    return fleet


def member(name: str, port: int = 1) -> Member:
    return Member(name, f"http://127.0.0.1:{port}")


def header(name: str, revision: int, committed_kw: float = 0.0, sessions: int = 0) -> str:
    status = Status(
        capacity_kw=100.0,
        load_kw=committed_kw,
        committed_kw=committed_kw,
        demand_kw=committed_kw,
        active_sessions=sessions,
        revision=revision,
        next_release_s=None,
        largest_free_kw=100.0 - committed_kw,
    )
    return status_header.encode(name, status, None)


def with_a_full_one_beside(name: str) -> LiveFleet:
    fleet = new_fleet([name, "full"])
    fleet.saw(substation(fleet, name), header(name, 1))
    fleet.saw(substation(fleet, "full"), header("full", 1, committed_kw=100.0))
    return fleet


def substation(fleet: LiveFleet, name: str) -> Substation:
    found = fleet.substation(name)
    assert found is not None
    return found


def reserved_kw(fleet: LiveFleet) -> list[float]:
    return [kw for seen in fleet.seen() for kw in (seen.view.reserved_min_kw, seen.view.reserved_max_kw)]


def test_no_reservation_is_left_however_the_attempts_of_many_threads_end() -> None:
    fleet, revision, lock = new_fleet(NAMES), [1], threading.Lock()
    for name in NAMES:
        fleet.saw(substation(fleet, name), header(name, 0))

    def next_revision() -> int:
        with lock:
            revision[0] += 1
            return revision[0]

    def end(choice: Choice, rng: random.Random) -> None:
        name = choice.substation.name
        outcome = rng.randrange(6)
        if outcome == 0:
            fleet.give_up(choice)
            fleet.saw(choice.substation, header(name, next_revision()))  # it answers again
        elif outcome == 1:
            fleet.settle(choice, None)
        elif outcome == 2:
            fleet.settle(choice, header(name, 1))  # an old answer that comes late
        elif outcome == 3:
            fleet.leave(name)
            fleet.join(member(name))
            joined = fleet.substation(name)
            if joined is not None:  # another thread may have taken it out again
                fleet.saw(joined, header(name, next_revision()))
            fleet.settle(choice, header(name, next_revision()))
        else:
            fleet.settle(choice, header(name, next_revision()))

    def cars(number: int) -> int:
        rng, placed = random.Random(number), 0
        for _ in range(CARS_EACH):
            choice = fleet.choose(PowerRange(rng.choice((1.4, 4.1)), 11.0), [])
            if choice is not None:
                placed += 1
                end(choice, rng)
        return placed

    with ThreadPoolExecutor(THREADS) as pool:
        placed = sum(pool.map(cars, range(THREADS)))

    assert placed
    assert set(reserved_kw(fleet)) == {0.0}
    assert fleet.size() == len(NAMES)


def test_choosing_and_reserving_is_one_step() -> None:
    """With room for one car each, no two of many threads are sent to the same substation for as long as another is
    free."""
    fleet = new_fleet([f"substation-{i}" for i in range(THREADS)])
    for each in fleet.substations():
        fleet.saw(each, header(each.name, 1))
    barrier = threading.Barrier(THREADS)

    def choose(_: int) -> Choice | None:
        barrier.wait(30)
        return fleet.choose(PowerRange(100.0, 100.0), [])

    with ThreadPoolExecutor(THREADS) as pool:
        choices = list(pool.map(choose, range(THREADS)))

    assert len({choice.substation.name for choice in choices if choice is not None}) == THREADS
    for choice in choices:
        if choice is not None:
            fleet.give_up(choice)
    assert set(reserved_kw(fleet)) == {0.0}


def test_a_view_never_goes_back_in_time() -> None:
    fleet = new_fleet(["one"])
    fleet.saw(substation(fleet, "one"), header("one", 7, committed_kw=70.0, sessions=7))

    fleet.saw(substation(fleet, "one"), header("one", 6, committed_kw=60.0, sessions=6))

    [seen] = fleet.seen()
    assert seen.view.status is not None
    assert (seen.view.status.revision, seen.view.status.active_sessions) == (7, 7)


# ---------------------------------------------------------------------- in rotation


def test_in_rotation_until_three_polls_are_missed_and_back_with_any_answer() -> None:
    fleet = with_a_full_one_beside("one")
    states = []
    for _ in range(3):
        fleet.missed(substation(fleet, "one"))
        states.append(fleet.is_in_rotation("one"))
    assert states == [True, True, False]
    assert fleet.choose(POWER, []) is None

    fleet.saw(substation(fleet, "one"), None)

    assert fleet.choose(POWER, []) is not None


def test_one_request_that_is_not_answered_takes_it_out_of_rotation() -> None:
    fleet = with_a_full_one_beside("one")

    fleet.unanswered(substation(fleet, "one"))

    assert fleet.choose(POWER, []) is None


def test_a_new_address_is_in_rotation_for_the_router_as_for_whoever_looks() -> None:
    fleet = new_fleet(["one"])
    fleet.saw(substation(fleet, "one"), header("one", 1))
    fleet.unanswered(substation(fleet, "one"))

    fleet.join(member("one", 2))

    [seen] = fleet.seen()
    assert seen.in_rotation
    assert fleet.choose(POWER, []) is not None


def test_an_answer_from_an_old_address_says_nothing_of_the_new_one() -> None:
    fleet = with_a_full_one_beside("one")
    old = substation(fleet, "one")
    fleet.join(member("one", 2))
    fleet.unanswered(substation(fleet, "one"))

    fleet.saw(old, header("one", 2, committed_kw=70.0))

    assert fleet.out_of_rotation() == 1
    assert fleet.choose(POWER, []) is None
    status = fleet.status_of("one")
    assert status is not None
    assert status.committed_kw == 0


# ---------------------------------------------------------------------- when many are out at once


def with_out_of(names: list[str], out: int) -> LiveFleet:
    """All are full but those that do not answer."""
    fleet = new_fleet(names)
    for position, name in enumerate(names):
        fleet.saw(substation(fleet, name), header(name, 1, committed_kw=0.0 if position < out else 100.0))
        if position < out:
            fleet.unanswered(substation(fleet, name))
    return fleet


def test_where_more_than_half_are_out_they_are_asked_before_a_car_is_refused() -> None:
    fleet = with_out_of(NAMES, 3)
    asked: list[str] = []
    while (choice := fleet.choose(POWER, asked)) is not None:
        asked.append(choice.substation.name)
        fleet.give_up(choice)
    assert sorted(asked) == NAMES[:3]


def test_where_half_or_less_are_out_a_car_is_refused() -> None:
    assert with_out_of(NAMES[:4], 2).choose(POWER, []) is None


def test_those_that_answer_come_first() -> None:
    fleet = with_out_of(NAMES, 3)
    fleet.saw(substation(fleet, NAMES[4]), header(NAMES[4], 2))
    choice = fleet.choose(POWER, [])
    assert choice is not None
    assert choice.substation.name == NAMES[4]


def test_each_that_is_out_is_asked_by_one_car_at_a_time() -> None:
    fleet = with_out_of(NAMES, 3)
    under_way = [fleet.choose(POWER, []) for _ in range(4)]
    assert sorted(each.substation.name for each in under_way if each) == NAMES[:3]

    assert under_way[0] is not None
    fleet.give_up(under_way[0], failed=True)

    again = fleet.choose(POWER, [])
    assert again is not None
    assert again.substation is under_way[0].substation


def test_one_that_answers_such_a_car_is_in_rotation_again() -> None:
    fleet = with_out_of(NAMES, 3)
    choice = fleet.choose(POWER, [])
    assert choice is not None
    name = choice.substation.name

    fleet.settle(choice, header(name, 2))

    assert fleet.is_in_rotation(name)


# ---------------------------------------------------------------------- slow ones


def answer_cars(fleet: LiveFleet, name: str, took_s: float) -> None:
    others = [each for each in NAMES if each != name]
    for _ in range(JUDGED_FROM):
        choice = fleet.choose(POWER, others)
        assert choice is not None
        fleet.settle(choice, None, took_s=took_s)


def test_one_that_is_slow_is_asked_last() -> None:
    fleet = new_fleet(NAMES)
    for name in reversed(NAMES):
        fleet.saw(substation(fleet, name), header(name, 1, committed_kw=0.0 if name == NAMES[0] else 50.0))
        answer_cars(fleet, name, 0.7 if name == NAMES[0] else 0.01)

    asked: list[str] = []
    while (choice := fleet.choose(POWER, asked)) is not None:
        asked.append(choice.substation.name)

    assert fleet.slow() == {NAMES[0]}
    assert sorted(asked) == NAMES
    assert asked[-1] == NAMES[0]
    assert fleet.is_in_rotation(NAMES[0])


def test_one_that_comes_back_at_another_address_is_not_slow() -> None:
    fleet = new_fleet(NAMES)
    for name in reversed(NAMES):
        fleet.saw(substation(fleet, name), header(name, 1))
        answer_cars(fleet, name, 0.7 if name == NAMES[0] else 0.01)
    assert fleet.slow()

    fleet.join(member(NAMES[0], 2))

    assert fleet.slow() == set()


# ---------------------------------------------------------------------- away


def test_one_that_leaves_is_away_and_no_more_when_it_is_back() -> None:
    fleet = new_fleet(["one", "two"])
    assert not fleet.is_away("one")

    fleet.leave("one")
    assert (fleet.is_away("one"), fleet.away(), fleet.substation("one")) == (True, ["one"], None)

    fleet.join(member("one", 7))
    assert (fleet.is_away("one"), fleet.away()) == (False, [])


def test_one_that_is_away_gets_no_cars_and_is_not_counted() -> None:
    fleet = new_fleet(["one"])
    fleet.saw(substation(fleet, "one"), header("one", 1))

    fleet.leave("one")

    assert fleet.choose(POWER, []) is None
    assert (fleet.size(), fleet.totals().capacity_kw) == (0, 0)


def test_a_name_that_was_never_in_the_fleet_is_not_away() -> None:
    fleet = new_fleet(["one"])
    fleet.leave("stranger")
    assert not fleet.is_away("stranger")


def test_one_that_has_been_away_for_its_time_is_forgotten_and_that_is_told_once() -> None:
    forgotten: list[str] = []
    fleet = new_fleet(["one"], away_life_s=0.0, on_forgotten=forgotten.append)

    fleet.leave("one")

    assert not fleet.is_away("one")
    assert fleet.away() == []
    assert forgotten == ["one"]


def test_those_that_are_away_are_bounded_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_fleet_module, "MAX_AWAY", 3)
    fleet = new_fleet(NAMES)

    for name in NAMES:
        fleet.leave(name)

    assert fleet.away() == NAMES[2:]


# ---------------------------------------------------------------------- waiting, and readiness


def test_a_wait_for_a_change_ends_with_it_and_with_the_service() -> None:
    changes = Changes()
    fleet = new_fleet(["one"], on_change=changes.notify)
    revision = fleet.totals().revision
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(changes.wait_for, lambda: fleet.totals().revision > revision, 60)
        fleet.saw(substation(fleet, "one"), header("one", 1))
        waiting.result(30)
        waiting = pool.submit(changes.wait_for, lambda: False, 60)
        changes.end()
        waiting.result(30)


def test_readiness_waits_for_status_and_keys_of_the_first_members_only() -> None:
    fleet = new_fleet(["one"])
    assert fleet.not_seen() == "one has not been asked yet"
    fleet.saw(substation(fleet, "one"), header("one", 1))
    assert fleet.not_seen() == "the keys of one are not all read yet"
    substation(fleet, "one").keys_known = True
    assert fleet.not_seen() is None

    fleet.join(member("two"))

    assert fleet.not_seen() is None


def test_readiness_does_not_wait_for_one_that_does_not_answer() -> None:
    fleet = new_fleet(["one"])

    fleet.unanswered(substation(fleet, "one"))

    assert fleet.not_seen() is None
