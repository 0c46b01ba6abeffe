"""A model of a charger against a ConnectorLimit: whatever happens, in any order, what it may draw is held.

The model takes orders as they are (payloads have tests of their own). It obeys within `REACTION_S`; its clock is off by
up to `CLOCK_S`; orders and answers get lost; it goes offline, comes back, and may have profiles from before.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.pace import Pace
from smartgrid.edge.limits.quirks import DEFAULT, Quirks
from smartgrid.edge.ports import ConnectorSpec, LimitOrder, OcppVersion, Offer, ProfileKind, RateUnit, Reading

LEASE_S = 900.0
CLOCK_S = 10.0
REACTION_S = 5.0
TIMEOUT_S = 60.0
RATING_A = 32.0
V = 230.0


@dataclass
class Profile:
    """At the charger."""

    limit: float
    unit: RateUnit
    ends_s: float
    then_limit: float | None

    def at(self, now_s: float) -> float | None:
        return self.limit if now_s < self.ends_s else self.then_limit


class ModelCharger:
    """Takes orders, and draws as much as it may: or, if it ignores them, as much as it can."""

    def __init__(self, phases: int, clock_s: float, *, ignores: bool, rejected: frozenset[ProfileKind]) -> None:
        self.phases, self.clock_s, self.ignores, self.rejected = phases, clock_s, ignores, rejected
        self.tx: Profile | None = None
        self.base: Profile | None = None
        self.history: list[tuple[float, float]] = []

    def take(self, order: LimitOrder, made_s: float, now_s: float) -> bool:
        self.note(now_s)
        if order.kind in self.rejected:
            return False
        ends_s = float("inf")
        if order.duration_s is not None:
            ends_s = (now_s if order.is_relative else made_s + self.clock_s) + order.duration_s
        profile = Profile(order.limit, order.unit, ends_s, order.then_limit)
        if order.kind is ProfileKind.TX:
            self.tx = profile
        else:
            self.base = profile
        return True

    def allowed_kw(self, now_s: float) -> float:
        rating_kw = RATING_A * V * self.phases / 1000
        at = self.tx.at(now_s) if self.tx else None
        profile = self.tx if at is not None else self.base
        if at is None and self.base is not None:
            at = self.base.at(now_s)
        if self.ignores or at is None or profile is None:
            return rating_kw
        kw = at * V * self.phases / 1000 if profile.unit is RateUnit.AMPERES else at / 1000
        return min(kw, rating_kw)

    def note(self, now_s: float) -> None:
        """Remember what was allowed: the car may draw it for another moment."""
        self.history = [(when, kw) for when, kw in self.history if when > now_s - REACTION_S]
        self.history.append((now_s, self.allowed_kw(now_s)))

    def drawn_kw(self, now_s: float) -> float:
        self.note(now_s)
        return max(kw for when, kw in self.history if when > now_s - REACTION_S)


class Charging(RuleBasedStateMachine):
    ignores = False

    @initialize(
        phases=st.integers(1, 3),
        clock_s=st.floats(-CLOCK_S, CLOCK_S),
        unit=st.sampled_from([None, RateUnit.WATTS, RateUnit.AMPERES]),
        rejected=st.sampled_from([frozenset(), frozenset({ProfileKind.TX}), frozenset({ProfileKind.TX_DEFAULT})]),
        before=st.sampled_from([None, 6.0, 32.0]),
        relative=st.booleans(),
        lease_s=st.sampled_from([LEASE_S, LEASE_S, 60.0, 20.0]),
        kinds=st.sampled_from([*DEFAULT.kinds, ProfileKind.CHARGE_POINT_MAX]).map(lambda kind: (kind,))
        | st.just(DEFAULT.kinds),
    )
    def start(
        self, phases: int, clock_s: float, unit: RateUnit | None, rejected: frozenset[ProfileKind],
        before: float | None, relative: bool, kinds: tuple[ProfileKind, ...],
        lease_s: float,
    ) -> None:  # fmt: skip
        self.now_s, self.lease_s = 1000.0, lease_s
        self.charger = ModelCharger(phases, clock_s, ignores=self.ignores, rejected=rejected)
        if before is not None:
            self.charger.tx = Profile(before, RateUnit.AMPERES, self.now_s + 800, None)
            self.charger.base = Profile(before, RateUnit.AMPERES, float("inf"), None)
        spec = ConnectorSpec(3, RATING_A)
        self.limit = ConnectorLimit(
            1, spec, Quirks(unit=unit, is_relative=relative, kinds=kinds), OcppVersion.V16, Pace()
        )
        self.limit.fallback(6.0, self.now_s)
        self.limit.begin("1", self.now_s)
        self.wire: list[tuple[LimitOrder, float]] = []
        self.online = True
        self.number = 0
        self.offered_kw = 0.0
        self.lease_end_s = 0.0
        self.last_rise_s = -1000.0
        self.transactions = 1
        self.pump()

    def pump(self) -> None:
        for _ in range(20):
            order = self.limit.next_order(self.now_s)
            if order is None:
                return
            assert self.online
            self.check(order)
            self.limit.sent(order, self.now_s)
            self.wire.append((order, self.now_s))
        pytest.fail("it would write for ever")

    def check(self, order: LimitOrder) -> None:
        if order.duration_s is None:
            assert order.limit <= 6 * 690
            return
        assert self.now_s + order.duration_s <= self.lease_end_s
        assert 5 <= order.duration_s <= 840
        factor = self.limit.voltage_v * self.limit.phases if order.unit is RateUnit.AMPERES else 1.0
        refused_zero = bool(self.charger.rejected) and order.limit * factor <= 6 * 690
        assert order.limit * factor / 1000 <= self.offered_kw + 1e-9 or refused_zero or not self.limit.is_controlled

    def later(self, seconds: float) -> None:
        """In steps, as the charger's profiles may end on the way."""
        target_s = self.now_s + seconds
        while self.now_s < target_s:
            self.now_s = min(target_s, self.now_s + max(1.0, min(60.0, seconds / 20)))
            self.charger.note(self.now_s)
            self.held()
            while self.wire and self.wire[0][1] <= self.now_s - TIMEOUT_S:
                order, made_s = self.wire.pop(0)
                self.charger.take(order, made_s, self.now_s)
                self.limit.answered(order, None, self.now_s)
            self.pump()

    @invariant()
    def held(self) -> None:
        if hasattr(self, "charger"):
            held_kw = self.limit.held_kw(self.now_s)
            assert self.charger.drawn_kw(self.now_s) <= held_kw * 1.02 + 1e-6

    @rule(seconds=st.sampled_from([1, 4, 7, 31, 61]))
    def time_passes(self, seconds: int) -> None:
        self.later(seconds)

    @rule(count=st.integers(1, 4))
    def long_time_passes(self, count: int) -> None:
        self.later(240.0 * count)

    @rule(kw=st.floats(0, 25), delay_s=st.floats(0, 30))
    def the_substation_offers(self, kw: float, delay_s: float) -> None:
        self.number += 1
        self.offered_kw, self.lease_end_s = kw, self.now_s - delay_s + self.lease_s
        self.limit.offered(Offer(self.number, kw, self.lease_end_s), self.now_s)
        self.pump()

    @rule()
    def the_substation_knows_nothing(self) -> None:
        self.offered_kw = 0.0
        self.limit.offered(None, self.now_s)
        self.pump()

    @precondition(lambda self: self.wire)
    @rule(answer=st.sampled_from(["comes", "comes", "is lost", "order is lost"]), wait_s=st.sampled_from([0, 3]))
    def an_order_arrives(self, answer: str, wait_s: int) -> None:
        order, made_s = self.wire.pop(0)
        accepted: bool | None = None
        if answer != "order is lost":
            taken = self.charger.take(order, made_s, self.now_s)
            accepted = taken if answer == "comes" else None
        self.held()
        self.later(wait_s)
        self.limit.answered(order, accepted, self.now_s)
        self.pump()

    @precondition(lambda self: self.online)
    @rule()
    def the_connection_breaks(self) -> None:
        self.online = False
        for order, made_s in self.wire[:1]:
            self.charger.take(order, made_s, self.now_s)
        lost, self.wire = self.wire, []
        for order, _ in lost:
            self.limit.answered(order, None, self.now_s)
        self.limit.disconnected(self.now_s)

    @precondition(lambda self: not self.online)
    @rule(rebooted=st.booleans())
    def the_charger_comes_back(self, rebooted: bool) -> None:
        self.online = True
        if rebooted:
            self.charger.tx = None
        self.limit.reconnected(self.now_s, rebooted=rebooted)
        self.pump()

    @rule(current_a=st.sampled_from([0.0, 6.0]))
    def the_safe_current_changes(self, current_a: float) -> None:
        self.limit.fallback(current_a, self.now_s)
        self.pump()

    @rule()
    def the_meter_is_read(self) -> None:
        kw = self.charger.drawn_kw(self.now_s)
        each_a = kw * 1000 / (V * self.charger.phases)
        currents = tuple(each_a if phase < self.charger.phases else 0.0 for phase in range(3))
        reading = Reading(self.now_s, power_kw=kw, currents_a=currents, voltages_v=(V, V, V))  # type: ignore[arg-type]
        due_s = self.limit.next_due_s()
        self.limit.measured(reading, self.now_s)
        assert self.limit.has_news or self.now_s >= due_s or self.limit.next_order(self.now_s) is None
        self.pump()

    @rule()
    def another_car_comes(self) -> None:
        self.limit.end(self.now_s)
        self.charger.tx = None
        self.transactions += 1
        self.offered_kw = 0.0
        self.limit.begin(str(self.transactions), self.now_s, is_new=True)
        self.charger.history.clear()
        self.pump()


class Ignoring(Charging):
    ignores = True

    @invariant()
    def held(self) -> None:
        """It is found out by its meter only: until then it draws what nobody can know of."""
        if hasattr(self, "charger") and not self.limit.is_controlled:
            assert self.charger.drawn_kw(self.now_s) <= self.limit.held_kw(self.now_s)


TestCharging = Charging.TestCase
TestIgnoring = Ignoring.TestCase
TestCharging.settings = TestIgnoring.settings = settings(
    max_examples=5 * settings.default.max_examples,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
