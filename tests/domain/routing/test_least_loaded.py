"""What `least-loaded` likes: its five lines, one by one."""

from __future__ import annotations

from random import Random

from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.routing.policies.least_loaded import places_wanted
from smartgrid.domain.status import Status

RIGID_4_KW, RIGID_22_KW = PowerRange(4, 4), PowerRange(22, 22)
FLEXIBLE_11_KW = PowerRange(4.14, 11)


def a_fleet(committed_kw: dict[str, float], demand_kw: dict[str, float] | None = None, seed: int = 7) -> Fleet:
    rng = Random(seed)
    fleet = Fleet(make_policy("least-loaded", rng), rng)
    for name, kw in committed_kw.items():
        fleet.join(name)
        demand = (demand_kw or {}).get(name, kw)
        fleet.update(name, Status(100, min(demand, 100), kw, demand, 1, 1, None, 100 - kw), 0)
    return fleet


def chosen(fleet: Fleet, power: PowerRange) -> str:
    reservation = fleet.reserve(power, 0)
    assert reservation is not None
    fleet.release(reservation)
    return reservation.name


def test_flexible_cars_go_where_the_demand_is_lowest_not_where_most_is_free() -> None:
    fleet = a_fleet({"rigid": 60, "flexible": 20}, demand_kw={"rigid": 60, "flexible": 90})
    assert chosen(fleet, FLEXIBLE_11_KW) == "rigid"


def test_the_last_place_for_a_large_car_is_kept_for_one() -> None:
    fleet = a_fleet({"with-the-last-place": 75, "fuller": 90})
    chosen(fleet, RIGID_22_KW)  # so it knows that such cars come
    assert chosen(fleet, RIGID_4_KW) == "fuller"


def test_a_small_car_takes_the_last_place_of_a_large_one_before_it_is_refused() -> None:
    fleet = a_fleet({"with-the-last-place": 75, "full": 99})
    chosen(fleet, RIGID_22_KW)
    assert chosen(fleet, RIGID_4_KW) == "with-the-last-place"


def test_a_car_that_must_take_a_scarce_place_takes_the_smallest() -> None:
    fleet = a_fleet({"with-a-place-for-50": 40, "with-a-place-for-22": 75})
    for power in (PowerRange(50, 50), RIGID_22_KW):
        chosen(fleet, power)
    assert chosen(fleet, PowerRange(11, 11)) == "with-a-place-for-22"


def test_a_place_that_stays_is_not_taken() -> None:
    fleet = a_fleet({"with-room-for-both": 70, "fuller": 90})
    chosen(fleet, RIGID_22_KW)
    assert chosen(fleet, RIGID_4_KW) == "with-room-for-both"


def test_more_places_are_kept_the_larger_the_cars() -> None:
    assert [places_wanted(kw, 100) for kw in (3.7, 11, 22, 50, 100, 350)] == [1, 2, 4, 7, 14, 14]


def test_no_place_is_kept_for_a_size_that_does_not_come() -> None:
    fleet = a_fleet({"with-the-last-place-for-22": 75, "fuller": 90})
    assert chosen(fleet, RIGID_4_KW) == "with-the-last-place-for-22"


def test_where_there_are_places_enough_the_load_decides() -> None:
    fleet = a_fleet({f"s{number}": 10.0 for number in range(9)} | {"lowest": 5})
    chosen(fleet, RIGID_22_KW)
    assert chosen(fleet, RIGID_4_KW) == "lowest"


def test_chance_decides_between_equals() -> None:
    equals = {f"s{number}": 50.0 for number in range(4)}
    assert {chosen(a_fleet(equals, seed=seed), RIGID_4_KW) for seed in range(40)} == set(equals)
