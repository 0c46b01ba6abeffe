"""A substation's books through any sequence of events, crashes and restarts, against exact arithmetic."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smartgrid.domain.quotas import Quota, Used, use_of
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.protocol import keys
from smartgrid.protocol.keys import KEY_LIFE_S, KeyEntry
from smartgrid.protocol.numbers import Number
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.refusals import KeyReusedError, NoRoomError, QuotaError, SupersededError
from support.books import Books, SetClock, alive_wall_s
from support.powers import power_ranges
from support.reference import Car, Reference

NEAR_KW, NEAR_KWH, NEAR_S = 1e-6, 1e-5, 0.01  # what the digits of a clock at 1.8e9 s, sped up, leave open
MEMORY = Path("/dev/shm")  # a copy of the file stands for the crash, so no one need wait for a disk
KEYS = st.sampled_from(["k0", "k1", "k2", "k3"])
CAPACITIES_KW = st.sampled_from([0.0, 11.0, 50.0, 100.0]) | st.floats(min_value=0, max_value=150)
ENERGIES_KWH = st.sampled_from([0.5, 11.0, 40.0]) | st.floats(min_value=0.1, max_value=80)
PAUSES_S = st.sampled_from([1.0, 60.0, 3600.0]) | st.floats(min_value=0.1, max_value=30_000)
NUMBERS = st.tuples(st.integers(1, 50)) | st.tuples(st.integers(1, 50), st.integers(0, 3), st.just(7))
QUOTA = Quota(sessions=3, power_kw=60)
LIMITS = Limits(max_session_s=40_000, quota=QUOTA)
OWNERS = st.sampled_from(["ann", "bob"]) | st.none()
OwnersKey = tuple[str | None, str]
STAYS_S = st.none() | st.floats(min_value=10, max_value=50_000)


@dataclass
class Told:
    """What the books have acknowledged of a key."""

    session_id: str
    request: ChargeRequest
    number: Number
    superseded_by: str = ""

    def entry(self, key: OwnersKey) -> KeyEntry:
        return KeyEntry(keys.digest(key[1], key[0]), self.number, self.session_id, bool(self.superseded_by))


class Life(RuleBasedStateMachine):
    """What was acknowledged is in `exact`, which is advanced only as far as the file vouches for."""

    @initialize(capacity_kw=CAPACITIES_KW, time_scale=st.sampled_from([1, 60]))
    def begin(self, capacity_kw: float, time_scale: int) -> None:
        self.root, self.lives = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)), count()
        self.clock = SetClock(time_scale)
        self.books = Books(self.root / f"life{next(self.lives)}", self.clock, capacity_kw, limits=LIMITS)
        self.exact = Reference(capacity_kw, self.clock.now_s())
        self.keys: dict[OwnersKey, Told] = {}
        self.owners: dict[str, str | None] = {}  # by session
        self.epoch = self.revision = 0

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.books.close()
            shutil.rmtree(self.root)

    # ------------------------------------------------------------------ events

    @rule(
        power=power_ranges(),
        energy_kwh=ENERGIES_KWH,
        stay_s=STAYS_S,
        key=st.none() | KEYS,
        number=NUMBERS,
        owner=OWNERS,
    )
    def charge(
        self,
        power: PowerRange,
        energy_kwh: float,
        stay_s: float | None,
        key: str | None,
        number: Number,
        owner: str | None,
    ) -> None:
        departure_s = None if stay_s is None else self.clock.now_s() + stay_s
        request = ChargeRequest("EV-1", energy_kwh, power, departure_s)
        self._forget_the_old()
        known = self.keys.get((owner, key)) if key is not None else None
        if known is None:
            self._charge_anew(request, key, number, owner)
        elif request != known.request:
            assert self.books.refusal(request, key, number, owner) is KeyReusedError
            if not known.superseded_by:  # an attempt of this try that went astray must not count either
                known.number = max(known.number, number)

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), number=NUMBERS)
    def repeat(self, data: st.DataObject, number: Number) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys, key=str)))
        self._forget_the_old()
        if key not in self.keys:
            return
        known, (owner, own_key) = self.keys[key], key
        if known.superseded_by:
            assert self.books.refusal(known.request, own_key, number, owner) is SupersededError
            return
        told = self.books.charge(known.request, own_key, number, owner)
        assert (told.replayed, told.record.session_id) == (True, known.session_id)
        known.number = max(known.number, number)

    @precondition(lambda self: self.exact.cars)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(list(self.exact.cars)))
        told = self.books.ledger.stop(session_id)
        assert told is not None
        assert told.record.state == "Idle"
        self._note_stop(told.record)
        again = self.books.ledger.stop(session_id)
        assert again is not None
        assert again.record == told.record

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), before=NUMBERS)
    def supersede(self, data: st.DataObject, before: Number) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys, key=str)))
        self._forget_the_old()
        if key not in self.keys:
            return
        known = self.keys[key]
        told = self.books.ledger.supersede(known.session_id, before, "../s1.x")
        assert told is not None
        if known.number < before:
            self._note_stop(told.record)
            known.superseded_by = "../s1.x"
        assert told.record.superseded_by == known.superseded_by
        assert not known.superseded_by or told.record.state == "Idle"

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
        records = self.books.ledger.page(1000, None, None)
        assert sorted(record.session_id for record in records) == sorted(self.exact.cars)

    @invariant()
    def the_log_says_what_each_takes_of_a_quota(self) -> None:
        _, page = self.books.ledger.news(0, None, 0, 0)
        assert page is not None
        told = {entry.session_id: entry.use for entry in page.entries}
        for session_id, record in self._records().items():
            owner, use = self.owners[session_id], told.get(session_id)
            if owner is None:
                assert use is None
            elif record.state != "Idle":  # of one that has ended it may say so only after the next commit
                assert use == (owner, record.max_power_kw)

    @invariant()
    def everyone_sees_their_own(self) -> None:
        for owner in ("ann", "bob"):
            own = {session_id for session_id, whose in self.owners.items() if whose == owner}
            assert {record.session_id for record in self.books.ledger.page(1000, None, None, owner)} == own
            assert all((self.books.ledger.find(each, owner) is not None) == (each in own) for each in self.owners)

    @invariant()
    def no_one_has_more_than_the_quota(self) -> None:
        for owner in ("ann", "bob"):
            assert QUOTA.allows(self._used(owner))

    @invariant()
    def everyone_has_had_what_is_due(self) -> None:
        due = self._exact_now().cars
        for session_id, record in self._records().items():
            assert record.delivered_kwh == pytest.approx(float(due[session_id].had_kwh), abs=NEAR_KWH)
            assert (record.state == "Idle") in may_be_gone(due[session_id], self.clock.now_s())

    @invariant()
    def the_revision_never_goes_back_within_an_epoch(self) -> None:
        status = self.books.ledger.status()
        assert status.epoch != self.epoch or status.revision >= self.revision
        self.epoch, self.revision = status.epoch, status.revision

    @invariant()
    def the_log_has_every_key_with_its_latest_number(self) -> None:
        self._forget_the_old()
        _, page = self.books.ledger.news(0, None, 0, 0)
        assert page is not None
        assert {told.entry(key) for key, told in self.keys.items()} <= {
            each._replace(use=None) for each in page.entries
        }
        assert len({entry.session_id for entry in page.entries}) == len(page.entries)

    # ------------------------------------------------------------------ helpers

    def _note_stop(self, record: Record) -> None:
        """What had ended before was only looked at: that is no event, and no sign of life."""
        if record.ended_wall_s == self.clock.wall_s():
            self.exact.stop(record.session_id, self.clock.now_s())

    def _forget_the_old(self) -> None:
        """What need not be remembered any more may be, or may not."""
        cars = self._exact_now().cars
        oldest_s = self.clock.to_grid_s(self.clock.wall_s() - KEY_LIFE_S + NEAR_S)
        self.keys = {key: told for key, told in self.keys.items() if left_after(cars[told.session_id], oldest_s)}

    def _used(self, owner: str) -> Used:
        used = Used()
        for session_id, record in self._records().items():
            if self.owners[session_id] == owner and record.state != "Idle":
                used = used.plus(use_of(record.max_power_kw))
        return used

    def _charge_anew(self, request: ChargeRequest, key: str | None, number: Number, owner: str | None) -> None:
        committed_kw = self.books.ledger.status().committed_kw
        if owner is not None and not QUOTA.allows(self._used(owner).plus(use_of(request.power.max_kw))):
            assert self.books.refusal(request, key, number, owner) is QuotaError
            return
        try:
            record = self.books.charge(request, key, number, owner).record
        except NoRoomError:
            assert committed_kw + request.power.min_kw > float(self.exact.capacity_kw)
            return
        assert committed_kw + request.power.min_kw <= float(self.exact.capacity_kw) + NEAR_KW
        power, now_s = request.power, self.clock.now_s()
        leaves_s = now_s + LIMITS.max_session_s
        leaves_s = leaves_s if request.departure_s is None else min(leaves_s, request.departure_s)
        self.exact.admit(record.session_id, request.energy_kwh, power.min_kw, power.max_kw, leaves_s, now_s)
        self.owners[record.session_id] = owner
        if key is not None:
            self.keys[owner, key] = Told(record.session_id, request, number)

    def _return(self, folder: Path, outage_s: float) -> None:
        alive_s = self.clock.to_grid_s(alive_wall_s(folder))
        assert alive_s >= self.exact.now_s - NEAR_S  # no acknowledged event is later than the last sign of life
        self.exact.advance(alive_s)
        self.clock.pass_s(outage_s / self.clock.time_scale)
        self.exact.outage(self.clock.now_s())
        self.books = Books(folder, self.clock, limits=LIMITS)

    def _records(self) -> dict[str, Record]:
        found = {session_id: self.books.record(session_id) for session_id in self.exact.cars}
        return {session_id: record for session_id, record in found.items() if record is not None}

    def _exact_now(self) -> Reference:
        now = deepcopy(self.exact)
        now.advance(self.clock.now_s())
        return now


def left_after(car: Car, time_s: float) -> bool:
    """Whether it is there still, or has left after that; who left in an outage has left at departure."""
    return car.left_s is None or min(car.left_s, car.departure_s or car.left_s) >= time_s


def may_be_gone(car: Car, now_s: float) -> set[bool]:
    """Whether it has left; both where that was, or will be, within what rounding leaves open."""
    if car.left_s is not None:
        return {True, False} if now_s - car.left_s < NEAR_S else {True}
    leaves = car.departure_s is not None and car.departure_s - now_s < NEAR_S
    return {True, False} if leaves or car.wants_kwh - car.had_kwh < NEAR_KWH else {False}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=max(10, settings().max_examples // 3), stateful_step_count=25)
