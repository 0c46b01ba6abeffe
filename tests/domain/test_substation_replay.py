"""The same events at the same times give the same sessions to the last bit: what the ledger's recovery stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.domain.substation import Substation
from support.scripts import CAPACITIES_KW, SCRIPTS_WITH_RESTARTS, STARTS_S, Outage, Script, Sessions

LOOKS = st.lists(st.lists(st.floats(min_value=0, max_value=1), max_size=4), max_size=10)
"""When it is looked at between one event and the next, as shares of the time between them."""

Looks = Sequence[Sequence[float]]


@dataclass
class Run:
    """A substation that events happen to, and that is looked at in between."""

    substation: Substation
    start_s: float
    now_s: float
    sessions: Sessions = field(default_factory=dict)

    def play(self, script: Script, looks: Looks) -> None:
        for number, (pause_s, event) in enumerate(script):
            shares = looks[number % len(looks)] if looks else []
            self._look(self.now_s + share * pause_s for share in sorted(shares))
            self.now_s += pause_s
            event.apply(self.substation, self.sessions, self.start_s, self.now_s)
            if isinstance(event, Outage):
                self.now_s += event.duration_s

    def finish(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.substation.advance(self.now_s)

    def _look(self, times_s: Iterable[float]) -> None:
        for time_s in times_s:
            self.substation.advance(time_s)
            self.substation.status()
            self.substation.next_event_s()
            self.substation.room_for(PowerRange(1, 2))
            for session in self.substation.active:
                assert self.substation.find(session.session_id) is session
                assert session.delivered_kwh <= session.request.energy_kwh

    def books(self) -> object:
        """All that can be seen, but for how many changes it took."""
        return (
            [session.session_id for session in self.substation.active],
            [shown(session) for session in self.sessions.values()],
            replace(self.substation.status(), revision=0),
        )


def shown(session: Session) -> tuple[object, ...]:
    return (
        session.session_id,
        session.state,
        session.power_kw,
        session.delivered_kwh,
        session.lacks(),  # to the last quantum, where the energy is rounded to a float
        session.started_s,
        session.ended_s,
        session.end_reason,
    )


def a_run(capacity_kw: float, start_s: float) -> Run:
    return Run(Substation(capacity_kw, start_s), start_s, start_s)


@given(CAPACITIES_KW, STARTS_S, SCRIPTS_WITH_RESTARTS, LOOKS, st.floats(min_value=0, max_value=50_000))
def test_looking_changes_nothing(
    capacity_kw: float, start_s: float, script: Script, looks: Looks, rest_s: float
) -> None:
    looked_at, left_alone = a_run(capacity_kw, start_s), a_run(capacity_kw, start_s)
    for run, its_looks in ((looked_at, looks), (left_alone, [])):
        run.play(script, its_looks)
        run.finish(rest_s)
    assert looked_at.books() == left_alone.books()
    assert looked_at.substation.meter_kwh == left_alone.substation.meter_kwh
    assert looked_at.substation.revision == left_alone.substation.revision


@given(CAPACITIES_KW, STARTS_S, SCRIPTS_WITH_RESTARTS, SCRIPTS_WITH_RESTARTS, LOOKS)
def test_from_a_checkpoint_it_goes_on_as_if_it_had_never_stopped(
    capacity_kw: float, start_s: float, before: Script, after: Script, looks: Looks
) -> None:
    live = a_run(capacity_kw, start_s)
    live.play(before, looks)
    live.substation.rebase(live.now_s)
    recovered = from_checkpoint(live)
    assert recovered.books() == live.books()
    for run, its_looks in ((live, looks), (recovered, looks[1:])):
        run.play(after, its_looks)
        run.finish(5_000)
    assert recovered.books() == live.books()


@given(CAPACITIES_KW, STARTS_S, SCRIPTS_WITH_RESTARTS, SCRIPTS_WITH_RESTARTS)
def test_a_copy_has_the_same_future_and_none_of_the_others(
    capacity_kw: float, start_s: float, before: Script, after: Script
) -> None:
    original, reference = a_run(capacity_kw, start_s), a_run(capacity_kw, start_s)
    for run in (original, reference):
        run.play(before, [])
    twin = copied(original)
    assert twin.books() == original.books()
    twin.play(after, [])
    twin.finish(5_000)
    assert original.books() == reference.books()
    original.play(after, [])
    original.finish(5_000)
    assert twin.books() == original.books()


def copied(live: Run) -> Run:
    substation = live.substation.copy()
    active = {session.session_id: session for session in substation.active}
    return Run(substation, live.start_s, live.now_s, {name: active.get(name, s) for name, s in live.sessions.items()})


def from_checkpoint(live: Run) -> Run:
    """What recovery makes of what a checkpoint says."""
    substation = Substation(live.substation.capacity_kw, live.substation.now_s)
    substation.restore(
        Session(session.session_id, session.request, session.started_s, session.delivered_kwh)
        for session in live.substation.active
    )
    active = {session.session_id: session for session in substation.active}
    return Run(substation, live.start_s, live.now_s, {name: active.get(name, s) for name, s in live.sessions.items()})


@pytest.mark.parametrize(
    ("power", "energy_kwh", "now_s"),
    [
        pytest.param(PowerRange(1, 11), 3 / 7, 100.0, id="rising"),
        pytest.param(PowerRange(1 / 3, 1 / 3), 3.0, 1000.0, id="held"),
        pytest.param(PowerRange(20, 20 + 1 / 3), 40.0, 1000.0, id="suspended"),
    ],
)
def test_a_checkpoint_says_all_that_the_substation_goes_on_from(
    power: PowerRange, energy_kwh: float, now_s: float
) -> None:
    """What these cars have had no float can say, unless a checkpoint has been taken; nor when they are full next."""
    substation = Substation(70, now_s=0)
    for number in range(3):
        substation.admit(str(number), ChargeRequest("EV", energy_kwh, power), now_s=0)
    substation.set_capacity(10, now_s)
    substation.rebase(1.7 * now_s)
    recovered = Substation(10, 1.7 * now_s)
    recovered.restore(Session(s.session_id, s.request, s.started_s, s.delivered_kwh) for s in substation.active)
    assert [s.lacks() for s in recovered.active] == [s.lacks() for s in substation.active]
    assert recovered.next_event_s() == substation.next_event_s()


def test_a_checkpoint_leaves_meter_and_sessions_in_agreement() -> None:
    substation, a_car = Substation(10, now_s=0), ChargeRequest("EV", 40, PowerRange(1, 11))
    sessions = [substation.admit(str(number), a_car, now_s=0) for number in range(3)]
    for now_s in range(0, 40_000, 7):
        substation.rebase(now_s)
    assert substation.meter_kwh == pytest.approx(sum(s.delivered_kwh for s in sessions if s), rel=1e-15)


def test_a_checkpoint_is_no_change_that_anyone_has_to_hear_of() -> None:
    substation = Substation(10, now_s=0)
    substation.admit("s", ChargeRequest("EV", 40, PowerRange(1, 11)), now_s=0)
    before = substation.status()
    substation.rebase(0)
    assert substation.status() == before


def test_a_checkpoint_ends_first_who_is_due() -> None:
    substation = Substation(11, now_s=0)
    substation.admit("s", ChargeRequest("EV", 11, PowerRange(1, 11)), now_s=0)
    substation.rebase(3600)
    assert list(substation.active) == []


def test_what_a_car_gets_does_not_depend_on_how_the_level_came_there() -> None:
    """At a level where five cars have just reached their maximum, and three quanta are left over for the sixth."""
    quantum_kw, spare_kw = 2.0**-60, 2.0**-7

    def lacks(earlier_kw: float) -> list[int]:
        substation = Substation(1000, now_s=0)
        powers = [*[PowerRange(1, 5)] * 5, PowerRange(1, 50), PowerRange(*[spare_kw - 3 * quantum_kw] * 2)]
        for number, power in enumerate(powers):
            substation.admit(str(number), ChargeRequest("EV", 40, power), 0)
        substation.set_capacity(earlier_kw, 0)
        substation.set_capacity(30 + spare_kw, 0)
        substation.advance(1)
        return [session.lacks() for session in substation.active]

    assert lacks(earlier_kw=20) == lacks(earlier_kw=60)
