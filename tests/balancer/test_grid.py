"""The fleet as all threads of the balancer share it."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.grid import Choice, Entry, Grid
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header

THREADS = 16
CARS_EACH = 150
NAMES = [f"substation-{i}" for i in range(5)]


def new_grid(names: list[str]) -> Grid:
    rng = random.Random(1)
    grid = Grid(Fleet(make_policy("least-loaded", rng), rng))
    for name in names:
        grid.join(Member(name, "http://127.0.0.1:1"))
    return grid


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


def entry(grid: Grid, name: str) -> Entry:
    found = grid.entry(name)
    assert found is not None
    return found


def reserved_kw(grid: Grid) -> list[float]:
    return [kw for seen in grid.seen() for kw in (seen.view.reserved_min_kw, seen.view.reserved_max_kw)]


def test_no_reservation_is_left_however_the_attempts_of_many_threads_end() -> None:
    grid, revision, lock = new_grid(NAMES), [1], threading.Lock()
    for name in NAMES:
        grid.saw(entry(grid, name), header(name, 0))

    def next_revision() -> int:
        with lock:
            revision[0] += 1
            return revision[0]

    def end(choice: Choice, rng: random.Random) -> None:
        name = choice.entry.member.name
        outcome = rng.randrange(6)
        if outcome == 0:
            grid.give_up(choice)
            grid.saw(choice.entry, header(name, next_revision()))  # it answers again
        elif outcome == 1:
            grid.settle(choice, None)
        elif outcome == 2:
            grid.settle(choice, header(name, 1))  # an old answer that comes late
        elif outcome == 3:
            grid.leave(name)
            grid.join(Member(name, "http://127.0.0.1:1"))
            joined = grid.entry(name)
            if joined is not None:  # another thread may have taken it out again
                grid.saw(joined, header(name, next_revision()))
            grid.settle(choice, header(name, next_revision()))
        else:
            grid.settle(choice, header(name, next_revision()))

    def cars(number: int) -> int:
        rng, placed = random.Random(number), 0
        for _ in range(CARS_EACH):
            choice = grid.choose(PowerRange(rng.choice((1.4, 4.1)), 11.0), [])
            if choice is not None:
                placed += 1
                end(choice, rng)
        return placed

    with ThreadPoolExecutor(THREADS) as pool:
        placed = sum(pool.map(cars, range(THREADS)))

    assert placed
    assert set(reserved_kw(grid)) == {0.0}
    assert grid.size() == len(NAMES)


def test_choosing_and_reserving_is_one_step() -> None:
    grid = new_grid(["one"])
    grid.saw(entry(grid, "one"), header("one", 1))

    with ThreadPoolExecutor(THREADS) as pool:
        choices = list(pool.map(lambda _: grid.choose(PowerRange(11.0, 11.0), []), range(THREADS)))

    surely_fit = [choice for choice in choices if choice is not None][:9]
    assert len(surely_fit) == 9
    for choice in choices:
        if choice is not None:
            grid.give_up(choice)
    assert set(reserved_kw(grid)) == {0.0}


def test_a_view_never_goes_back_in_time() -> None:
    grid = new_grid(["one"])
    grid.saw(entry(grid, "one"), header("one", 7, committed_kw=70.0, sessions=7))

    grid.saw(entry(grid, "one"), header("one", 6, committed_kw=60.0, sessions=6))

    [seen] = grid.seen()
    assert seen.view.status is not None
    assert (seen.view.status.revision, seen.view.status.active_sessions) == (7, 7)


def test_in_rotation_until_three_polls_are_missed_and_back_with_any_answer() -> None:
    grid = new_grid(["one"])
    grid.saw(entry(grid, "one"), header("one", 1))
    states = []
    for _ in range(3):
        grid.missed(entry(grid, "one"), refused=False)
        states.append(grid.out_of_rotation() == 0)
    assert states == [True, True, False]
    assert grid.choose(PowerRange(1, 1), []) is None

    grid.saw(entry(grid, "one"), None)

    assert grid.choose(PowerRange(1, 1), []) is not None


def test_one_refused_connection_takes_it_out_of_rotation() -> None:
    grid = new_grid(["one"])
    grid.saw(entry(grid, "one"), header("one", 1))

    grid.missed(entry(grid, "one"), refused=True)

    assert grid.choose(PowerRange(1, 1), []) is None


def test_an_answer_from_an_old_address_says_nothing_of_the_new_one() -> None:
    grid = new_grid(["one"])
    old = entry(grid, "one")
    grid.saw(old, header("one", 1))
    grid.join(Member("one", "http://127.0.0.1:2"))
    grid.missed(entry(grid, "one"), refused=True)

    grid.saw(old, None)

    assert grid.out_of_rotation() == 1
    assert grid.choose(PowerRange(1, 1), []) is None


def test_a_wait_for_a_change_ends_with_it_and_with_the_service() -> None:
    grid = new_grid(["one"])
    revision = grid.totals().revision
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(grid.wait_for_change, revision, 60)
        grid.saw(entry(grid, "one"), header("one", 1))
        assert waiting.result(30).revision > revision
        waiting = pool.submit(grid.wait_for_change, 2**62, 60)
        grid.wake()
        assert waiting.result(30).capacity_kw == 100


def test_readiness_waits_for_the_first_members_only() -> None:
    grid = new_grid(["one"])
    assert grid.not_seen() == "one has not been asked yet"
    grid.missed(entry(grid, "one"), refused=True)
    assert grid.not_seen() is None

    grid.join(Member("two", "http://127.0.0.1:2"))

    assert grid.not_seen() is None
