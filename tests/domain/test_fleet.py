"""What a fleet believes, whom it offers, and what it holds."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest

from smartgrid.domain.fleet import Fleet, Reservation
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.standing import Standing
from smartgrid.domain.status import Status

RIGID_11_KW = PowerRange(11, 11)


def a_status(
    committed_kw: float = 0.0,
    revision: int = 1,
    *,
    capacity_kw: float = 100.0,
    next_release_s: float | None = None,
    largest_free_kw: float | None = None,
    draining: bool = False,
    epoch: int = 0,
) -> Status:
    room_kw = capacity_kw - committed_kw if largest_free_kw is None else largest_free_kw
    return Status(
        capacity_kw, committed_kw, committed_kw, committed_kw, 1, revision, next_release_s, room_kw, draining, epoch
    )


def with_connectors(status: Status, free: int | None, total: int = 4) -> Status:
    """Of a substation that knows of so many connectors, or of none at all."""
    return replace(status, connectors=None if free is None else total, free_connectors=free)


def a_fleet(**committed_kw: float) -> Fleet:
    rng = Random(1)
    fleet = Fleet(make_policy("least-loaded", rng), rng, trust_view_s=1000)
    for name, kw in committed_kw.items():
        fleet.join(name)
        fleet.update(name, a_status(kw), now_s=0)
    return fleet


def reserved(fleet: Fleet, power: PowerRange = RIGID_11_KW, now_s: float = 0.0, *exclude: str) -> Reservation:
    reservation = fleet.reserve(power, now_s, exclude)
    assert reservation is not None
    return reservation


def committed_kw(fleet: Fleet, name: str) -> float:
    status = fleet.view(name).status
    assert status is not None
    return status.committed_kw


class TestKnowing:
    def test_a_substation_without_a_status_gets_no_cars(self) -> None:
        fleet = a_fleet()
        fleet.join("new")
        assert fleet.reserve(RIGID_11_KW, 0) is None

    def test_a_status_is_not_replaced_by_an_older_one(self) -> None:
        fleet = a_fleet(a=0)
        assert fleet.update("a", a_status(50, revision=7), 1)
        assert not fleet.update("a", a_status(20, revision=6), 2)
        assert committed_kw(fleet, "a") == 50

    def test_a_status_of_a_substation_that_left_is_ignored(self) -> None:
        fleet = a_fleet(a=0)
        fleet.leave("a")
        assert not fleet.update("a", a_status(), 1)
        assert "a" not in fleet

    @pytest.mark.parametrize("draining", [True, False])
    def test_draining_or_out_of_rotation_gets_no_cars(self, draining: bool) -> None:
        fleet = a_fleet(a=0)
        if draining:
            fleet.update("a", a_status(revision=2, draining=True), 1)
        else:
            fleet.set_standing("a", Standing.OUT)
        assert fleet.reserve(RIGID_11_KW, 2) is None

    def test_back_in_rotation_gets_cars_again(self) -> None:
        fleet = a_fleet(a=0)
        fleet.set_standing("a", Standing.OUT)
        fleet.set_standing("a", Standing.FIRST)
        assert reserved(fleet).name == "a"


class TestStandings:
    """Whom a car asks before whom."""

    def test_one_that_is_asked_last_gets_a_car_only_when_no_other_has_room(self) -> None:
        fleet = a_fleet(slow=0, other=80)
        fleet.set_standing("slow", Standing.LAST)
        assert reserved(fleet).name == "other"
        assert reserved(fleet).name == "slow"

    def test_its_room_counts(self) -> None:
        fleet = a_fleet(slow=0, other=80)
        fleet.set_standing("slow", Standing.LAST)
        totals = fleet.totals()
        assert (totals.capacity_kw, round(totals.largest_free_kw)) == (200, 100)

    def test_it_is_asked_before_one_that_seems_full(self) -> None:
        fleet = a_fleet(slow=0)
        fleet.join("doubtful")
        fleet.update("doubtful", a_status(100, next_release_s=1.0), 0)
        fleet.set_standing("slow", Standing.LAST)
        first = fleet.reserve(RIGID_11_KW, 2)
        assert first is not None
        assert first.name == "slow"
        second = fleet.reserve(RIGID_11_KW, 2, [first.name])
        assert second is not None
        assert second.name == "doubtful"

    def test_whoever_stands_worse_is_asked_only_where_that_is_wanted_the_better_ones_first(self) -> None:
        fleet = a_fleet(spared=0, out=0, never=0)
        for name, standing in (("spared", Standing.SPARED), ("out", Standing.OUT), ("never", Standing.NONE)):
            fleet.set_standing(name, standing)
        asked: list[str] = []
        for down_to in (Standing.LAST, Standing.SPARED, Standing.SPARED, Standing.OUT, Standing.OUT):
            found = fleet.reserve(RIGID_11_KW, 1, asked, down_to)
            asked += [found.name] if found else ["nobody"]
        assert asked == ["nobody", "spared", "nobody", "out", "nobody"]

    def test_it_is_asked_as_before_once_it_stands_well_again(self) -> None:
        fleet = a_fleet(a=0, b=50)
        for standing in (Standing.LAST, Standing.OUT, Standing.NONE, Standing.SPARED, Standing.FIRST):
            fleet.set_standing("a", standing)
        assert reserved(fleet).name == "a"


class TestEpochs:
    """A substation draws an epoch when it starts; its revisions compare only within one."""

    def test_a_status_of_another_epoch_counts_though_its_revision_is_lower(self) -> None:
        """A substation that lost its file, with its clock behind what it was."""
        fleet = a_fleet(a=0)
        fleet.update("a", a_status(90, revision=1_000_000, epoch=1), 1)
        assert fleet.update("a", a_status(0, revision=3, epoch=2), 2)
        assert committed_kw(fleet, "a") == 0
        assert reserved(fleet).name == "a"

    def test_two_processes_behind_one_name_are_believed_in_turn(self) -> None:
        """A region behind two balancers: each answers with revisions of its own."""
        fleet = a_fleet(region=0)
        for epoch, revision, kw in [(1, 1_255_415, 10), (2, 7, 11), (1, 1_255_416, 12), (2, 8, 13)]:
            assert fleet.update("region", a_status(kw, revision, epoch=epoch), 1)
            assert committed_kw(fleet, "region") == kw

    def test_within_an_epoch_an_answer_that_was_overtaken_does_not_count(self) -> None:
        fleet = a_fleet(a=0)
        fleet.update("a", a_status(20, revision=7, epoch=1), 1)
        assert not fleet.update("a", a_status(30, revision=6, epoch=1), 2)
        assert committed_kw(fleet, "a") == 20

    def test_an_answer_of_another_epoch_takes_the_place_of_its_reservation(self) -> None:
        fleet = a_fleet(a=0)
        fleet.update("a", a_status(50, revision=1_000_000, epoch=1), 1)
        fleet.confirm(reserved(fleet), a_status(11, revision=2, epoch=2), 2)
        assert fleet.totals().committed_kw == 11

    def test_the_same_numbers_in_another_epoch_are_no_change(self) -> None:
        """Else two balancers of a region that answer in turn would wake every long poll on the balancer above them."""
        fleet = a_fleet(region=10)
        before = fleet.totals().revision
        fleet.update("region", a_status(10, revision=3, epoch=2), 1)
        assert fleet.totals().revision == before
        fleet.update("region", a_status(11, revision=2, epoch=3), 2)
        assert fleet.totals().revision > before

    def test_the_totals_are_of_the_epoch_of_the_fleet(self) -> None:
        rng = Random(1)
        assert Fleet(make_policy("least-loaded", rng), rng, epoch=7).totals().epoch == 7


POWERS = ["capacity_kw", "load_kw", "committed_kw", "demand_kw", "largest_free_kw"]
IMPOSSIBLE = [(power, kw) for power in POWERS for kw in (1e303, math.inf, math.nan, -1.0)] + [
    ("next_release_s", math.nan)
]


def with_one(name: str, value: float) -> Status:
    return replace(a_status(revision=2), **{name: value})


class TestImpossibleStatuses:
    """One absurd number of one substation harms neither the others nor, once it is sane again, itself."""

    @pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
    def test_an_update_with_one_changes_nothing(self, name: str, value: float) -> None:
        fleet = a_fleet(a=0, b=50)
        before = fleet.totals()
        assert not fleet.update("a", with_one(name, value), 1)
        assert fleet.totals() == before
        assert reserved(fleet).name == "a"

    @pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
    def test_an_answer_with_one_ends_the_reservation_and_nothing_else(self, name: str, value: float) -> None:
        fleet = a_fleet(a=0, b=50)
        fleet.confirm(reserved(fleet), with_one(name, value), 1)
        assert fleet.totals().committed_kw == 50
        assert fleet.update("a", a_status(20, 2), 2)
        assert fleet.totals().committed_kw == 70
        assert reserved(fleet).name == "a"


class TestChoosing:
    def test_the_lowest_demand_ratio_with_the_car_on_it_is_asked(self) -> None:
        fleet = a_fleet()
        fleet.join("small")
        fleet.join("large")
        fleet.update("small", a_status(10, capacity_kw=80), 0)  # 12.5 %, 40 % with the car
        fleet.update("large", a_status(16, capacity_kw=120), 0)  # 13.3 %, 31.7 % with the car
        assert reserved(fleet, PowerRange(22, 22)).name == "large"

    def test_a_reservation_counts_at_once(self) -> None:
        fleet = a_fleet(a=0, b=5)
        assert [reserved(fleet).name for _ in range(4)] == ["a", "b", "a", "b"]

    def test_a_refused_car_is_offered_elsewhere(self) -> None:
        fleet = a_fleet(a=0, b=80)
        assert reserved(fleet, RIGID_11_KW, 0, "a").name == "b"
        assert fleet.reserve(RIGID_11_KW, 0, ("a", "b")) is None

    def test_a_fleet_behind_a_balancer_admits_no_more_than_its_roomiest_member(self) -> None:
        fleet = a_fleet()
        fleet.join("region")
        fleet.update("region", a_status(500, capacity_kw=1000, largest_free_kw=20), 0)
        assert fleet.reserve(PowerRange(22, 22), 0) is None
        assert reserved(fleet, PowerRange(20, 22)).name == "region"

    def test_a_region_whose_room_is_only_held_for_cars_under_way_is_asked_before_a_car_is_refused(self) -> None:
        """A car counts twice in a region while a poll has told of it and its answer is still under way."""
        region, country = a_fleet(substation=78), a_fleet()
        country.join("region")
        reserved(region)
        region.update("substation", a_status(89, 2), 0)  # with that car
        country.update("region", region.totals(), 0)

        assert reserved(country).name == "region"


class TestConnectors:
    """A car needs a free connector where chargers are known; elsewhere it needs none."""

    @staticmethod
    def fleet_of(**free_connectors: int | None) -> Fleet:
        """Of substations of 100 kW with four connectors each, or none that are known, that are otherwise alike."""
        fleet = a_fleet()
        for name, free in free_connectors.items():
            fleet.join(name)
            fleet.update(name, with_connectors(a_status(0), free), 0)
        return fleet

    def test_a_free_connector_comes_before_a_lower_load(self) -> None:
        fleet = self.fleet_of(unknown=None, free=2)
        fleet.update("free", with_connectors(a_status(60, 2), 2), 0)

        assert reserved(fleet).name == "free"

    def test_where_no_chargers_are_known_cars_go_once_no_connector_is_free(self) -> None:
        fleet = self.fleet_of(unknown=None, free=2)

        assert [reserved(fleet).name for _ in range(4)] == ["free", "free", "unknown", "unknown"]

    def test_one_whose_connectors_are_taken_gets_no_car(self) -> None:
        fleet = a_fleet()
        fleet.join("taken")
        fleet.update("taken", with_connectors(a_status(0, largest_free_kw=0), 0), 0)  # as its status says

        assert fleet.reserve(RIGID_11_KW, 0) is None

    def test_a_connector_that_was_promised_and_not_taken_is_free_again(self) -> None:
        fleet = self.fleet_of(free=1)
        first = reserved(fleet)
        assert fleet.totals().free_connectors == 0

        fleet.release(first)

        assert fleet.totals().free_connectors == 1
        assert reserved(fleet).name == "free"

    def test_a_promised_connector_may_still_be_had_where_there_is_no_other(self) -> None:
        """The car under way may be refused, or known to the substation already."""
        fleet = self.fleet_of(free=1)

        assert [reserved(fleet).name for _ in range(2)] == ["free", "free"]

    def test_those_with_connectors_are_chosen_from_as_all_are(self) -> None:
        fleet = self.fleet_of(a=4, b=4)
        fleet.update("b", with_connectors(a_status(5, 2), 4), 0)

        assert [reserved(fleet).name for _ in range(4)] == ["a", "b", "a", "b"]

    def test_one_that_is_slow_is_asked_last_whatever_is_free_there(self) -> None:
        fleet = self.fleet_of(unknown=None, free=4)
        fleet.set_standing("free", Standing.LAST)

        assert reserved(fleet).name == "unknown"
        fleet.set_standing("free", Standing.FIRST)
        assert reserved(fleet).name == "free"

    def test_a_waiting_car_is_moved_to_a_free_connector_first(self) -> None:
        fleet = self.fleet_of(unknown=None, free=1)

        found = fleet.reserve_free(RIGID_11_KW)

        assert found is not None
        assert found.name == "free"

    def test_one_that_comes_to_know_of_chargers_and_loses_them_is_where_it_belongs(self) -> None:
        fleet = self.fleet_of(a=None, b=None)
        fleet.update("b", with_connectors(a_status(50, 2), 3), 0)
        assert reserved(fleet).name == "b"

        fleet.update("b", a_status(50, 3), 0)

        assert reserved(fleet).name == "a"
        assert fleet.totals().capacity_kw == 200

    def test_the_totals_say_what_chargers_may_draw_above_a_capacity_though_others_have_room(self) -> None:
        fleet = self.fleet_of(a=None, b=3)
        assert fleet.totals().booked_kw is None
        over = replace(with_connectors(a_status(50, 2), 3), booked_kw=121.0, metered_kw=119.0, overbooked_kw=21.0)
        fleet.update("b", over, 0)
        totals = fleet.totals()
        assert (totals.booked_kw, totals.metered_kw, totals.overbooked_kw) == (121, 119, 21)

    def test_the_totals_are_of_those_that_know_of_chargers(self) -> None:
        fleet = self.fleet_of(a=None, b=3, c=0)
        assert (fleet.totals().connectors, fleet.totals().free_connectors) == (8, 3)

        fleet.leave("b")
        fleet.leave("c")

        assert (fleet.totals().connectors, fleet.totals().free_connectors) == (None, None)

    def test_a_region_without_a_free_connector_still_gets_cars_for_its_members_without_chargers(self) -> None:
        fleet = self.fleet_of(region=0)

        assert reserved(fleet).name == "region"

    def test_the_largest_room_is_that_of_any_member(self) -> None:
        fleet = self.fleet_of(unknown=None, free=4)
        fleet.update("unknown", a_status(70, 2), 0)

        assert fleet.largest_room_kw() == pytest.approx(100)


class TestLastChance:
    def test_a_full_substation_is_not_asked_before_its_next_expected_release(self) -> None:
        fleet = a_fleet(a=0)
        fleet.update("a", a_status(95, 2, next_release_s=30), 10)
        assert fleet.reserve(RIGID_11_KW, 29.9) is None
        assert reserved(fleet, RIGID_11_KW, 30).name == "a"

    def test_its_refusal_shows_it_full_until_the_next_one(self) -> None:
        fleet = a_fleet(a=0)
        fleet.update("a", a_status(95, 2, next_release_s=30), 10)
        asked = reserved(fleet, RIGID_11_KW, 31)
        fleet.confirm(asked, a_status(92, 3, next_release_s=60), 31)
        assert fleet.reserve(RIGID_11_KW, 59) is None

    def test_a_full_substation_is_asked_again_when_its_view_is_old(self) -> None:
        rng = Random(1)
        fleet = Fleet(make_policy("least-loaded", rng), rng, trust_view_s=5)
        fleet.join("a")
        fleet.update("a", a_status(95), 10)
        assert fleet.reserve(RIGID_11_KW, 14.9) is None
        assert reserved(fleet, RIGID_11_KW, 15).name == "a"

    def test_room_held_for_cars_that_are_not_admitted_yet_may_still_be_had(self) -> None:
        fleet = a_fleet(a=85)
        first = reserved(fleet)
        second = reserved(fleet)
        assert (first.name, second.name) == ("a", "a")

    def test_no_substation_too_small_for_the_car_is_asked(self) -> None:
        fleet = a_fleet(a=0)
        assert fleet.reserve(PowerRange(101, 101), 10_000) is None


class TestHolding:
    def test_an_answer_takes_the_place_of_the_reservation(self) -> None:
        fleet = a_fleet(a=0)
        asked = reserved(fleet)
        assert fleet.totals().committed_kw == 11
        fleet.confirm(asked, a_status(11, 2), 1)
        assert fleet.totals().committed_kw == 11
        assert fleet.view("a").reserved_min_kw == 0

    def test_a_connection_failure_holds_nothing(self) -> None:
        fleet = a_fleet(a=0)
        fleet.release(reserved(fleet))
        assert fleet.totals().committed_kw == 0

    def test_an_answer_from_before_a_substation_left_and_came_back_changes_nothing(self) -> None:
        fleet = a_fleet(a=0)
        asked = reserved(fleet)
        fleet.leave("a")
        fleet.join("a")
        fleet.update("a", a_status(0, 5), 1)
        fleet.confirm(asked, a_status(11, 2), 2)
        assert fleet.view("a").reserved_min_kw == 0
        assert fleet.totals().committed_kw == 0


class TestTotals:
    def test_sums_and_the_roomiest_and_the_next_release(self) -> None:
        fleet = a_fleet()
        for name, status in {"a": a_status(30, next_release_s=9), "b": a_status(60, next_release_s=4)}.items():
            fleet.join(name)
            fleet.update(name, status, 0)
        totals = fleet.totals()
        assert (totals.capacity_kw, totals.committed_kw, totals.active_sessions) == (200, 90, 2)
        assert totals.largest_free_kw == pytest.approx(70)
        assert totals.next_release_s == 4

    def test_every_change_grows_the_revision(self) -> None:
        fleet = a_fleet(a=0)
        before = fleet.totals().revision
        reserved(fleet)
        assert fleet.totals().revision > before

    def test_to_hear_the_same_again_is_no_change(self) -> None:
        fleet = a_fleet(a=0)
        before = fleet.totals().revision
        fleet.update("a", a_status(0), 5)
        assert fleet.totals().revision == before
        assert fleet.view("a").updated_at_s == 5

    def test_out_of_rotation_does_not_count(self) -> None:
        fleet = a_fleet(a=10, b=20)
        fleet.set_standing("a", Standing.OUT)
        assert fleet.totals().capacity_kw == 100
