"""Where the next car would wait least, as far as statuses tell, and at whom cars wait."""

from __future__ import annotations

from random import Random

import pytest

from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.standing import Standing
from smartgrid.domain.status import Status

CAR = PowerRange(11, 11)


def a_status(
    waiting_kwh: float = 0.0,
    *,
    capacity_kw: float = 100.0,
    next_release_s: float | None = None,
    room_kw: float = 0.0,
    draining: bool = False,
    revision: int = 1,
) -> Status:
    committed_kw, waiting = capacity_kw - room_kw, round(waiting_kwh)
    return Status(
        capacity_kw,
        committed_kw,
        committed_kw,
        committed_kw,
        1,
        revision,
        next_release_s,
        room_kw,
        draining,
        waiting_sessions=waiting,
        waiting_kw=11.0 * waiting,
        waiting_kwh=waiting_kwh,
    )


def a_fleet(**statuses: Status) -> Fleet:
    rng = Random(1)
    fleet = Fleet(make_policy("least-loaded", rng), rng, trust_view_s=1000)
    for name, status in statuses.items():
        fleet.join(name)
        fleet.update(name, status, now_s=0)
    return fleet


def names(fleet: Fleet) -> list[str]:
    return [view.name for view in fleet.lists()]


# ---------------------------------------------------------------------- who is asked for a forecast


def test_a_list_is_as_long_as_the_substation_needs_for_it() -> None:
    fleet = a_fleet(small=a_status(20, capacity_kw=50), large=a_status(30), larger=a_status(30, capacity_kw=300))

    assert fleet.shortest_backlogs(CAR, 5) == ["larger", "large", "small"]


def test_without_a_list_the_next_release_counts() -> None:
    fleet = a_fleet(
        listed=a_status(1, next_release_s=1),
        later=a_status(next_release_s=90),
        never=a_status(),
        sooner=a_status(next_release_s=30),
    )

    assert fleet.shortest_backlogs(CAR, 5) == ["sooner", "later", "never", "listed"]


def test_so_many_are_named_and_none_that_was_asked() -> None:
    fleet = a_fleet(**{f"s{i}": a_status(i) for i in range(9)})

    assert fleet.shortest_backlogs(CAR, 3) == ["s0", "s1", "s2"]
    assert fleet.shortest_backlogs(CAR, 3, {"s0", "s2"}) == ["s1", "s3", "s4"]


def test_whoever_is_too_small_as_a_whole_or_takes_no_cars_is_not_named() -> None:
    fleet = a_fleet(
        small=a_status(capacity_kw=10), drained=a_status(draining=True), silent=a_status(), off=a_status(capacity_kw=0)
    )
    fleet.set_standing("silent", Standing.OUT)
    fleet.join("unseen")

    assert fleet.shortest_backlogs(CAR, 5) == []


def test_the_order_follows_what_is_heard() -> None:
    fleet = a_fleet(one=a_status(5), two=a_status(10))
    assert fleet.shortest_backlogs(CAR, 1) == ["one"]

    fleet.update("one", a_status(20, revision=2), now_s=1)
    assert fleet.shortest_backlogs(CAR, 5) == ["two", "one"]
    fleet.leave("two")
    fleet.join("two")

    assert fleet.shortest_backlogs(CAR, 5) == ["one"]


# ---------------------------------------------------------------------- where cars wait


def test_lists_are_known_also_of_members_that_are_drained() -> None:
    fleet = a_fleet(none=a_status(), some=a_status(3), drained=a_status(2, draining=True), silent=a_status(4))
    fleet.set_standing("silent", Standing.OUT)

    assert names(fleet) == ["some", "drained"]
    fleet.update("some", a_status(revision=2), now_s=1)
    fleet.leave("drained")
    assert names(fleet) == []


# ---------------------------------------------------------------------- where a waiting car can start


def test_power_is_held_only_where_there_is_room_as_far_as_is_known() -> None:
    """A car that waits has its place: it is not worth a doubt, which a car without a place is."""
    fleet = a_fleet(due=a_status(next_release_s=1), free=a_status(room_kw=15))

    held = fleet.reserve_free(CAR)

    assert held is not None
    assert held.name == "free"
    assert fleet.reserve_free(CAR) is None, "the rest is too little"
    assert fleet.largest_room_kw() == pytest.approx(4)


def test_no_power_is_held_where_nobody_answers_or_where_the_car_waits() -> None:
    fleet = a_fleet(here=a_status(room_kw=50), spared=a_status(room_kw=50), slow=a_status(room_kw=50))
    fleet.set_standing("spared", Standing.SPARED)
    fleet.set_standing("slow", Standing.LAST)

    held = fleet.reserve_free(CAR, ["here"])

    assert held is not None
    assert held.name == "slow"
