"""What holds for a fleet whatever happens: cars, answers, failures, polls, restarts, substations that come and go."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from smartgrid.domain.fleet import Fleet, Reservation, View
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.routing import POLICIES, make_policy
from smartgrid.domain.standing import Standing
from smartgrid.domain.status import Status
from smartgrid.domain.substation import Substation

POWERS = st.sampled_from([PowerRange(kw, kw) for kw in (3.7, 11.0, 22.0, 50.0)] + [PowerRange(4.14, 22.0)])
POWER_FIELDS = ["capacity_kw", "load_kw", "committed_kw", "demand_kw", "largest_free_kw"]
IMPOSSIBLE_KW = [1e303, math.inf, math.nan, -5.0]
NAMES = [f"substation-{number}" for number in range(4)]


class FleetMachine(RuleBasedStateMachine):
    """A fleet over real substations that it sees late, or never, and that at times say what cannot be."""

    asking = Bundle("asking")  # (reservation, power, tried): a car that waits for an answer

    @initialize(policy=st.sampled_from(sorted(set(POLICIES) - {"polled"})), seed=st.integers(0, 1000))
    def start(self, policy: str, seed: int) -> None:
        rng = Random(seed)
        self.now_s = 0.0
        self.cars = 0
        self.fleet = Fleet(make_policy(policy, rng), rng)
        self.substations = {name: Substation(80.0 + 10 * i, 0.0) for i, name in enumerate(NAMES)}
        self.epochs = dict.fromkeys(NAMES, 1)
        self.standings = dict.fromkeys(NAMES, Standing.FIRST)
        self.down_to = Standing.LAST
        self.open: list[Reservation] = []
        for name in NAMES:
            self.fleet.join(name)

    @rule(name=st.sampled_from(NAMES))
    def poll(self, name: str) -> None:
        status = self._status(name)
        assert self.fleet.update(name, status, self.now_s)
        assert self.fleet.view(name).status == status

    @rule(seconds=st.floats(0.1, 20))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(target=asking, power=POWERS)
    def car_comes(self, power: PowerRange) -> object:
        return self._ask(power, ())

    @rule(target=asking, car=consumes(asking))
    def substation_answers(self, car: tuple[Reservation, PowerRange, tuple[str, ...]]) -> object:
        reservation, power, tried = car
        substation = self.substations[reservation.name]
        self.cars += 1
        admitted = substation.admit(str(self.cars), ChargeRequest("car", 0.1, power), self.now_s)
        self._done(reservation)
        self.fleet.confirm(reservation, self._status(reservation.name), self.now_s)
        return multiple() if admitted else self._ask(power, (*tried, reservation.name))

    @rule(target=asking, car=consumes(asking))
    def connection_fails(self, car: tuple[Reservation, PowerRange, tuple[str, ...]]) -> object:
        reservation, power, tried = car
        self._done(reservation)
        self.fleet.release(reservation)
        return self._ask(power, (*tried, reservation.name))

    @rule(name=st.sampled_from(NAMES))
    def leave_and_come_back(self, name: str) -> None:
        self.fleet.leave(name)
        self.open = [reservation for reservation in self.open if reservation.name != name]
        self.fleet.join(name)
        self.standings[name] = Standing.FIRST

    @rule(name=st.sampled_from(NAMES), standing=st.sampled_from(Standing))
    def change_standing(self, name: str, standing: Standing) -> None:
        self.standings[name] = standing
        self.fleet.set_standing(name, standing)

    @rule(down_to=st.sampled_from([each for each in Standing if each is not Standing.NONE]))
    def ask_further_down(self, down_to: Standing) -> None:
        self.down_to = down_to

    @rule(name=st.sampled_from(NAMES), capacity_kw=st.floats(20, 150))
    def grid_operator_changes_the_capacity(self, name: str, capacity_kw: float) -> None:
        self.substations[name].set_capacity(capacity_kw, self.now_s)

    @rule(name=st.sampled_from(NAMES))
    def drain(self, name: str) -> None:
        self.fleet.update(name, replace(self._status(name), draining=True), self.now_s)

    @rule(name=st.sampled_from(NAMES), waiting_kwh=st.integers(1, 50))
    def cars_wait(self, name: str, waiting_kwh: int) -> None:
        """As long as they do, it says that it has no room."""
        listed = replace(self._status(name), waiting_sessions=1, waiting_kwh=float(waiting_kwh), largest_free_kw=0.0)
        self.fleet.update(name, listed, self.now_s)

    @rule(name=st.sampled_from(NAMES), free=st.integers(0, 4))
    def chargers_are_known(self, name: str, free: int) -> None:
        """Until the next status. Where no connector is free it says that it has no room."""
        status = replace(self._status(name), connectors=4, free_connectors=free)
        self.fleet.update(name, status if free else replace(status, largest_free_kw=0.0), self.now_s)

    @rule(power=POWERS, asked=st.sets(st.sampled_from(NAMES)))
    def a_waiting_car_can_start(self, power: PowerRange, asked: set[str]) -> None:
        held = self.fleet.reserve_free(power, asked)
        for view in self.fleet.views() if held is None else ():
            status = view.status
            may_take = view.name not in asked and view.in_rotation and status is not None and not status.draining
            if may_take and status is not None and not view.reserved_min_kw:
                assert status.largest_free_kw < power.min_kw
        if held is not None:
            view = self.fleet.view(held.name)
            assert held.name not in asked
            assert view.in_rotation
            assert view.status is not None
            assert view.status.waiting_sessions == 0
            assert view.reserved_min_kw <= view.status.largest_free_kw + 1e-6
            self.fleet.release(held)

    @rule(name=st.sampled_from(NAMES))
    def start_again_without_its_file(self, name: str) -> None:
        """Its revisions begin anew, at less than they were."""
        self.substations[name] = Substation(self.substations[name].capacity_kw, self.now_s)
        self.epochs[name] += 1

    @rule(name=st.sampled_from(NAMES), power=st.sampled_from(POWER_FIELDS), kw=st.sampled_from(IMPOSSIBLE_KW))
    def say_something_absurd(self, name: str, power: str, kw: float) -> None:
        known = self.fleet.view(name)
        absurd = replace(self._status(name), **{power: kw})  # type: ignore[arg-type]
        assert not self.fleet.update(name, absurd, self.now_s)
        assert self.fleet.view(name) == known

    @invariant()
    def reservations_never_leak(self) -> None:
        for view in self.fleet.views():
            mine = [reservation.power for reservation in self.open if reservation.name == view.name]
            assert abs(view.reserved_min_kw - sum(power.min_kw for power in mine)) < 1e-6
            assert abs(view.reserved_max_kw - sum(power.max_kw for power in mine)) < 1e-6
            assert mine or view.reserved_min_kw == 0

    @invariant()
    def totals_are_the_sums_of_the_views(self) -> None:
        views = [view for view in self.fleet.views() if view.status is not None and view.in_rotation]
        totals = self.fleet.totals()
        statuses = [view.status for view in views if view.status is not None]
        committed_kw = sum(status.committed_kw for status in statuses) + sum(view.reserved_min_kw for view in views)
        releases_s = [status.next_release_s for status in statuses if status.next_release_s is not None]
        assert abs(totals.capacity_kw - sum(status.capacity_kw for status in statuses)) < 1e-5
        assert abs(totals.committed_kw - committed_kw) < 1e-5
        assert totals.active_sessions == sum(status.active_sessions for status in statuses)
        assert totals.next_release_s == min(releases_s, default=None)
        known = [view for view in views if view.status is not None and view.status.connectors is not None]
        assert totals.connectors == (4 * len(known) if known else None)
        assert (totals.free_connectors is None) == (not known)

    @invariant()
    def backlogs_are_in_the_order_of_a_plain_walk(self) -> None:
        seen = [view for view in self.fleet.views() if view.status is not None and view.in_rotation]
        statuses = {view.name: view.status for view in seen if view.status is not None}
        plain = sorted(
            (status.waiting_kwh / status.capacity_kw, math.inf if due_s is None else due_s, i, name)
            for i, (name, status) in enumerate(statuses.items())
            if not status.draining
            for due_s in [status.next_release_s]
        )
        assert self.fleet.shortest_backlogs(PowerRange(0.1, 0.1), 9) == [name for *_, name in plain]
        listed = {name for name, status in statuses.items() if status.waiting_sessions}
        assert {view.name for view in self.fleet.lists()} == listed

    def _ask(self, power: PowerRange, tried: tuple[str, ...]) -> object:
        reservation = self.fleet.reserve(power, self.now_s, tried, self.down_to)
        if reservation is None:
            self._check_refusal(power, tried)
            return multiple()
        assert reservation.name not in tried
        view = self.fleet.view(reservation.name)
        assert self.standings[view.name] <= self.down_to
        assert view.status is not None
        assert not view.status.draining
        if not self._has_free_connector(view, power, but_for=1):
            others = [each for each in self.fleet.views() if each.name not in (*tried, view.name)]
            assert not any(self._has_free_connector(each, power) for each in others)
        self.open.append(reservation)
        return reservation, power, tried

    def _has_free_connector(self, view: View, power: PowerRange, but_for: int = 0) -> bool:
        """Whether one that stands best has one, and room; `but_for` reservations of this very car."""
        status = view.status
        if status is None or status.draining or self.standings[view.name] is not Standing.FIRST:
            return False
        promised = sum(each.name == view.name for each in self.open)
        has_room = min(status.largest_free_kw, status.capacity_kw - status.committed_kw - view.reserved_min_kw)
        own_kw = but_for * power.min_kw
        return (status.free_connectors or 0) > promised and has_room + own_kw >= power.min_kw

    def _check_refusal(self, power: PowerRange, tried: tuple[str, ...]) -> None:
        """Whoever was not asked is unknown, not to be asked or draining, or was full when last heard of."""
        for view in self.fleet.views():
            stands_worse = self.standings[view.name] > self.down_to
            if view.name in tried or view.status is None or stands_worse or view.status.draining:
                continue
            assert view.status.largest_free_kw < power.min_kw - 1e-9
            assert power.min_kw > view.status.capacity_kw or view.status.next_release_s is None or (
                view.status.next_release_s > self.now_s
            )  # fmt: skip

    def _status(self, name: str) -> Status:
        substation = self.substations[name]
        substation.advance(self.now_s)
        return replace(substation.status(), epoch=self.epochs[name])

    def _done(self, reservation: Reservation) -> None:
        self.open = [other for other in self.open if other is not reservation]


FleetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFleet = FleetMachine.TestCase
