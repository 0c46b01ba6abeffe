"""What an autoscaler is told: the demand in kW, and below how many substations a car would be stranded."""

from __future__ import annotations

import pytest

from smartgrid.balancer.scaling.wanted import Known, Wanted, ordinal, wanted
from smartgrid.domain.status import Status


def known(name: str, demand_kw: float = 0.0, sessions: int = 0, waiting: int = 0, **fields: object) -> Known:
    status = Status(
        capacity_kw=100.0,
        load_kw=0.0,
        committed_kw=0.0,
        demand_kw=demand_kw,
        active_sessions=sessions,
        revision=1,
        next_release_s=None,
        largest_free_kw=100.0,
        waiting_sessions=waiting,
        waiting_kw=11.0 * waiting,
    )
    return Known(name, status, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grid-substation-0", 0),
        ("grid-substation-12", 12),
        ("grid-substation", None),
        ("grid-substation-", None),
        ("grid-substation-01", None),
        ("grid-substation-1a", None),
        ("grid-substation--1", None),
        ("grid-substation-1-2", None),
        ("grid-substation-2000000", None),
        ("other-substation-1", None),
        ("my-grid-substation-1", None),
        ("ip-10-0-0-1", None),
    ],
)
def test_an_ordinal_is_what_follows_the_statefulsets_name_and_nothing_else(name: str, expected: int | None) -> None:
    assert ordinal("grid-substation", name) == expected


def test_demand_is_what_cars_could_take_that_charge_that_wait_and_that_are_under_way() -> None:
    fleet = [known("s-0", 120.5, 11), known("s-1", 22.0, 2, waiting=3), known("s-2", reserved_max_kw=7.0)]
    assert wanted("s", fleet).demand_kw == 120.5 + 22.0 + 33.0 + 7.0


def test_the_floor_is_one_more_than_the_highest_ordinal_with_a_car() -> None:
    assert wanted("s", [known("s-0", sessions=1), known("s-4", sessions=1), known("s-7")]).busy_floor == 5


@pytest.mark.parametrize("busy", [known("s-3", waiting=1), known("s-3", reserved_max_kw=11.0)])
def test_a_car_that_waits_or_is_under_way_holds_its_substation(busy: Known) -> None:
    assert wanted("s", [known("s-0", sessions=1), busy, known("s-5")]).busy_floor == 4


def test_one_that_has_left_with_cars_holds_the_floor_so_that_it_is_brought_back() -> None:
    assert wanted("s", [known("s-0"), known("s-4", 11.0, sessions=1, is_away=True)]) == Wanted(11.0, 5, 2)


def test_of_one_that_was_never_heard_it_is_assumed_that_it_has_cars() -> None:
    assert wanted("s", [known("s-0"), Known("s-2", None)]).busy_floor == 3


def test_members_by_hand_and_other_regions_are_not_scaled_and_do_not_count() -> None:
    assert wanted("s", [known("west", 700.0, 70), known("s-0", 11.0, 1)]) == Wanted(11.0, 1, 1)


def test_an_empty_fleet_asks_for_nothing() -> None:
    assert wanted("s", []) == Wanted(0.0, 0, 0)
