"""All chargers of a substation together: what is booked grows beyond the capacity by facts alone, and all that can be
given is given in the end."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.ceiling import REST_S
from smartgrid.domain.charger_sessions import LEAST_RISE_KW, ChargerSession, ChargerSessions, Reading
from smartgrid.domain.held_power import HeldPower, Report, Sender
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.sharing import share_kw
from smartgrid.domain.substation import Substation

NEAR_KW = 1e-6
BOOKED_LEASE_S = 1000.0
EDGE = "edge-0"
RANGES = [PowerRange(1.38, 7.4), PowerRange(4.14, 11.0), PowerRange(4.14, 22.0), PowerRange(6.0, 6.0)]


class Wall:
    """A substation with chargers, in one second after the other."""

    def __init__(self, capacity_kw: float) -> None:
        self.substation = Substation(capacity_kw, 0.0)
        self.sessions = ChargerSessions(self.substation)
        self.now_s, self.names = 0.0, 0

    def share(self) -> None:
        self.sessions.share(may_rise=True)
        if self.sessions.booked_kw != self.substation.booked_kw:
            self.substation.set_booked(self.sessions.booked_kw, self.now_s)

    def plug_in(
        self, power: PowerRange, fallback_kw: float = 0.0, held_kw: float = 0.0, *, is_controlled: bool = True
    ) -> ChargerSession | None:
        """None where there is no room for it."""
        self.names += 1
        request = ChargeRequest(f"EV-{self.names}", math.inf, power, is_metered=True)
        session = self.substation.admit(f"s{self.names}", request, self.now_s)
        if session is None:
            return None
        supply = HeldPower(EDGE, 22.0, fallback_kw, held_kw, self.now_s + BOOKED_LEASE_S, is_controlled=is_controlled)
        charger = ChargerSession(session.session_id, power, supply)
        self.sessions.add(charger)
        self.sessions.begin(charger, session)
        self.share()
        return charger

    def plug_out(self, charger: ChargerSession) -> None:
        self.sessions.remove(charger.session_id)
        if charger.session is not None:
            self.substation.stop(charger.session_id, self.now_s)
        self.share()

    def report(self, charger: ChargerSession, number: int, held_kw: float, fallback_kw: float, **facts: bool) -> None:
        report = Report(number, held_kw, fallback_kw, 22.0, **facts)
        self.sessions.report(charger, report, Sender(EDGE), self.now_s + BOOKED_LEASE_S)
        self.share()

    def confirm(self, charger: ChargerSession) -> None:
        supply = charger.supply
        self.report(charger, supply.number, max(supply.offer_kw, supply.fallback_kw), supply.fallback_kw)

    def poll(self) -> None:
        self.sessions.renew(self.now_s + BOOKED_LEASE_S)
        self.share()

    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.substation.advance(self.now_s)
        self.sessions.pass_time(self.now_s)
        self.share()


class Walk:
    """Whatever may happen, one thing after the other; each returns how much of it is a fact."""

    def __init__(self, seed: int) -> None:
        self.rng, self.wall = random.Random(seed), Wall(30.0)

    def any_charger(self) -> ChargerSession | None:
        return self.rng.choice(list(self.wall.sessions)) if len(self.wall.sessions) else None

    def plug_in(self) -> float:
        facts = self.rng.choice([0.0, 0.0, 1.38, 4.14]), self.rng.choice([0.0, 0.0, 9.0])
        is_controlled = self.rng.random() < 0.9
        charger = self.wall.plug_in(self.rng.choice(RANGES), *facts, is_controlled=is_controlled)
        return 0.0 if charger is None else max(*facts, 0.0 if is_controlled else 22.0)

    def plug_out(self) -> float:
        if (charger := self.any_charger()) is not None:
            self.wall.plug_out(charger)
        return 0.0

    def stop(self) -> float:
        charger = self.any_charger()
        if charger is not None and charger.session is not None:
            self.wall.substation.stop(charger.session_id, self.wall.now_s)
            self.wall.sessions.stop(charger)
            self.wall.share()
        return 0.0

    def charge_without(self) -> float:
        request = ChargeRequest("EV-other", self.rng.choice([0.5, 10.0]), self.rng.choice(RANGES))
        self.wall.substation.admit(f"other{self.rng.random()}", request, self.wall.now_s)
        self.wall.share()
        return 0.0

    def confirm(self) -> float:
        if (charger := self.any_charger()) is not None:
            self.wall.confirm(charger)
        return 0.0

    def report(self) -> float:
        charger, rng = self.any_charger(), self.rng
        if charger is None:
            return 0.0
        supply, held_kw, fallback_kw = charger.supply, rng.uniform(0, 22), rng.choice([0.0, 1.38, 4.14])
        is_controlled = rng.random() < 0.9
        number = rng.randrange(supply.base, supply.number + 1)
        self.wall.report(charger, number, held_kw, fallback_kw, is_controlled=is_controlled)
        return max(held_kw, fallback_kw, 0.0 if is_controlled else 22.0)

    def observe(self) -> float:
        if (charger := self.any_charger()) is not None:
            reading = Reading(self.rng.choice([0.0, 1.0, 5.0, charger.power_kw]), self.rng.uniform(0, 5))
            self.wall.sessions.observe(charger, reading, self.wall.now_s)
            self.wall.share()
        return 0.0

    def set_capacity(self) -> float:
        self.wall.substation.set_capacity(self.rng.choice([0.0, 8.0, 15.0, 30.0, 60.0]), self.wall.now_s)
        self.wall.share()
        return 0.0

    def poll(self) -> float:
        self.wall.poll()
        return 0.0

    def wait(self) -> float:
        self.wall.wait(self.rng.choice([1.0, 61.0, REST_S, BOOKED_LEASE_S + 1]))
        return 0.0

    def step(self) -> None:
        often = [self.plug_in, self.confirm, self.confirm, self.confirm, self.observe, self.poll]
        seldom = [self.plug_out, self.stop, self.charge_without, self.report, self.set_capacity, self.wait]
        rule, wall = self.rng.choice(often * 2 + seldom), self.wall
        before_kw = wall.sessions.booked_kw
        facts_kw = rule()
        booked_kw, capacity_kw = wall.sessions.booked_kw, wall.substation.capacity_kw
        assert booked_kw <= max(capacity_kw, before_kw + facts_kw) + NEAR_KW, rule.__name__
        others_kw = sum(session.power_kw for session in wall.substation.active)
        assert others_kw <= max(0.0, capacity_kw - booked_kw) + NEAR_KW, rule.__name__
        for charger in wall.sessions:
            assert charger.power_kw <= charger.supply.booked_kw + NEAR_KW
            assert charger.power_kw == 0 or charger.power_kw >= charger.range.min_kw or not charger.can_rise


@pytest.mark.parametrize("seed", range(20))
def test_only_facts_are_booked_beyond_the_capacity(seed: int) -> None:
    """Whatever edges say: a cut, and what is said to be drawn, are facts; no offer adds to them."""
    walk = Walk(seed)
    for _ in range(1500):
        walk.step()


@given(
    ranges=st.lists(st.sampled_from(RANGES), min_size=1, max_size=8),
    capacities_kw=st.lists(st.floats(min_value=6.0, max_value=90), min_size=1, max_size=4),
    rng=st.randoms(use_true_random=False),
)
def test_all_that_can_be_given_is_given_once_the_falls_are_confirmed(
    ranges: list[PowerRange], capacities_kw: list[float], rng: random.Random
) -> None:
    wall = Wall(capacities_kw[0])
    chargers = [charger for power in ranges if (charger := wall.plug_in(power)) is not None]
    for capacity_kw in capacities_kw:
        wall.substation.set_capacity(capacity_kw, wall.now_s)
        wall.share()
        for _ in range(3):
            wall.poll()
            for charger in rng.sample(chargers, len(chargers)):
                wall.confirm(charger)
    fed = []
    for charger in chargers:
        if sum(each.power.min_kw for each in [*fed, charger]) > wall.substation.capacity_kw + NEAR_KW:
            break
        fed.append(charger)
    shares = share_kw(wall.substation.capacity_kw, [charger.power for charger in fed])
    for charger, share in zip(fed, shares, strict=True):
        assert share - LEAST_RISE_KW - 0.001 <= charger.power_kw <= share + NEAR_KW
    assert all(charger.power_kw == 0 for charger in chargers[len(fed) :])


def test_two_cars_follow_the_capacity_as_they_confirm() -> None:
    wall = Wall(15.0)
    first, second = (wall.plug_in(PowerRange(4.14, 22.0)) for _ in range(2))
    assert first is not None
    assert second is not None
    seen = []
    for capacity_kw in (15.0, 9.0, 6.0, 22.0):
        wall.substation.set_capacity(capacity_kw, 0.0)
        wall.share()
        for _ in range(3):
            wall.confirm(first)
            wall.confirm(second)
        seen.append((first.power_kw, second.power_kw))
    assert seen == [(7.5, 7.5), (4.5, 4.5), (6.0, 0.0), (11.0, 11.0)]


def test_a_fallback_of_a_newer_car_pauses_no_older_one() -> None:
    """At 6 kW there is room for one; that both draw something without a word makes neither pause for nothing."""
    wall = Wall(9.0)
    first, second = (wall.plug_in(PowerRange(4.14, 22.0), 4.14) for _ in range(2))
    assert first is not None
    assert second is not None
    wall.confirm(first)
    wall.confirm(second)
    wall.substation.set_capacity(6.0, 0.0)
    wall.share()
    assert (first.power_kw, second.power_kw) == (4.14, 4.14)
    wall.report(second, second.supply.number, 4.14, 0.0)
    assert (first.power_kw, second.power_kw) == (4.14, 0)
    wall.confirm(first)
    wall.confirm(second)
    assert (first.power_kw, second.power_kw) == (6.0, 0)


def test_whose_fallback_is_its_minimum_is_never_given_less() -> None:
    """The older one has no safe current, and there is room for one: for the one that would draw anyway."""
    wall = Wall(22.0)
    older, newer = wall.plug_in(PowerRange(4.14, 22.0)), wall.plug_in(PowerRange(4.14, 22.0), 4.14)
    assert older is not None
    assert newer is not None
    wall.substation.set_capacity(6.0, 0.0)
    wall.share()
    for charger in (older, newer):
        wall.confirm(charger)
    assert (older.power_kw, newer.power_kw) == (0.0, 6.0)


def test_a_pause_of_the_charger_is_not_the_cars_doing() -> None:
    wall = Wall(22.0)
    charger = wall.plug_in(PowerRange(4.14, 22.0))
    assert charger is not None
    wall.confirm(charger)
    for _ in range(4):
        wall.sessions.observe(charger, Reading(0.0, is_paused=True), wall.now_s)
        wall.wait(31.0)
    wall.sessions.observe(charger, Reading(0.0), wall.now_s)
    wall.wait(31.0)
    assert charger.power_kw == 22


def test_a_rise_waits_until_the_fall_of_another_is_confirmed() -> None:
    wall = Wall(22.0)
    first = wall.plug_in(PowerRange(4.14, 22.0))
    assert first is not None
    wall.confirm(first)
    second = wall.plug_in(PowerRange(4.14, 22.0))
    assert second is not None
    assert (first.power_kw, second.power_kw) == (11.0, 0.0)
    wall.confirm(first)
    assert (first.power_kw, second.power_kw) == (11.0, 11.0)


def test_after_the_lease_the_power_goes_to_those_who_have_no_charger() -> None:
    wall = Wall(22.0)
    charger = wall.plug_in(PowerRange(4.14, 22.0), 1.38)
    assert charger is not None
    other = wall.substation.admit("other", ChargeRequest("EV-2", 100.0, PowerRange(4.0, 22.0)), 0.0)
    assert other is not None
    wall.share()
    assert other.power_kw == 0  # the charger may still draw all of it
    wall.wait(BOOKED_LEASE_S)
    assert (charger.power_kw, charger.supply.booked_kw) == (0.0, 1.38)
    assert other.power_kw == pytest.approx(20.62)


def test_an_edge_that_holds_no_session_keeps_no_lease_so_power_of_a_dead_one_is_free_again() -> None:
    wall = Wall(30.0)
    dead = [wall.plug_in(PowerRange(4.14, 22.0), fallback_kw=1.38) for _ in range(2)]
    wall.poll()
    for each in dead:
        assert each is not None
        wall.confirm(each)
    assert wall.sessions.booked_kw == pytest.approx(30)
    for _ in range(3):
        wall.sessions.renew(wall.now_s + BOOKED_LEASE_S, "edge-0/born-after")
        wall.wait(0.4 * BOOKED_LEASE_S)
    assert [each.supply.booked_kw for each in wall.sessions] == [1.38, 1.38]

    newcomer = wall.plug_in(PowerRange(4.14, 22.0))
    wall.share()
    assert newcomer is not None
    assert newcomer.power_kw == 22.0


def test_whoever_asks_after_the_lease_is_offered_only_what_is_left() -> None:
    wall = Wall(22.0)
    charger = wall.plug_in(PowerRange(4.14, 22.0))
    assert charger is not None
    wall.wait(BOOKED_LEASE_S)
    wall.plug_in(PowerRange(6.0, 6.0), is_controlled=False)
    wall.poll()
    assert charger.power_kw == 0  # 22 kW are another's by now, who does not obey


def test_a_charger_that_does_not_obey_is_booked_at_its_rating() -> None:
    wall = Wall(30.0)
    first, second = wall.plug_in(PowerRange(4.14, 11.0)), wall.plug_in(PowerRange(4.14, 22.0))
    assert first is not None
    assert second is not None
    wall.report(first, first.supply.number, 11.0, 0.0, is_controlled=False)
    assert (first.supply.booked_kw, wall.sessions.uncontrolled_kw) == (22.0, 22.0)
    assert second.power_kw == 8.0
    wall.report(first, first.supply.number, 11.0, 0.0, is_controlled=True)
    assert wall.sessions.uncontrolled_kw == 0


def test_a_car_that_takes_little_leaves_its_share_to_others() -> None:
    wall = Wall(22.0)
    first, second = wall.plug_in(PowerRange(4.14, 22.0)), wall.plug_in(PowerRange(4.14, 22.0))
    assert first is not None
    assert second is not None
    for _ in range(2):
        for charger in (first, second):
            wall.confirm(charger)
    for _ in range(3):
        wall.sessions.observe(first, Reading(5.0), wall.now_s)
        wall.wait(31.0)
    wall.confirm(first)
    assert (first.power_kw, second.power_kw) == (5.5, 16.5)


def test_one_that_has_had_what_it_wanted_is_to_stop() -> None:
    wall = Wall(22.0)
    charger = wall.plug_in(PowerRange(4.14, 22.0))
    assert charger is not None
    charger.wanted_kwh = 10.0
    wall.sessions.observe(charger, Reading(11.0, 10.0), wall.now_s)
    wall.share()
    assert (charger.told_state, charger.power_kw) == ("Stopping", 0)
