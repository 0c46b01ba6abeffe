"""Commits without sessions: numbers that threads add to a list and write together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from smartgrid.substation.group_commit import GroupCommit, Outcome, Ticket
from support.processes import wait_until


class Numbers:
    """A state, and a disk that a test can stop or break."""

    def __init__(self, timeout_s: float = 30.0) -> None:
        self.lock = threading.Lock()
        self.pending: list[int] = []
        self.disk: list[list[int]] = []
        self.lost: list[int] = []
        self.broken = False
        self.may_write = threading.Event()
        self.may_write.set()
        self.commits: GroupCommit[list[int]] = GroupCommit(
            self.lock, take=self._take, write=self._write, written=lambda _: None, lost=self._lose, timeout_s=timeout_s
        )

    def add(self, number: int) -> Ticket:
        with self.lock:
            self.pending.append(number)
            return self.commits.join()

    def add_and_wait(self, number: int) -> Outcome:
        return self.commits.wait(self.add(number))

    def _take(self) -> list[int] | None:
        taken, self.pending = self.pending, []
        return taken or None

    def _write(self, numbers: list[int]) -> None:
        assert self.may_write.wait(30)
        if self.broken:
            raise OSError("the disk is broken")
        self.disk.append(numbers)

    def _lose(self, numbers: list[int], error: Exception) -> None:
        self.lost += [*numbers, *self.pending]
        self.pending = []


def is_writing(numbers: Numbers) -> Callable[[], bool]:
    return lambda: numbers.commits.under_way_s() > 0


def test_what_was_written_is_on_the_disk() -> None:
    numbers = Numbers()
    assert numbers.add_and_wait(1) is Outcome.WRITTEN
    assert numbers.disk == [[1]]
    assert numbers.commits.under_way_s() == 0


def test_nothing_to_write_is_written() -> None:
    numbers = Numbers()
    assert numbers.commits.wait(numbers.commits.join()) is Outcome.WRITTEN
    assert numbers.disk == []


def test_those_who_come_during_a_write_share_the_next() -> None:
    numbers = Numbers()
    numbers.may_write.clear()
    with ThreadPoolExecutor(11) as threads:
        first = threads.submit(numbers.add_and_wait, 0)
        wait_until(is_writing(numbers))
        others = [threads.submit(numbers.add_and_wait, n) for n in range(1, 11)]
        wait_until(lambda: len(numbers.pending) == 10)
        numbers.may_write.set()
        assert {first.result(10), *(other.result(10) for other in others)} == {Outcome.WRITTEN}
    assert [len(each) for each in numbers.disk] == [1, 10]


def test_a_failure_is_told_once_all_is_taken_back() -> None:
    numbers = Numbers()
    numbers.broken = True
    ticket = numbers.add(1)
    assert numbers.commits.wait(ticket) is Outcome.FAILED
    assert ticket.reason == "the disk is broken"
    assert numbers.lost == [1]


def test_a_failure_takes_those_who_came_meanwhile_with_it() -> None:
    numbers = Numbers()
    numbers.may_write.clear()
    numbers.broken = True
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(numbers.add_and_wait, 1)
        wait_until(is_writing(numbers))
        ticket = numbers.add(2)
        numbers.may_write.set()
        assert (first.result(10), numbers.commits.wait(ticket)) == (Outcome.FAILED, Outcome.FAILED)
    assert numbers.lost == [1, 2]


def test_after_a_failure_it_goes_on() -> None:
    numbers = Numbers()
    numbers.broken = True
    numbers.add_and_wait(1)
    numbers.broken = False
    assert numbers.add_and_wait(2) is Outcome.WRITTEN
    assert numbers.disk == [[2]]


def test_a_write_that_takes_too_long_has_an_unknown_outcome_until_it_has_one() -> None:
    numbers = Numbers(timeout_s=0.2)
    numbers.may_write.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(numbers.add_and_wait, 1)
        wait_until(is_writing(numbers))
        ticket = numbers.add(2)
        assert numbers.commits.wait(ticket) is Outcome.UNKNOWN
        assert ticket.outcome is Outcome.WAITING
        numbers.may_write.set()
        assert first.result(10) is Outcome.WRITTEN
        assert numbers.commits.wait(ticket) is Outcome.WRITTEN
    assert numbers.disk == [[1], [2]]


def test_no_one_waits_longer_than_the_write_has_been_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come to a disk that hangs already are told at once, so that they do not fill the server's threads."""
    numbers = Numbers(timeout_s=30.0)
    numbers.may_write.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(numbers.add_and_wait, 1)
        wait_until(is_writing(numbers))
        monkeypatch.setattr(numbers.commits, "under_way_s", lambda: 31.0)
        assert numbers.add_and_wait(2) is Outcome.UNKNOWN
        numbers.may_write.set()
        first.result(10)


def test_many_threads_lose_nothing() -> None:
    numbers = Numbers()
    with ThreadPoolExecutor(16) as threads:
        outcomes = set(threads.map(numbers.add_and_wait, range(500)))
    assert outcomes == {Outcome.WRITTEN}
    assert sorted(number for each in numbers.disk for number in each) == list(range(500))
