"""A substation's books through any sequence of events, crashes and restarts, against exact arithmetic."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.substation.ledger import KeyReusedError, KeyVoidedError, NoRoomError
from smartgrid.substation.record import Record
from support.books import Books, SetClock, alive_wall_s
from support.powers import power_ranges
from support.reference import Car, Reference

NEAR_KW, NEAR_KWH, NEAR_S = 1e-6, 1e-5, 0.01  # what the digits of a clock at 1.8e9 s, sped up, leave open
MEMORY = Path("/dev/shm")  # a copy of the file stands for the crash, so no one need wait for a disk
KEYS = st.sampled_from(["k0", "k1", "k2", "k3"])
CAPACITIES_KW = st.sampled_from([0.0, 11.0, 50.0, 100.0]) | st.floats(min_value=0, max_value=150)
ENERGIES_KWH = st.sampled_from([0.5, 11.0, 40.0]) | st.floats(min_value=0.1, max_value=80)
PAUSES_S = st.sampled_from([1.0, 60.0, 3600.0]) | st.floats(min_value=0.1, max_value=30_000)
STAYS_S = st.none() | st.floats(min_value=10, max_value=50_000)


class Life(RuleBasedStateMachine):
    """What was acknowledged is in `exact`, which is advanced only as far as the file vouches for."""

    @initialize(capacity_kw=CAPACITIES_KW, time_scale=st.sampled_from([1, 60]))
    def begin(self, capacity_kw: float, time_scale: int) -> None:
        self.root, self.lives = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)), count()
        self.clock = SetClock(time_scale)
        self.books = Books(self.root / f"life{next(self.lives)}", self.clock, capacity_kw)
        self.exact = Reference(capacity_kw, self.clock.now_s())
        self.keys: dict[str, tuple[str, ChargeRequest]] = {}
        self.voided: set[str] = set()
        self.revision = 0

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.books.close()
            shutil.rmtree(self.root)

    # ------------------------------------------------------------------ events

    @rule(power=power_ranges(), energy_kwh=ENERGIES_KWH, stay_s=STAYS_S, key=st.none() | KEYS)
    def charge(self, power: PowerRange, energy_kwh: float, stay_s: float | None, key: str | None) -> None:
        departure_s = None if stay_s is None else self.clock.now_s() + stay_s
        request = ChargeRequest("EV-1", energy_kwh, power, departure_s)
        if key in self.keys:
            self._expect(KeyReusedError, request, key)
        elif key in self.voided:
            self._expect(KeyVoidedError, request, key)
        else:
            self._charge_anew(request, key)

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys)))
        session_id, request = self.keys[key]
        charged = self.books.ledger.charge(request, key)
        assert (charged.replayed, charged.record.session_id) == (True, session_id)

    @precondition(lambda self: self.exact.cars)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(sorted(self.exact.cars)))
        self.exact.stop(session_id, self.clock.now_s())
        record = self.books.ledger.stop(session_id)
        assert record is not None
        assert record.state == "Idle"
        assert self.books.ledger.stop(session_id) == record

    @rule(key=KEYS)
    def void(self, key: str) -> None:
        record = self.books.ledger.void(key)
        known = self.keys.pop(key, None)
        assert (record and record.session_id) == (known and known[0])
        if known is not None:
            self.exact.stop(known[0], self.clock.now_s())
        self.voided.add(key)

    @rule(capacity_kw=CAPACITIES_KW)
    def set_capacity(self, capacity_kw: float) -> None:
        self.books.ledger.set_capacity(capacity_kw)
        self.exact.set_capacity(capacity_kw, self.clock.now_s())

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
        given_kw = sum(record.power_kw for record in self._records().values())
        assert given_kw <= status.capacity_kw + NEAR_KW
        assert given_kw == pytest.approx(status.load_kw, abs=NEAR_KW)

    @invariant()
    def every_acknowledged_session_is_there_once(self) -> None:
        rows = self.books.ledger.page(1000, None, None)
        assert sorted(record.session_id for _, record in rows) == sorted(self.exact.cars)

    @invariant()
    def everyone_has_had_what_is_due(self) -> None:
        due = self._exact_now().cars
        for session_id, record in self._records().items():
            assert record.delivered_kwh == pytest.approx(float(due[session_id].had_kwh), abs=NEAR_KWH)
            assert (record.state == "Idle") in may_be_gone(due[session_id], self.clock.now_s())

    @invariant()
    def the_revision_never_goes_back(self) -> None:
        revision = self.books.ledger.status().revision
        assert revision >= self.revision
        self.revision = revision

    @invariant()
    def keys_find_their_sessions(self) -> None:
        for key, (session_id, _) in self.keys.items():
            found = self.books.ledger.find_key(key)
            assert found is not None
            assert found.session_id == session_id

    # ------------------------------------------------------------------ helpers

    def _charge_anew(self, request: ChargeRequest, key: str | None) -> None:
        committed_kw = self.books.ledger.status().committed_kw
        try:
            record = self.books.ledger.charge(request, key).record
        except NoRoomError:
            assert committed_kw + request.power.min_kw > float(self.exact.capacity_kw)
            return
        assert committed_kw + request.power.min_kw <= float(self.exact.capacity_kw) + NEAR_KW
        power = request.power
        self.exact.admit(
            record.session_id, request.energy_kwh, power.min_kw, power.max_kw, request.departure_s, self.clock.now_s()
        )
        if key is not None:
            self.keys[key] = record.session_id, request

    def _expect(self, refusal: type[Exception], request: ChargeRequest, key: str | None) -> None:
        assert self.books.refusal(request, key) is refusal

    def _return(self, folder: Path, outage_s: float) -> None:
        alive_s = self.clock.to_grid_s(alive_wall_s(folder))
        assert alive_s >= self.exact.now_s - NEAR_S  # no acknowledged event is later than the last sign of life
        self.exact.advance(alive_s)
        self.clock.pass_s(outage_s / self.clock.time_scale)
        self.exact.outage(self.clock.now_s())
        self.books = Books(folder, self.clock)

    def _records(self) -> dict[str, Record]:
        found = {session_id: self.books.ledger.find(session_id) for session_id in self.exact.cars}
        return {session_id: record for session_id, record in found.items() if record is not None}

    def _exact_now(self) -> Reference:
        now = deepcopy(self.exact)
        now.advance(self.clock.now_s())
        return now


def may_be_gone(car: Car, now_s: float) -> set[bool]:
    """Whether it has left; both where that was, or will be, within what rounding leaves open."""
    if car.left_s is not None:
        return {True, False} if now_s - car.left_s < NEAR_S else {True}
    leaves = car.departure_s is not None and car.departure_s - now_s < NEAR_S
    return {True, False} if leaves or car.wants_kwh - car.had_kwh < NEAR_KWH else {False}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=max(10, settings().max_examples // 3), stateful_step_count=25)
