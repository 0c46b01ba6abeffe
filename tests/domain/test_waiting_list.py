"""Who may start, by example. Powers are rigid unless said otherwise; an hour at 10 kW is 10 kWh."""

from __future__ import annotations

import math

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import EndReason
from smartgrid.domain.substation import Substation
from smartgrid.domain.waiting_list import RULES, WaitingCar, WaitingList

HOUR_S = 3600.0


def a_car(
    name: str, kw: float, hours: float, *, departure_s: float | None = None, until_s: float | None = None,
    min_kw: float | None = None, now_s: float = 0.0,
) -> WaitingCar:  # fmt: skip
    power = PowerRange(kw if min_kw is None else min_kw, kw)
    return WaitingCar(name, ChargeRequest(name, kw * hours, power, departure_s), now_s, until_s)


class Station:
    """A substation of 100 kW with its list; `starts` tells what has become of whom."""

    def __init__(self, rule: str, capacity_kw: float = 100.0, most_cars: int = 200) -> None:
        self.substation = Substation(capacity_kw, 0.0)
        self.line = WaitingList(RULES[rule], most_cars)
        self.starts_s: dict[str, float] = {}
        self.left: list[str] = []

    def come(self, *cars: WaitingCar) -> Station:
        for car in cars:
            assert self.line.takes(car, self.substation)
            for session in self.line.join(car, self.substation):
                self.starts_s[session.session_id] = session.started_s
        return self

    def advance(self, now_s: float) -> Station:
        changes = self.line.advance(self.substation, now_s)
        self.starts_s |= {session.session_id: session.started_s for session in changes.started}
        self.left += [car.session_id for car in changes.left]
        return self

    @property
    def waiting(self) -> list[str]:
        return [car.session_id for car in self.line]


every_rule = pytest.mark.parametrize("rule", RULES)
backfilling = pytest.mark.parametrize("rule", ["backfill", "spare-backfill"])


@every_rule
def test_who_finds_room_starts_at_once(rule: str) -> None:
    assert Station(rule).come(a_car("a", 100, 1)).starts_s == {"a": 0}


@every_rule
def test_the_next_starts_when_a_session_ends(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("b", 80, 1), a_car("c", 80, 1)).advance(10 * HOUR_S)
    assert station.starts_s == {"a": 0, "b": HOUR_S, "c": 2 * HOUR_S}


@every_rule
def test_a_car_leaves_at_its_departure_or_when_it_is_tired_of_waiting(rule: str) -> None:
    station = Station(rule).come(
        a_car("a", 80, 5), a_car("b", 80, 1, departure_s=HOUR_S), a_car("c", 80, 1, until_s=1.5 * HOUR_S)
    )
    assert station.advance(2 * HOUR_S).left == ["b", "c"]
    assert station.waiting == []


@every_rule
def test_who_leaves_at_the_moment_at_which_there_is_room_has_left(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("b", 80, 1, departure_s=HOUR_S)).advance(HOUR_S)
    assert (station.left, list(station.starts_s)) == (["b"], ["a"])


def test_first_come_first_served_keeps_a_small_car_behind_a_large_one() -> None:
    station = Station("fifo").come(a_car("a", 80, 1), a_car("large", 100, 1), a_car("small", 10, 0.5))
    assert station.waiting == ["large", "small"]
    assert station.advance(3 * HOUR_S).starts_s == {"a": 0, "large": HOUR_S, "small": 2 * HOUR_S}


@backfilling
def test_a_small_car_goes_ahead_if_it_is_done_before_the_large_one_can_start(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 100, 1), a_car("small", 10, 0.5))
    assert station.advance(3 * HOUR_S).starts_s == {"a": 0, "small": 0, "large": HOUR_S}


@backfilling
def test_a_small_car_goes_ahead_if_there_is_room_for_both(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 90, 1), a_car("small", 10, 9))
    assert station.advance(3 * HOUR_S).starts_s == {"a": 0, "small": 0, "large": HOUR_S}


