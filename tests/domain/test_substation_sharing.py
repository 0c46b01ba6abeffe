"""The fair-share level of a substation against the plain walk over all sessions, and what an event costs."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw
from smartgrid.domain.substation import Substation
from support.powers import power_ranges
from support.scripts import CAPACITIES_KW, SCRIPTS_WITH_RESTARTS, STARTS_S, Script, Sessions

ROUNDING_KW = 1e-9
FLEET_KW = (3.7, 7.4, 11.0, 22.0, 50.0)


def plain_powers_kw(capacity_kw: float, ranges: Sequence[PowerRange]) -> list[float]:
    """The oldest whose minimums fit share the capacity, the others get nothing."""
    fitting = len(ranges)
    while fitting and sum(power.min_kw for power in ranges[:fitting]) > capacity_kw + TOLERANCE_KW:
        fitting -= 1
    return share_kw(capacity_kw, ranges[:fitting]) + [0.0] * (len(ranges) - fitting)


def assert_as_the_plain_walk(substation: Substation) -> None:
    ranges = [session.request.power for session in substation.active]
    expected_kw = plain_powers_kw(substation.capacity_kw, ranges)
    assert [session.power_kw for session in substation.active] == pytest.approx(expected_kw, abs=ROUNDING_KW)
    status = substation.status()
    assert status.load_kw == pytest.approx(min(sum(expected_kw), substation.capacity_kw), abs=ROUNDING_KW)
    assert status.committed_kw == pytest.approx(sum(power.min_kw for power in ranges), abs=ROUNDING_KW)
    assert status.demand_kw == pytest.approx(sum(power.max_kw for power in ranges), abs=ROUNDING_KW)
    assert status.active_sessions == len(ranges)


@given(CAPACITIES_KW, STARTS_S, SCRIPTS_WITH_RESTARTS)
def test_shares_as_the_plain_walk_does(capacity_kw: float, start_s: float, script: Script) -> None:
    substation, sessions, now_s = Substation(capacity_kw, start_s), Sessions(), start_s
    for pause_s, event in script:
        now_s += pause_s
        event.apply(substation, sessions, start_s, now_s)
        now_s = substation.now_s
        assert_as_the_plain_walk(substation)


@given(st.lists(power_ranges(), min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_shares_among_many_equal_cars_as_the_plain_walk_does(kinds: list[PowerRange], arrivals: list[int]) -> None:
    substation = Substation(sum(kinds[kind % len(kinds)].min_kw for kind in arrivals) * 1.5, 0.0)
    for number, kind in enumerate(arrivals):
        substation.admit(str(number), ChargeRequest("EV", 40, kinds[kind % len(kinds)]), 60.0 * number)
        assert_as_the_plain_walk(substation)
    for number in range(len(arrivals)):
        substation.stop(str(number), 3600.0)
        assert_as_the_plain_walk(substation)


@pytest.mark.parametrize("seed", range(4))
def test_shares_as_the_plain_walk_does_also_when_it_is_large_and_busy(seed: int) -> None:
    rng = random.Random(seed)
    substation, now_s = Substation(900, 1.8e9), 1.8e9
    for number in range(600):
        now_s += rng.expovariate(1 / 20)
        max_kw = rng.choice(FLEET_KW) if seed % 2 else rng.uniform(1, 50)
        power = PowerRange(rng.choice([max_kw, min(4.14, max_kw), rng.uniform(0.1, max_kw)]), max_kw)
        substation.admit(str(number), ChargeRequest("EV", rng.uniform(0.1, 60), power, now_s + 3600), now_s)
        if number % 5 == 0:
            substation.stop(str(rng.randrange(number + 1)), now_s)
        if number % 50 == 49:
            substation.set_capacity(rng.choice([0, 300, 900, 2000]), now_s)
        assert_as_the_plain_walk(substation)


@pytest.mark.parametrize("capacity_kw", [7.0, 13.0, 100.0, 1 / 3])
def test_never_shares_out_more_than_there_is(capacity_kw: float) -> None:
    substation = Substation(capacity_kw, 0.0)
    for number in range(7):
        substation.admit(str(number), ChargeRequest("EV", 40, PowerRange(0.01, 50)), 0.0)
    assert substation.status().load_kw == capacity_kw
    assert sum(session.power_kw for session in substation.active) == pytest.approx(capacity_kw, rel=1e-15)


def test_sums_do_not_drift() -> None:
    rng, substation = random.Random(1), Substation(1e6, 0.0)
    for number in range(5000):
        max_kw = rng.uniform(0.1, 50)
        substation.admit(str(number), ChargeRequest("EV", 40, PowerRange(rng.uniform(0.1, max_kw), max_kw)), 0.0)
    for number in rng.sample(range(5000), 5000):
        substation.stop(str(number), 0.0)
    status = substation.status()
    assert (status.load_kw, status.committed_kw, status.demand_kw, status.largest_free_kw) == (0, 0, 0, 1e6)


# ---------------------------------------------------------------------- energy at a level that goes up and down

SOME_KW = st.integers(2, 48).map(lambda quarters: quarters / 4)
RANGES = st.tuples(SOME_KW, SOME_KW).map(lambda pair: PowerRange(min(pair), max(pair)))
ANY_LEVEL = PowerRange(0.25, 1000)  # of a car that is at the level always, so that the capacity sets the level
COMINGS_AND_GOINGS = st.lists(RANGES | st.integers(0, 9), max_size=3)  # a number says who goes


def at_level_kw(level_kw: float, power: PowerRange) -> float:
    return min(max(level_kw, power.min_kw), power.max_kw)


@given(st.lists(st.tuples(SOME_KW, COMINGS_AND_GOINGS), max_size=12))
def test_each_gets_what_the_level_says_while_it_goes_up_and_down(
    hours: list[tuple[float, list[PowerRange | int]]],
) -> None:
    substation, powers, expected_kwh = Substation(1, 0.0), {"any level": ANY_LEVEL}, {"any level": 0.0}
    sessions = {"any level": substation.admit("any level", ChargeRequest("EV", 1e6, ANY_LEVEL), 0.0)}
    before_kw = 1.0
    for hour, (level_kw, events) in enumerate(hours):
        now_s = 3600.0 * hour
        for number, event in enumerate(events):
            if isinstance(event, PowerRange):
                name = f"{hour}.{number}"
                powers[name], expected_kwh[name] = event, 0.0
                set_level(substation, before_kw, powers, now_s)
                sessions[name] = substation.admit(name, ChargeRequest("EV", 1e6, event), now_s)
            elif event < len(powers) - 1:
                name = list(powers)[event + 1]
                del powers[name]
                substation.stop(name, now_s)
        set_level(substation, level_kw, powers, now_s)
        substation.advance(now_s + 3600)
        for name, power in powers.items():
            expected_kwh[name] += at_level_kw(level_kw, power)
        before_kw = level_kw
        given_kwh = {name: session.delivered_kwh for name, session in sessions.items() if session}
        assert given_kwh == pytest.approx(expected_kwh, rel=1e-12)


def set_level(substation: Substation, level_kw: float, powers: dict[str, PowerRange], now_s: float) -> None:
    substation.set_capacity(sum(at_level_kw(level_kw, power) for power in powers.values()), now_s)


@pytest.mark.parametrize("levels_kw", [(3.75, 6.25), (6.25, 3.75), (5, 6.25, 3.75), (3.75, 5, 6.25, 5, 3.75)])
def test_a_car_whose_whole_range_the_level_passes_gets_its_maximum_or_its_minimum(levels_kw: Sequence[float]) -> None:
    a_car = PowerRange(4, 6)
    powers = {"any level": ANY_LEVEL, "car": a_car}
    substation = Substation(1000, 0.0)
    substation.admit("any level", ChargeRequest("EV", 1e6, ANY_LEVEL), 0.0)
    set_level(substation, levels_kw[0], powers, 0.0)
    session = substation.admit("car", ChargeRequest("EV", 1e6, a_car), 0.0)
    assert session is not None
    for hour, level_kw in enumerate(levels_kw):
        set_level(substation, level_kw, powers, 3600.0 * hour)
    substation.advance(3600.0 * len(levels_kw))
    assert session.delivered_kwh == sum(at_level_kw(level_kw, a_car) for level_kw in levels_kw)


# ---------------------------------------------------------------------- what an event costs


def calls(action: Callable[[], object]) -> int:
    """How many functions an action calls: what it costs, on whatever machine."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return counted


