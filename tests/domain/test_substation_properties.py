"""What holds of a substation whatever happens to it, and its energy against exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.domain.sharing import share_kw
from smartgrid.domain.substation import Substation
from support.reference import Reference
from support.scripts import (
    CAPACITIES_KW,
    SCRIPTS,
    SCRIPTS_WITH_RESTARTS,
    Admit,
    Event,
    Outage,
    Script,
    SetCapacity,
    Stop,
)

ROUNDING_KW = 1e-9
NEAR_KWH = 1e-6


@dataclass
class World:
    """A substation, all sessions that it ever had, and the integral of its load taken from the outside."""

    substation: Substation
    now_s: float = 0.0
    sessions: dict[str, Session] = field(default_factory=dict)
    integral_kwh: float = 0.0
    watched: list[Callable[[World], None]] = field(default_factory=list)

    def advance(self, now_s: float) -> None:
        """Step from event to event, adding up load times time."""
        while (event_s := self.substation.next_event_s()) is not None and event_s <= now_s:
            self._integrate(event_s)
        self._integrate(now_s)

    def do(self, event: Event) -> None:
        event.apply(self.substation, self.sessions, 0.0, self.now_s)
        self.now_s = self.substation.now_s

    def _integrate(self, to_s: float) -> None:
        self.integral_kwh += self.substation.status().load_kw * max(0.0, to_s - self.now_s) / 3600
        self.now_s = max(self.now_s, to_s)
        self.substation.advance(to_s)
        for check in self.watched:
            check(self)


def play(capacity_kw: float, script: Script, *watched: Callable[[World], None]) -> World:
    world = World(Substation(capacity_kw, 0.0), watched=list(watched))
    for pause_s, event in script:
        world.advance(world.now_s + pause_s)
        world.do(event)
        for check in watched:
            check(world)
    world.advance(world.now_s + 50_000)
    return world


def never_over_capacity(world: World) -> None:
    given_kw = sum(session.power_kw for session in world.substation.active)
    assert given_kw <= world.substation.capacity_kw + ROUNDING_KW
    assert world.substation.status().load_kw == pytest.approx(given_kw, abs=ROUNDING_KW)


def minimums_are_kept(world: World) -> None:
    for session in world.substation.active:
        power = session.request.power
        assert session.power_kw == 0 or power.min_kw <= session.power_kw <= power.max_kw


def only_the_newest_are_suspended(world: World) -> None:
    charging = [session.power_kw > 0 for session in world.substation.active]
    assert charging == sorted(charging, reverse=True)


def the_active_are_in_order_of_their_start(world: World) -> None:
    active = [session.session_id for session in world.substation.active]
    assert active == [name for name, session in world.sessions.items() if session.active]


def no_one_is_suspended_for_whom_there_is_room(world: World) -> None:
    ranges = [session.request.power for session in world.substation.active]
    charging = sum(session.power_kw > 0 for session in world.substation.active)
    if charging < len(ranges):
        assert sum(r.min_kw for r in ranges[: charging + 1]) > world.substation.capacity_kw


def no_more_than_was_asked_for(world: World) -> None:
    assert all(session.delivered_kwh <= session.request.energy_kwh for session in world.sessions.values())


@given(CAPACITIES_KW, SCRIPTS)
def test_at_every_moment(capacity_kw: float, script: Script) -> None:
    play(
        capacity_kw,
        script,
        never_over_capacity,
        minimums_are_kept,
        the_active_are_in_order_of_their_start,
        only_the_newest_are_suspended,
        no_one_is_suspended_for_whom_there_is_room,
        no_more_than_was_asked_for,
    )


@given(CAPACITIES_KW, SCRIPTS_WITH_RESTARTS)
def test_sessions_meter_and_integral_of_the_load_agree(capacity_kw: float, script: Script) -> None:
    world = play(capacity_kw, script)
    delivered_kwh = sum(session.delivered_kwh for session in world.sessions.values())
    assert world.substation.meter_kwh == pytest.approx(delivered_kwh, abs=1e-9)
    assert world.integral_kwh == pytest.approx(delivered_kwh, abs=NEAR_KWH)


@given(CAPACITIES_KW, SCRIPTS_WITH_RESTARTS)
def test_each_session_gets_what_exact_arithmetic_says(capacity_kw: float, script: Script) -> None:
    world, exact = World(Substation(capacity_kw, 0.0)), Reference(capacity_kw, 0.0)
    for pause_s, event in script:
        world.advance(world.now_s + pause_s)
        exact.advance(world.now_s)
        before = len(world.sessions)
        world.do(event)
        tell(exact, event, world, admitted=len(world.sessions) > before)
    exact.advance(world.now_s)
    had_kwh = {name: float(car.had_kwh) for name, car in exact.cars.items()}
    assert {name: s.delivered_kwh for name, s in world.sessions.items()} == pytest.approx(had_kwh, abs=NEAR_KWH)


def tell(exact: Reference, event: Event, world: World, *, admitted: bool) -> None:
    if isinstance(event, Admit):
        if admitted:
            wish, power = event.request, event.request.power
            name = f"s{len(world.sessions) - 1}"
            exact.admit(name, wish.energy_kwh, power.min_kw, power.max_kw, wish.departure_s, world.now_s)
    elif isinstance(event, SetCapacity):
        exact.set_capacity(event.capacity_kw, world.now_s)
    elif isinstance(event, Outage):
        exact.outage(world.now_s)
    elif isinstance(event, Stop) and f"s{event.number}" in world.sessions:
        exact.stop(f"s{event.number}", world.now_s)


@given(CAPACITIES_KW, SCRIPTS, st.integers(2, 40))
def test_many_small_steps_come_to_the_same_as_one(capacity_kw: float, script: Script, steps: int) -> None:
    def in_steps(script: Script) -> World:
        world = World(Substation(capacity_kw, 0.0))
        for pause_s, event in script:
            for _ in range(steps):
                world.advance(world.now_s + pause_s / steps)
            world.do(event)
        return world

    pauses = [(float(round(pause_s)) * steps, event) for pause_s, event in script]  # so that the times are the same
    small, large = in_steps(pauses), play(capacity_kw, pauses)
    small.advance(large.now_s)
    assert {n: s.delivered_kwh for n, s in small.sessions.items()} == pytest.approx(
        {n: s.delivered_kwh for n, s in large.sessions.items()}, abs=NEAR_KWH
    )


@given(st.permutations([PowerRange(4.14, 22), PowerRange(1.38, 7.4), PowerRange(11, 11), PowerRange(5, 50)]))
def test_cars_that_come_at_once_get_the_same_in_any_order(arrivals: list[PowerRange]) -> None:
    substation = Substation(40, 0.0)
    for power in arrivals:
        assert substation.admit(str(power), ChargeRequest("EV", 10, power), 0.0) is not None
    got = {session.request.power: session.power_kw for session in substation.active}
    known = sorted(arrivals, key=str)
    assert got == pytest.approx(dict(zip(known, share_kw(40, known), strict=True)), abs=ROUNDING_KW)


@given(CAPACITIES_KW, SCRIPTS)
def test_everyone_is_full_or_gone_in_the_end(capacity_kw: float, script: Script) -> None:
    world = play(capacity_kw, script)
    world.substation.set_capacity(10_000, world.now_s)
    world.advance(world.now_s + 1e9)
    assert list(world.substation.active) == []
    assert world.substation.status().load_kw == 0
