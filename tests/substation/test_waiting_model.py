"""A substation's books with a list through any events, crashes and restarts: who waits, starts and leaves."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.substation import CLOCK_RESOLUTION_S
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import DrainingError, NoRoomError
from support.books import Books, SetClock, alive_wall_s
from support.powers import power_ranges

NEAR_KW, NEAR_S = 1e-6, 0.01
MEMORY = Path("/dev/shm")  # a copy of the file stands for the crash, so no one need wait for a disk
MOST_WAITING, MOST_ACTIVE = 6, 12
LIMITS = Limits(max_active=MOST_ACTIVE, max_session_s=40_000, max_waiting=MOST_WAITING)
CAPACITIES_KW = st.sampled_from([0.0, 50.0, 100.0]) | st.floats(min_value=0, max_value=150)
ENERGIES_KWH = st.sampled_from([0.5, 11.0, 40.0]) | st.floats(min_value=0.1, max_value=80)
PAUSES_S = st.sampled_from([1.0, 60.0, 3600.0]) | st.floats(min_value=0.1, max_value=30_000)
STAYS_S = st.none() | st.floats(min_value=10, max_value=50_000)
LARGE = st.sampled_from([PowerRange(50.0, 50.0), PowerRange(90.0, 90.0), PowerRange(20.0, 22.0)])


@dataclass
class Joined:
    """What a client was told of a car that waits; `leaves_s` is when it leaves the list by itself, in wall time."""

    order: int
    leaves_s: float
    stopped: bool = False


class Life(RuleBasedStateMachine):
    @initialize(time_scale=st.sampled_from([1, 7.3, 60]))
    def begin(self, time_scale: float) -> None:
        self.root, self.lives = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)), count()
        self.clock = SetClock(time_scale)
        self.books = Books(self.root / f"life{next(self.lives)}", self.clock, 100.0, limits=LIMITS)
        self.joined: dict[str, Joined] = {}
        self.direct: list[str] = []
        self.outages: list[tuple[float, float]] = []
        self.draining = False

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.books.close()
            shutil.rmtree(self.root)

    # ------------------------------------------------------------------ events

    @rule(power=power_ranges() | LARGE, energy_kwh=ENERGIES_KWH, stay_s=STAYS_S, patience_s=STAYS_S)
    def wait(self, power: PowerRange, energy_kwh: float, stay_s: float | None, patience_s: float | None) -> None:
        now_s = self.clock.wall_s()
        leaves_s = min(self._in_s(stay_s), now_s + LIMITS.max_session_s / self.clock.time_scale)
        until_s = self._in_s(patience_s)
        departure_s = None if stay_s is None else self.clock.to_grid_s(self._in_s(stay_s))
        first = self._first()
        try:
            record = self.books.wait(ChargeRequest("EV-1", energy_kwh, power, departure_s), until_wall_s=until_s).record
        except NoRoomError:
            status = self.books.ledger.status()
            assert status.waiting_sessions >= MOST_WAITING or power.min_kw > status.capacity_kw
            return
        except DrainingError:
            assert self.draining
            return
        if record.state == "Waiting":
            self.joined[record.session_id] = Joined(len(self.joined), min(until_s, leaves_s))
        else:
            self.direct.append(record.session_id)
        self._is_not_delayed(first)

    @rule(power=power_ranges() | LARGE, energy_kwh=ENERGIES_KWH)
    def charge(self, power: PowerRange, energy_kwh: float) -> None:
        first, request = self._first(), ChargeRequest("EV-1", energy_kwh, power)
        room_kw = self.books.ledger.status().largest_free_kw
        refusal = self.books.refusal(request, f"k{len(self.direct)}")
        if refusal is None:
            self.direct.append(self.books.charge(request, f"k{len(self.direct)}").record.session_id)
        assert not (refusal and not self.draining and power.min_kw <= room_kw)
        self._is_not_delayed(first)

    @precondition(lambda self: self.joined or self.direct)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from([*self.joined, *self.direct]))
        before = self._record(session_id)
        told = self.books.ledger.stop(session_id)
        assert told is not None
        assert told.record.state == "Idle"
        if session_id in self.joined and before.state == "Waiting":
            self.joined[session_id].stopped = True
            assert (told.record.end_reason, told.record.started_wall_s) == ("Stopped", None)

    @rule(capacity_kw=CAPACITIES_KW)
    def set_capacity(self, capacity_kw: float) -> None:
        self.books.ledger.set_capacity(capacity_kw)

    @rule(draining=st.booleans())
    def drain(self, draining: bool) -> None:
        self.books.ledger.set_draining(draining)
        self.draining = draining

    @rule(pause_s=PAUSES_S)
    def time_passes(self, pause_s: float) -> None:
        self.clock.pass_s(pause_s / self.clock.time_scale)

    @rule(outage_s=PAUSES_S)
    def crash(self, outage_s: float) -> None:
        self._return(self.books.crash(self.root / f"life{next(self.lives)}"), outage_s)

    @rule(outage_s=PAUSES_S)
    def restart(self, outage_s: float) -> None:
        self.books.ledger.drain()
        self.books.close()
        self._return(self.books.folder, outage_s)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def never_over_capacity(self) -> None:
        status = self.books.ledger.status()
        given_kw = sum(self._record(each).power_kw for each in (*self.joined, *self.direct))
        assert given_kw <= status.capacity_kw + NEAR_KW

    @invariant()
    def nobody_is_lost_and_nobody_is_there_twice(self) -> None:
        found = [record.session_id for record in self.books.ledger.page(1000, None, None)]
        assert sorted(found) == sorted([*self.joined, *self.direct])

    @invariant()
    def the_list_is_in_the_order_of_joining(self) -> None:
        line = [record.session_id for record in self.books.ledger.waiting(200)]
        assert line == sorted(line, key=lambda session_id: self.joined[session_id].order)
        assert set(line) == {each for each in self.joined if self._record(each).state == "Waiting"}
        assert self.books.ledger.status().waiting_sessions == len(line)

    @invariant()
    def everyone_starts_leaves_at_its_time_or_is_stopped(self) -> None:
        now_s = self.clock.wall_s()
        for session_id, joined in self.joined.items():
            record = self._record(session_id)
            if record.state == "Waiting":
                assert joined.leaves_s > now_s - NEAR_S
            elif record.started_wall_s is not None:
                assert record.joined_wall_s is not None
                assert record.joined_wall_s <= record.started_wall_s < joined.leaves_s + NEAR_S
            elif not joined.stopped:
                assert record.end_reason in ("Departed", "WaitExpired")
                assert record.ended_wall_s is not None
                assert abs(record.ended_wall_s - joined.leaves_s) < NEAR_S

    @invariant()
    def whoever_could_start_has_started(self) -> None:
        with self.books.ledger._lock:
            copies = self.books.ledger._book.copies()
        assert copies is not None
        assert copies.line.start_due(copies.substation) == []

    @invariant()
    def the_bound_on_sessions_holds(self) -> None:
        assert self.books.ledger.status().active_sessions <= MOST_ACTIVE

    # ------------------------------------------------------------------ helpers

    def _in_s(self, grid_s: float | None) -> float:
        return math.inf if grid_s is None else self.clock.wall_s() + grid_s / self.clock.time_scale

    def _first(self) -> tuple[str, float] | None:
        """Who is first of those that will start, and when."""
        for record in self.books.ledger.page(1000, None, None)[::-1]:
            if record.expected_start_wall_s is not None:
                return record.session_id, record.expected_start_wall_s
        return None

    def _is_not_delayed(self, first: tuple[str, float] | None) -> None:
        """Whoever comes, directly or by the list, never moves the start of the first."""
        if first is None:
            return
        session_id, expected_s = first
        record = self._record(session_id)
        start_s = record.started_wall_s if record.started_wall_s is not None else record.expected_start_wall_s
        assert start_s is not None
        assert start_s <= expected_s + 2 * CLOCK_RESOLUTION_S

    def _return(self, folder: Path, outage_s: float) -> None:
        assert self.clock.wall_s() >= alive_wall_s(folder)
        self.clock.pass_s(outage_s / self.clock.time_scale)
        self.books = Books(folder, self.clock, limits=LIMITS)
        self.draining = False

    def _record(self, session_id: str) -> Record:
        record = self.books.record(session_id)
        assert record is not None
        return record


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=max(10, settings().max_examples // 3), stateful_step_count=25)