def a_kind_of_its_own(rng: random.Random) -> PowerRange:
    max_kw = rng.uniform(3, 50)
    return PowerRange(rng.uniform(0.5, max_kw), max_kw)


KINDS: dict[str, Callable[[random.Random], PowerRange]] = {
    "equal cars": lambda rng: PowerRange(4.14, 11),
    "the common cars": lambda rng: PowerRange(3.7, rng.choice(FLEET_KW)),
    "no two cars alike": a_kind_of_its_own,
}


def calls_an_event(size: int, kind: Callable[[random.Random], PowerRange]) -> float:
    """Of arrivals and stops among so many sessions, with the level where most cars rise."""
    rng = random.Random(size)
    powers = [kind(rng) for _ in range(size + 200)]
    capacity_kw = sum(power.min_kw + power.max_kw for power in powers[:size]) / 2 + 50
    substation = Substation(capacity_kw, 0.0)
    requests = [ChargeRequest("EV", rng.uniform(20, 60), power, 1e5 + rng.random()) for power in powers]
    for number, request in enumerate(requests[:size]):
        substation.admit(str(number), request, 0.0)

    def come_and_go() -> None:
        for number, request in enumerate(requests[size:]):
            substation.admit(str(size + number), request, 0.1 * number)
            substation.stop(str(number), 0.1 * number)
            substation.status()

    return calls(come_and_go) / 400


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_event_costs_much_the_same_at_20_sessions_and_at_5000(
    kind: Callable[[random.Random], PowerRange],
) -> None:
    assert calls_an_event(5000, kind) < 2 * calls_an_event(20, kind)


