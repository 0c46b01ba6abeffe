"""What the console is told, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from smartgrid.balancer.console.cached import Cached
from smartgrid.balancer.console.feed import COLUMNS, feed
from smartgrid.balancer.console.history import COLUMNS as COLUMNS_OF_A_SAMPLE
from smartgrid.balancer.console.history import History, sample
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import Seen
from smartgrid.domain.fleet import View
from smartgrid.domain.status import Status
from smartgrid.web import problems
from smartgrid.web.problems import ProblemError
from support.processes import wait_until

STATUS = Status(100.0, 61.256, 40.0, 142.0, 7, 3, None, 60.0, waiting_sessions=3, waiting_kw=33.5)


def seen(status: Status | None, *, in_rotation: bool = True, updated_at_s: float | None = 90.0) -> Seen:
    view = View("substation-0", status, 0.0, 0.0, updated_at_s, in_rotation)
    return Seen(Member("substation-0", "http://127.0.0.1:1"), view)


def row(each: Seen) -> dict[str, object]:
    found = feed("balancer", [each], admitted=5, rejected=1, now_s=100.0, max_age_s=69.0)
    return dict(zip(COLUMNS, found["substations"][0], strict=True))


def test_a_row_has_what_a_bar_needs() -> None:
    assert row(seen(STATUS)) == {
        "name": "substation-0",
        "state": "Available",
        "capacity_kw": 100.0,
        "load_kw": 61.26,
        "committed_kw": 40.0,
        "demand_kw": 142.0,
        "sessions": 7,
        "waiting": 3,
        "waiting_kw": 33.5,
        "age_s": 10.0,
        "booked_kw": None,
        "metered_kw": None,
        "overbooked_kw": None,
    }


def test_a_row_says_what_chargers_may_draw_above_the_capacity() -> None:
    found = row(seen(replace(STATUS, booked_kw=121.9, metered_kw=119.504, overbooked_kw=21.9)))
    assert (found["booked_kw"], found["metered_kw"], found["overbooked_kw"]) == (121.9, 119.5, 21.9)


def test_a_substation_that_has_not_answered_yet_has_no_numbers() -> None:
    found = row(seen(None, updated_at_s=None))

    assert (found["state"], found["load_kw"], found["age_s"]) == ("Unknown", None, None)


def test_one_that_does_not_answer_keeps_its_last_numbers_and_says_so() -> None:
    found = row(seen(STATUS, in_rotation=False))

    assert (found["state"], found["load_kw"]) == ("Silent", 61.26)


def test_one_that_is_about_to_end_says_so() -> None:
    draining = Status(100.0, 61.0, 40.0, 142.0, 7, 3, None, 60.0, draining=True)

    assert row(seen(draining))["state"] == "Draining"


def test_viewers_share_an_answer_while_it_lives() -> None:
    clock = Clock()
    made: Iterator[bytes] = iter((b"first", b"second"))
    cached = Cached(lambda: next(made), 0.2, clock)

    assert [cached.get() for clock.now_s in (0.0, 0.1, 0.3, 0.3)] == [b"first", b"first", b"second", b"second"]


def test_while_one_is_being_made_no_one_waits_for_it() -> None:
    begun, go, clock = threading.Event(), threading.Event(), Clock()
    answers = iter((b"first", b"second"))

    def make() -> bytes:
        begun.set()
        assert go.wait(30)
        return next(answers)

    cached = Cached(make, 1.0, clock)
    with ThreadPoolExecutor(1) as threads:
        making = threads.submit(cached.get)
        assert begun.wait(30)
        with pytest.raises(ProblemError) as told:
            cached.get()
        go.set()
        assert making.result(30) == b"first"
        assert (told.value.status, told.value.code) == (503, "overloaded")

        begun.clear()
        go.clear()
        clock.now_s = 1.0
        making = threads.submit(cached.get)
        assert begun.wait(30)
        assert cached.get() == b"first"
        go.set()
        assert making.result(30) == b"second"


def test_a_failure_is_kept_too_for_its_time() -> None:
    clock = Clock()
    made = iter((problems.not_found("substation"), b"answer"))

    def make() -> bytes:
        found = next(made)
        if isinstance(found, Exception):
            raise found
        return found

    cached = Cached(make, 60.0, clock, failure_life_s=2.0)
    for clock.now_s in (0.0, 1.9):
        with pytest.raises(ProblemError) as told:
            cached.get()
        assert told.value.status == 404

    clock.now_s = 2.0
    assert cached.get() == b"answer"


def test_a_fault_of_ours_is_not_kept() -> None:
    made = iter((ValueError("a fault"), b"answer"))

    def make() -> bytes:
        found = next(made)
        if isinstance(found, Exception):
            raise found
        return found

    cached = Cached(make, 60.0)
    with pytest.raises(ValueError, match="a fault"):
        cached.get()

    assert cached.get() == b"answer"


class Clock:
    """Is where a test sets it."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_history_takes_samples_by_itself() -> None:
    with History(lambda: sample(STATUS, 5, 1)) as history:
        wait_until(lambda: bool(history.samples()), 20, "a first sample")

    assert history.samples()[0] == (61.26, 40.0, 142.0, 100.0, 5, 1)


def test_history_keeps_the_last_samples_and_no_more() -> None:
    admitted = count(1)
    history = History(lambda: sample(STATUS, next(admitted), 0), interval_s=0.001, length=3)

    with history:
        wait_until(lambda: numbers_of_admitted(history)[-1:] > [5], 20, "more samples than it keeps")

    kept = numbers_of_admitted(history)
    assert kept == [kept[-1] - 2, kept[-1] - 1, kept[-1]]


def numbers_of_admitted(history: History) -> list[int]:
    return [row[COLUMNS_OF_A_SAMPLE.index("admitted")] for row in history.samples()]