@backfilling
def test_a_small_car_waits_if_it_would_be_in_the_way_of_the_large_one(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 95, 1), a_car("small", 10, 1.1))
    assert station.advance(3 * HOUR_S).starts_s == {"a": 0, "large": HOUR_S, "small": 2 * HOUR_S}


@backfilling
def test_several_small_cars_together_leave_the_large_one_its_room(rule: str) -> None:
    small = [a_car(f"small-{number}", 5, 9) for number in range(4)]
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 90, 1), *small)
    assert station.waiting == ["large", "small-2", "small-3"]
    assert station.advance(HOUR_S).starts_s["large"] == HOUR_S


@backfilling
def test_a_car_that_will_have_left_by_then_holds_nobody_back(rule: str) -> None:
    gone = a_car("gone", 100, 1, departure_s=0.5 * HOUR_S)
    assert Station(rule).come(a_car("a", 80, 1), gone, a_car("small", 10, 9)).starts_s == {"a": 0, "small": 0}


@backfilling
def test_the_reservation_is_then_of_the_next(rule: str) -> None:
    gone = a_car("gone", 100, 1, departure_s=0.5 * HOUR_S)
    station = Station(rule).come(a_car("a", 80, 1), gone, a_car("large", 95, 1), a_car("small", 10, 9))
    assert station.waiting == ["gone", "large", "small"]


def test_where_power_is_short_only_backfill_goes_ahead_at_the_expense_of_others() -> None:
    """The two that charge leave after an hour, full or not, so what they are given does not move the start."""
    charging = [a_car(name, 80, 5, min_kw=40, departure_s=HOUR_S) for name in "ab"]
    for rule, small_starts_s in (("backfill", 0.0), ("spare-backfill", HOUR_S)):
        station = Station(rule).come(*charging, a_car("large", 90, 1), a_car("small", 10, 1, min_kw=5))
        assert station.advance(HOUR_S).starts_s == {"a": 0, "b": 0, "large": HOUR_S, "small": small_starts_s}


@backfilling
def test_nobody_goes_ahead_by_slowing_down_those_that_the_large_one_waits_for(rule: str) -> None:
    charging = [a_car(name, 80, 5, min_kw=40) for name in "ab"]
    station = Station(rule).come(*charging, a_car("large", 90, 1), a_car("small", 10, 1, min_kw=5))
    assert station.waiting == ["large", "small"]


def test_least_laxity_starts_first_who_must_start_first() -> None:
    cars = [
        a_car("patient", 80, 1, departure_s=9 * HOUR_S),
        a_car("pressed", 80, 1, departure_s=3 * HOUR_S),
        a_car("leaves-late-but-needs-long", 80, 6, departure_s=8.5 * HOUR_S),
    ]
    station = Station("least-laxity").come(a_car("a", 80, 1), *cars)
    assert station.waiting == ["pressed", "leaves-late-but-needs-long", "patient"]


@pytest.mark.parametrize("rule", ["fifo", "backfill", "spare-backfill"])
def test_nobody_overtakes_by_asking_directly(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 95, 1))
    assert station.line.ask(a_car("in the way", 10, 2), station.substation) is None
    assert station.waiting == ["large"]


@backfilling
def test_who_asks_directly_may_go_ahead_as_one_that_waits_may(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("large", 95, 1))
    assert station.line.ask(a_car("soon gone", 10, 1), station.substation) is not None


@every_rule
def test_a_list_takes_no_more_than_its_bound_and_no_car_that_is_too_large(rule: str) -> None:
    station = Station(rule, most_cars=1).come(a_car("a", 100, 1))
    assert not station.line.takes(a_car("giant", 101, 1), station.substation)
    assert not station.line.takes(a_car("late", 10, 1, departure_s=0.0), station.substation)
    station.come(a_car("b", 10, 1))
    assert not station.line.takes(a_car("c", 10, 1), station.substation)


@every_rule
def test_a_draining_substation_starts_nobody(rule: str) -> None:
    station = Station(rule).come(a_car("a", 100, 1), a_car("b", 100, 1))
    station.substation.drain(0.0)
    assert not station.line.takes(a_car("c", 10, 1), station.substation)
    assert station.line.expected_starts_s(station.substation) == {}
    assert station.advance(9 * HOUR_S).waiting == ["b"]