def test_time_that_passes_costs_nothing() -> None:
    substation = Substation(5000, 0.0)
    for number in range(1000):
        substation.admit(str(number), ChargeRequest("EV", 40, PowerRange(4.14, 11)), 0.0)
    assert calls(lambda: substation.advance(3600)) < 20


@pytest.mark.parametrize(
    ("range_of", "low_kw", "high_kw"),
    [
        pytest.param(lambda share: PowerRange(4, 11), 3.99, 11.01, id="equal cars"),
        pytest.param(lambda share: PowerRange(5 + share, 5 + share), 4.99, 6.01, id="rigid cars, each with its power"),
        pytest.param(lambda share: PowerRange(1 + share, 11), 10.99, 11.01, id="one maximum, many minimums"),
        pytest.param(lambda share: PowerRange(4, 11 + share), 3.99, 4.01, id="one minimum, many maximums"),
    ],
)
def test_a_level_that_swings_over_what_cars_have_in_common_costs_the_same_for_2_as_for_2000(
    range_of: Callable[[float], PowerRange], low_kw: float, high_kw: float
) -> None:
    def calls_a_swing(cars: int) -> int:
        substation = Substation(1e6, 0.0)
        powers = [PowerRange(0.5, 50), *[range_of(number / cars) for number in range(cars)]]
        for number, power in enumerate(powers):
            substation.admit(str(number), ChargeRequest("EV", 40, power), 0.0)
        low, high = (sum(min(max(level, p.min_kw), p.max_kw) for p in powers) for level in (low_kw, high_kw))

        def swing() -> None:
            for _ in range(50):
                substation.set_capacity(low, 0.0)
                substation.set_capacity(high, 0.0)

        swing()  # the first time they change over to other meters, where they stay
        return calls(swing)

    assert calls_a_swing(2000) < 1.1 * calls_a_swing(2)


@pytest.mark.parametrize("while_they_go_kw", [1e6, 14_000.0], ids=["at their maximums", "near their minimums"])
def test_who_has_gone_costs_nothing(while_they_go_kw: float) -> None:
    def calls_a_cut(cars_gone: int) -> int:
        rng, substation = random.Random(1), Substation(1e6, 0.0)
        substation.admit("stays", ChargeRequest("EV", 40, PowerRange(0.1, 100)), 0.0)
        for number in range(cars_gone):
            substation.admit(str(number), ChargeRequest("EV", 40, a_kind_of_its_own(rng), 1e6), 0.0)
        substation.set_capacity(while_they_go_kw, 0.0)
        for number in reversed(range(cars_gone)):
            substation.set_capacity(while_they_go_kw * (number + 1) / 1000, 0.0)
            substation.stop(str(number), 0.0)

        def cut_and_raise() -> None:
            for capacity_kw in (0.2, 1e6, 0.0, 1e6):
                substation.set_capacity(capacity_kw, 0.0)

        return calls(cut_and_raise)

    assert calls_a_cut(1000) < 2 * calls_a_cut(0)


def test_cars_that_come_and_go_leave_nothing_for_the_garbage_collector() -> None:
    """Of the domain: other threads of this process may leave what they like."""
    rng, substation = random.Random(1), Substation(5000, 0.0)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for number in range(100):
            substation.admit(str(number), ChargeRequest("EV", 40, a_kind_of_its_own(rng)), float(number))
            substation.stop(str(number), float(number))
        substation.advance(100)
        gc.collect()
        assert [each for each in gc.garbage if type(each).__module__.startswith("smartgrid.domain")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
