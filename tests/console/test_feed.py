"""What the console is told, without a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
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
from support.processes import wait_until

STATUS = Status(100.0, 61.256, 40.0, 142.0, 7, 3, None, 60.0)


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
        "age_s": 10.0,
    }


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
    clock = iter((0.0, 0.1, 0.3, 0.3))
    made: Iterator[bytes] = iter((b"first", b"second"))
    cached = Cached(lambda: next(made), 0.2, lambda: next(clock))

    assert [cached.get(), cached.get(), cached.get()] == [b"first", b"first", b"second"]


def test_many_viewers_at_once_cost_one_answer() -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        time.sleep(0.05)
        return b"answer"

    cached = Cached(make, 60.0)
    threads = [threading.Thread(target=cached.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_an_answer_that_fails_is_not_kept() -> None:
    answers = iter((ValueError("silent"), b"answer"))

    def make() -> bytes:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    cached = Cached(make, 60.0)
    with pytest.raises(ValueError, match="silent"):
        cached.get()

    assert cached.get() == b"answer"


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
