"""What is replayed is what was metered, to the last bit: only starts, ends and limits are on the disk.

So are starts from the waiting list, although they are at moments at which nobody looked.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.substation import pending
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import NoRoomError
from support.books import START_WALL_S as START
from support.books import Books, SetClock
from support.powers import power_ranges

MEMORY = Path("/dev/shm")
CHARGES = st.tuples(st.just("charge"), power_ranges(), st.floats(0.5, 80))
WAITS = st.tuples(st.just("wait"), power_ranges(), st.floats(0.5, 80), st.just(math.inf) | st.floats(10, 20_000))
STOPS = st.tuples(st.just("stop"), st.integers(0, 5))
LIMITS = st.tuples(st.just("limit"), st.floats(0, 120))
PAUSES = st.tuples(st.just("pause"), st.floats(0.001, 3000))
LOOKS = st.tuples(st.just("look"))
EVENTS = st.lists(CHARGES | WAITS | WAITS | STOPS | LIMITS | PAUSES | PAUSES | LOOKS, min_size=1, max_size=30)


class Course:
    """Books through a course of events."""

    def __init__(self, root: Path, time_scale: float) -> None:
        self.root, self.clock, self.folders = root, SetClock(time_scale), count()
        self.books = Books(root / f"{next(self.folders)}", self.clock, 100.0)
        self.ids: list[str] = []

    def take(self, event: tuple[object, ...]) -> None:
        match event:
            case ("charge", PowerRange() as power, float() as energy_kwh):
                request = ChargeRequest("EV-1", energy_kwh, power)
                if self.books.refusal(request, f"k{len(self.ids)}") is None:
                    self.ids.append(self.books.charge(request, f"k{len(self.ids)}", (1,)).record.session_id)
            case ("wait", PowerRange() as power, float() as energy_kwh, float() as patience_s):
                request, until_s = ChargeRequest("EV-1", energy_kwh, power), self.clock.wall_s() + patience_s
                with suppress(NoRoomError):
                    told = self.books.wait(request, f"k{len(self.ids)}", (1,), until_wall_s=until_s)
                    self.ids.append(told.record.session_id)
            case ("stop", int() as number) if number < len(self.ids):
                self.books.ledger.stop(self.ids[number])
            case ("limit", float() as capacity_kw):
                self.books.ledger.set_capacity(capacity_kw)
            case ("pause", float() as pause_s):
                self.clock.pass_s(pause_s)
            case ("look",):
                self.records()

    def records(self) -> list[Record | None]:
        return [self.books.record(session_id) for session_id in self.ids]

    def crash(self) -> None:
        """Be killed just after a commit, and be back at once."""
        self.books.ledger.set_capacity(self.books.ledger.status().capacity_kw)
        self.books = Books(self.books.crash(self.root / f"{next(self.folders)}"), self.clock, 100.0)


@pytest.fixture(params=[5000, 3], ids=["one checkpoint", "many checkpoints"])
def checkpoints(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often there is one."""
    monkeypatch.setattr(pending, "CHECKPOINT_EVERY_EVENTS", request.param)


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("time_scale", [1, 7.3])
def test_replay_gives_the_very_same_sessions(time_scale: float) -> None:
    @given(EVENTS)
    def check(events: list[tuple[object, ...]]) -> None:
        root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        course = Course(root, time_scale)
        try:
            for event in events:
                course.take(event)
            course.books.ledger.set_capacity(course.books.ledger.status().capacity_kw)
            before, status = course.records(), course.books.ledger.status()
            course.crash()
            after = course.books.ledger.status()
            assert course.records() == before
            assert replace(after, epoch=0, revision=0) == replace(status, epoch=0, revision=0)
            later_s = course.clock.wall_s() + 1e6
            expected = {each.session_id: each.expected_start_wall_s for each in before if each and each.position}
            course.clock.set_s = later_s
            started = {each.session_id: each.started_wall_s for each in course.records() if each}
            assert {session_id: started[session_id] for session_id in expected} == expected
        finally:
            course.books.close()
            shutil.rmtree(root)

    check()


@pytest.mark.parametrize("time_scale", [1, 7.3, 60, 600])
def test_starts_from_the_list_are_replayed_to_the_last_bit(tmp_path: Path, time_scale: float) -> None:
    """They are at grid times that no wall time need stand for; each of them moves all that follow."""
    rng, clock = Random(1), SetClock(time_scale)
    books = Books(tmp_path / "before", clock, 100.0)
    for _ in range(60):
        max_kw = rng.uniform(10, 60)
        books.wait(ChargeRequest("EV-1", rng.uniform(5, 50), PowerRange(max_kw * rng.choice([0.5, 1]), max_kw)))
    clock.pass_s(5 * 3600 / time_scale)
    books.ledger.set_capacity(100)
    before = books.ledger.page(100, None, None)
    assert sum(record.joined_wall_s != record.started_wall_s is not None for record in before) > 10
    after = Books(books.crash(tmp_path / "after"), clock, 100.0)
    assert after.ledger.page(100, None, None) == before
    after.close()


def test_another_time_scale_moves_neither_the_past_nor_what_was_delivered(tmp_path: Path) -> None:
    clock = SetClock(60)
    books = Books(tmp_path / "before", clock, 100.0)
    session_id = books.charge(ChargeRequest("EV-1", 50.0, PowerRange(4.0, 11.0))).record.session_id
    clock.pass_s(60)
    books.ledger.set_capacity(99)
    before = books.record(session_id)
    folder = books.crash(tmp_path / "after")
    slow = SetClock(1)
    slow.set_s = clock.set_s
    after = Books(folder, slow, 100.0)
    found = after.record(session_id)
    assert before is not None
    assert found is not None
    assert (found.delivered_kwh, found.started_wall_s) == (before.delivered_kwh, before.started_wall_s) == (11, START)
    slow.pass_s(3600)
    later = after.record(session_id)
    after.close()
    assert later is not None
    assert later.delivered_kwh == 22


def test_with_another_time_scale_the_rest_of_the_longest_stay_remains(tmp_path: Path) -> None:
    """Departures are times of day, and do not move."""
    clock, limits = SetClock(60), Limits(max_session_s=2 * 3600)
    books = Books(tmp_path, clock, 100.0, limits=limits)
    endless = books.charge(ChargeRequest("EV-1", 500.0, PowerRange(1.0, 1.0))).record.session_id
    departure_s = clock.now_s() + 90 * 60
    leaving = books.charge(ChargeRequest("EV-2", 500.0, PowerRange(1.0, 1.0), departure_s)).record.session_id
    clock.pass_s(60)
    books.close()
    slow = SetClock(1)
    slow.set_s = clock.set_s
    for _ in range(2):  # the file knows it, too
        books = Books(tmp_path, slow, 100.0, limits=limits)
        records = [record for i in (endless, leaving) if (record := books.record(i))]
        books.close()
        assert [record.leaves_wall_s - START for record in records] == pytest.approx([60 + 3600, 90])


def test_a_commit_writes_only_what_has_changed(tmp_path: Path) -> None:
    """However many sessions charge, and although each of them gets another power by it."""
    books = Books(tmp_path, SetClock(), 100.0)
    for _ in range(20):
        books.charge(ChargeRequest("EV-1", 50.0, PowerRange(1.0, 11.0)))
    books.store.committed.clear()
    session_id = books.charge(ChargeRequest("EV-2", 50.0, PowerRange(1.0, 11.0))).record.session_id
    books.ledger.stop(session_id)
    batches = [[record.session_id for record in batch.records] for batch in books.store.committed]
    books.close()
    assert batches == [[session_id], [session_id]]