@every_rule
def test_a_car_that_became_too_large_for_the_substation_waits_and_holds_nobody_back(rule: str) -> None:
    station = Station(rule).come(a_car("a", 100, 1, departure_s=HOUR_S), a_car("large", 90, 1), a_car("small", 10, 1))
    station.substation.set_capacity(50, 0.0)
    assert station.advance(2 * HOUR_S).waiting == ["large"]
    station.substation.set_capacity(100, 2 * HOUR_S)
    assert [session.session_id for session in station.line.start_due(station.substation)] == ["large"]


@every_rule
def test_after_a_stop_the_next_starts(rule: str) -> None:
    station = Station(rule).come(a_car("a", 100, 9), a_car("b", 100, 1)).advance(HOUR_S)
    station.substation.stop("a", HOUR_S, EndReason.STOPPED)
    assert [session.session_id for session in station.line.start_due(station.substation)] == ["b"]


@every_rule
def test_position_counts_from_one_and_falls_when_another_leaves(rule: str) -> None:
    station = Station(rule).come(a_car("a", 100, 9), a_car("b", 100, 1), a_car("c", 100, 1))
    assert station.line.position("c") == 2
    assert station.line.leave("b") is not None
    assert station.line.position("c") == 1
    assert station.line.leave("b") is None


@every_rule
def test_a_newcomer_is_told_when_it_would_start_and_nothing_has_changed(rule: str) -> None:
    station = Station(rule).come(a_car("a", 80, 1), a_car("b", 80, 1))
    newcomer = a_car("c", 80, 1)
    assert station.line.expected_starts_s(station.substation, newcomer)["c"] == 2 * HOUR_S
    assert station.waiting == ["b"]
    assert station.line.expected_starts_s(station.substation) == {"b": HOUR_S}


# ---------------------------------------------------------------------- what keeps everyone from starting


def test_nobody_starts_beyond_the_bound_on_sessions() -> None:
    substation, line = Substation(100.0, 0.0), WaitingList(RULES["spare-backfill"], most_active=lambda _: 2)
    cars = [a_car(name, 10, 1) for name in "abc"]
    assert [bool(line.ask(car, substation)) for car in cars] == [True, True, False]
    assert line.join(cars[2], substation) == []
    assert line.expected_starts_s(substation) == {"c": HOUR_S}
    assert [session.session_id for session in line.advance(substation, HOUR_S).started] == ["c"]


def test_nobody_starts_while_the_list_is_held() -> None:
    station = Station("spare-backfill").come(a_car("a", 80, 1))
    station.line.held = True
    assert station.come(a_car("b", 80, 1)).advance(2 * HOUR_S).waiting == ["b"]
    assert station.line.ask(a_car("c", 10, 1), station.substation) is None
    assert station.line.expected_starts_s(station.substation) == {"b": 2 * HOUR_S}  # as if that were over now
    station.line.held = False
    assert [session.session_id for session in station.line.start_due(station.substation)] == ["b"]


def test_who_starts_at_a_coarser_clock_starts_at_a_time_that_it_knows() -> None:
    """Sessions end when they are full all the same."""
    line = WaitingList(RULES["spare-backfill"], first_time_s=lambda time_s: math.ceil(time_s / 1000) * 1000.0)
    substation = Substation(100.0, 0.0)
    for name in "abc":
        line.join(a_car(name, 80, 1), substation)
    changes = line.advance(substation, 8000)
    assert [(session.session_id, session.started_s) for session in changes.started] == [("b", 4000), ("c", 8000)]
    assert [(session.session_id, session.ended_s) for session in changes.ended] == [("a", 3600), ("b", 7600)]


def test_the_list_knows_what_its_cars_want() -> None:
    station = Station("spare-backfill").come(a_car("a", 100, 9), a_car("b", 80, 0.5), a_car("c", 40, 2))
    assert (station.line.power_kw, station.line.energy_kwh) == (120, 120)
    station.line.leave("b")
    assert (station.line.power_kw, station.line.energy_kwh) == (40, 80)
