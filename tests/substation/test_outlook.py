"""Expected starts are run forward once, for all who ask, until something happens that was not to be foreseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smartgrid.domain.substation import Substation
from smartgrid.domain.waiting_list import RULES, WaitingCar, WaitingList
from smartgrid.substation import outlook as outlook_module
from smartgrid.substation.book import Copies
from smartgrid.substation.outlook import Outlook
from support.books import Books, SetClock, a_car

HOUR_S = 3600.0
LONGEST_S = 30.0


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path, SetClock())
    yield books
    books.close()


def surprises(books: Books) -> int:
    return books.ledger._book.surprises


def test_what_was_to_be_foreseen_is_no_surprise(books: Books) -> None:
    books.charge(a_car(80, 80, 80))
    first, second = (books.wait(a_car(80, 80, 80)).record.session_id for _ in range(2))
    before = surprises(books)
    books.clock.pass_s(1.5 * HOUR_S)
    states = [record.state for each in (first, second) if (record := books.record(each))]
    assert (states, surprises(books)) == (["Charging", "Waiting"], before)


def test_whatever_moves_a_start_is_a_surprise(books: Books) -> None:
    charging = books.charge(a_car(50, 50, 80)).record.session_id
    waiting = [books.wait(a_car(80, 80, 80)).record.session_id for _ in range(2)]
    for change in (
        lambda: books.charge(a_car(10, 10, 1)),
        lambda: books.ledger.set_capacity(99),
        lambda: books.ledger.set_draining(True),
        lambda: books.ledger.set_draining(False),
        lambda: books.ledger.supersede(waiting[0], (2**60,), "../s1.x"),
        lambda: books.ledger.stop(charging),
    ):
        before = surprises(books)
        change()
        assert surprises(books) > before


class Line:
    """A substation in which one car waits for another; it counts how often it is copied."""

    def __init__(self) -> None:
        self.substation, self.line = Substation(100.0, 0.0), WaitingList(RULES["spare-backfill"])
        for name in ("a", "b"):
            self.line.join(WaitingCar(name, a_car(80, 80, 80), 0.0), self.substation)
        self.surprises, self.copied = 1, 0
        self.may_copy = threading.Event()
        self.may_copy.set()

    def copies(self, surprises: int | None) -> Copies | None:
        assert self.may_copy.wait(LONGEST_S)
        if surprises == self.surprises:
            return None
        self.copied += 1
        return Copies(self.line.copy(), self.substation.copy(), self.surprises)


def test_one_run_serves_all_until_there_is_a_surprise() -> None:
    line = Line()
    outlook = Outlook(line.copies)
    line.may_copy.clear()
    with ThreadPoolExecutor(5) as threads:
        found = [threads.submit(outlook.starts_s) for _ in range(5)]
        line.may_copy.set()
        assert {each.result(LONGEST_S)["b"] for each in found} == {HOUR_S}
    assert line.copied == 1
    line.surprises += 1
    outlook.starts_s()
    assert line.copied == 2


def test_nobody_waits_for_ever_for_the_run_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook_module, "PATIENCE_S", 0.01)
    line = Line()
    outlook = Outlook(line.copies)
    outlook.starts_s()
    line.may_copy.clear()
    line.surprises += 1
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(outlook.starts_s)
        while not outlook._right_to_run.locked():
            pass
        assert outlook.starts_s() == {"b": HOUR_S}  # as it was found last
        line.may_copy.set()
        running.result(LONGEST_S)
