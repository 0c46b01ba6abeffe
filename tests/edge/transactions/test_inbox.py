"""The inbox on a real disk, with its real thread, and a process that is killed."""

from __future__ import annotations

import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smartgrid.edge.ports import CarState, ChargerId
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.inbox_file import KEPT_S, InboxFile, row_of
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.runtime.start_error import StartError

CHARGER = ChargerId("substation-0", "CP1")


def transaction(name: str, **more: object) -> Transaction:
    return Transaction(name, CHARGER, 1, name, "TAG", 1000.0, 5.0, **more)  # type: ignore[arg-type]


class Loop:
    """What is called back, in the order of the calls."""

    def __init__(self) -> None:
        self.calls: queue.Queue[Callable[[], None]] = queue.Queue()

    def soon(self, call: Callable[[], None]) -> None:
        self.calls.put(call)

    def run(self, count: int = 1) -> None:
        for _ in range(count):
            self.calls.get(timeout=30)()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def inbox(tmp_path: Path, loop: Loop) -> Iterator[Inbox]:
    found = Inbox(InboxFile(tmp_path), loop.soon)
    found.begin()
    yield found
    found.close()


def again(folder: Path) -> list[Transaction]:
    file = InboxFile(folder)
    found = file.load()
    file.close()
    return found


def test_what_was_kept_is_there_again_whole(tmp_path: Path) -> None:
    whole = transaction(
        "k1",
        session_id="s1",
        is_authorized=False,
        is_plugged=False,
        is_refused=True,
        is_orphan=True,
        energy_kwh=1.5,
        measured_wall_s=1100.0,
        is_session_register=True,
        seq_no=7,
        car=CarState.SUSPENDED_EV,
        ended_wall_s=1200.0,
        reason="EVDisconnected",
        is_end_delivered=True,
    )
    inbox = Inbox(InboxFile(tmp_path), lambda call: None)
    inbox.begin()
    inbox.keep([whole, transaction("k2")])
    inbox.close()
    assert sorted(again(tmp_path), key=lambda each: each.key) == [whole, transaction("k2")]


def test_who_keeps_is_told_once_it_is_on_the_disk(inbox: Inbox, loop: Loop, tmp_path: Path) -> None:
    told: list[bool] = []
    inbox.keep([transaction("k1")], told.append)
    loop.run()
    assert told == [True]
    inbox.close()
    assert [each.key for each in again(tmp_path)] == ["k1"]


def test_what_is_kept_is_as_it_was_then(inbox: Inbox, loop: Loop, tmp_path: Path) -> None:
    changing = transaction("k1")
    inbox.keep([changing], lambda is_kept: None)
    loop.run()
    changing.session_id = "s1"
    inbox.close()
    assert again(tmp_path)[0].session_id == ""


def test_the_later_row_of_a_transaction_replaces_the_earlier(inbox: Inbox, tmp_path: Path) -> None:
    changing = transaction("k1")
    inbox.keep([changing])
    changing.session_id = "s1"
    inbox.keep([changing])
    inbox.close()
    assert [each.session_id for each in again(tmp_path)] == ["s1"]


def test_ten_thousand_at_once_are_a_few_commits(tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    file = InboxFile(tmp_path)
    batches: list[int] = []
    write = file.write
    monkeypatch.setattr(file, "write", lambda rows, wall_s: (batches.append(len(rows)), write(rows, wall_s)))
    inbox = Inbox(file, loop.soon)
    kept = 0

    def count(is_kept: bool) -> None:
        nonlocal kept
        kept += is_kept

    for n in range(10_000):
        inbox.keep([transaction(f"k{n}")], count)
    inbox.begin()
    inbox.close()
    while not loop.calls.empty():
        loop.run()
    assert kept == 10_000
    assert len(batches) == 1


def test_a_disk_that_takes_nothing_answers_nobody_says_so_and_is_tried_again(
    tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = InboxFile(tmp_path)
    write, tried, is_full = file.write, threading.Event(), True

    def full(rows: object, wall_s: float) -> None:
        tried.set()
        if is_full:
            raise sqlite3.OperationalError("database or disk is full")
        write(rows, wall_s)  # type: ignore[arg-type]

    monkeypatch.setattr(file, "write", full)
    inbox = Inbox(file, loop.soon)
    inbox.begin()
    told: list[bool] = []
    inbox.keep([transaction("k1")], told.append)
    assert tried.wait(30)
    while not inbox.trouble:
        pass
    assert "disk is full" in inbox.trouble
    assert loop.calls.empty()

    is_full = False
    loop.run()
    assert told == [True]
    assert inbox.trouble == ""
    inbox.close()
    assert [each.key for each in again(tmp_path)] == ["k1"]


def test_with_too_many_that_wait_for_the_disk_the_next_is_told_that_it_will_not_be(tmp_path: Path, loop: Loop) -> None:
    inbox = Inbox(InboxFile(tmp_path), loop.soon, most_waiting=2)
    told: list[bool] = []
    for n in range(3):
        inbox.keep([transaction(f"k{n}")], told.append)
    loop.run()
    assert told == [False]
    inbox.begin()
    loop.run()
    assert told == [False, True, True]
    inbox.close()


def test_after_the_end_nobody_is_answered(inbox: Inbox, loop: Loop) -> None:
    inbox.close()
    told: list[bool] = []
    inbox.keep([transaction("k1")], told.append)
    loop.run()
    assert told == [False]


def test_what_is_closed_goes_after_a_week_and_what_is_not_stays(tmp_path: Path) -> None:
    file = InboxFile(tmp_path)
    closed = transaction("closed", session_id="s", ended_wall_s=1.0, is_end_delivered=True)
    file.write([row_of(closed, 0.0), row_of(transaction("open"), 0.0)], 0.0)
    file.write([], KEPT_S - 1)
    assert {each.key for each in file.load()} == {"closed", "open"}
    file.write([], KEPT_S + 1)
    assert {each.key for each in file.load()} == {"open"}
    file.close()


def test_a_file_of_another_program_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "inbox.db") as other:
        other.execute("PRAGMA application_id = 7")
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StartError, match="a data directory of its own"):
        InboxFile(tmp_path)


def test_a_file_in_use_by_another_edge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartgrid.edge.transactions.inbox_file.BUSY_TIMEOUT_S", 0.1)
    first = InboxFile(tmp_path)
    with pytest.raises(StartError, match="locked"):
        InboxFile(tmp_path)
    first.close()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StartError, match="cannot be used"):
        InboxFile(tmp_path)


KILLED = """
import sys
from pathlib import Path
from smartgrid.edge.ports import ChargerId
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.inbox_file import InboxFile
from smartgrid.edge.transactions.transaction import Transaction
inbox = Inbox(InboxFile(Path(sys.argv[1])), lambda call: call())
inbox.begin()
for n in range(10**9):
    key = f"k{n}"
    found = Transaction(key, ChargerId("s", "c"), 1, key, "TAG", float(n), 0.0)
    inbox.keep([found], lambda is_kept, key=key: print(key, flush=True))
    while len(inbox._waiting) > 50:
        pass
"""


def test_what_was_answered_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as edge:
        assert edge.stdout is not None
        answered = [edge.stdout.readline().strip() for _ in range(300)]
        edge.send_signal(signal.SIGKILL)
        answered += edge.stdout.read().split()
    whole = [key for key in answered[:-1] if key]  # the last line may be torn
    assert set(whole) <= {each.key for each in again(tmp_path)}
