"""What all policies have in common, and what is special to each."""

from __future__ import annotations

from random import Random

import pytest

from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import POLICIES, make_policy
from smartgrid.domain.status import Status

RIGID_11_KW = PowerRange(11, 11)


def a_fleet(policy: str, *committed_kw: float) -> Fleet:
    rng = Random(5)
    fleet = Fleet(make_policy(policy, rng), rng)
    for number, kw in enumerate(committed_kw):
        fleet.join(f"s{number}")
        fleet.update(f"s{number}", Status(100, kw, kw, kw, 1, 1, None, 100 - kw), 0)
    return fleet


def asked_in_turn(fleet: Fleet, power: PowerRange = RIGID_11_KW) -> list[str]:
    """Whom one car asks that everyone refuses."""
    tried: list[str] = []
    while (reservation := fleet.reserve(power, 0, tried)) is not None:
        fleet.release(reservation)
        tried.append(reservation.name)
    return tried


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"polled"}))
def test_a_refused_car_asks_everyone_with_room_once(policy: str) -> None:
    fleet = a_fleet(policy, 10, 95, 30, 60, 89)
    assert sorted(asked_in_turn(fleet)) == ["s0", "s2", "s3", "s4"]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_an_empty_fleet_takes_no_one(policy: str) -> None:
    assert a_fleet(policy).reserve(RIGID_11_KW, 0) is None


def test_best_fit_fills_up_the_fullest_first() -> None:
    assert asked_in_turn(a_fleet("best-fit", 10, 80, 95, 60)) == ["s1", "s3", "s0"]


def test_round_robin_goes_round() -> None:
    fleet = a_fleet("round-robin", 0, 0, 95, 0)
    names = []
    for _ in range(6):
        reservation = fleet.reserve(RIGID_11_KW, 0)
        assert reservation is not None
        names.append(reservation.name)
    assert names == ["s0", "s1", "s3", "s0", "s1", "s3"]


def share_of_the_lower(policy: str) -> float:
    """Of 2,000 cars that each find the same two members, one of them lower."""
    fleet, lower = a_fleet(policy, 0, 80), 0
    for _ in range(2000):
        reservation = fleet.reserve(RIGID_11_KW, 0)
        assert reservation is not None
        fleet.release(reservation)
        lower += reservation.name == "s0"
    return lower / 2000


def test_power_of_two_takes_the_more_loaded_only_when_it_draws_it_twice() -> None:
    assert share_of_the_lower("power-of-two") == pytest.approx(3 / 4, abs=0.04)


def test_random_takes_each_as_often() -> None:
    assert share_of_the_lower("random") == pytest.approx(1 / 2, abs=0.04)


def test_polled_sees_nothing_but_polls_and_asks_only_once() -> None:
    fleet = a_fleet("polled", 10, 20)
    for revision in (2, 3, 4):
        reservation = fleet.reserve(RIGID_11_KW, 0)
        assert reservation is not None
        assert reservation.name == "s0"
        assert fleet.reserve(RIGID_11_KW, 0, ("s0",)) is None
        fleet.confirm(reservation, Status(100, 99, 99, 99, 9, revision, None, 1), 0)
    fleet.update("s0", Status(100, 99, 99, 99, 9, 4, None, 1), 5)
    reservation = fleet.reserve(RIGID_11_KW, 5)
    assert reservation is not None
    assert reservation.name == "s1"


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match="no policy 'fastest'"):
        make_policy("fastest", Random(1))
