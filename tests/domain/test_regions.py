"""Which regions a car may go to, and in which order they are asked."""

from __future__ import annotations

import pytest

from smartgrid.domain.regions import ANYWHERE, NotAllowedError, Region, Regions, UnknownRegionError, Wish

WEST, EAST, NORTH = (
    Region("west", {"country": "DE"}),
    Region("east", {"country": "DE"}),
    Region("north", {"country": "NO"}, priority=1),
)
ALL = Regions([WEST, EAST, NORTH], "country")


def names(regions: Regions, wish: Wish) -> list[list[str]] | None:
    tiers = regions.tiers(wish)
    return None if tiers is None else [sorted(tier) for tier in tiers]


def test_without_a_wish_the_lowest_priority_is_asked_first():
    assert names(ALL, ANYWHERE) == [["east", "west"], ["north"]]


def test_where_all_are_alike_the_whole_fleet_is_one():
    assert names(Regions([WEST, EAST]), ANYWHERE) is None


def test_a_wish_names_the_only_regions_and_their_order():
    assert names(ALL, Wish(("north", "west"))) == [["north"], ["west"]]


def test_a_region_that_is_named_twice_is_asked_once():
    assert names(ALL, Wish(("west", "east", "west"))) == [["west"], ["east"]]


def test_an_unknown_region_is_refused_and_told_which_there_are():
    with pytest.raises(UnknownRegionError, match=r"There is no region south; `region` takes east, north, west\."):
        ALL.tiers(Wish(("west", "south")))


def test_residency_leaves_only_regions_with_that_label():
    assert names(ALL, Wish(residency="NO")) == [["north"]]
    assert names(ALL, Wish(residency="DE")) == [["east", "west"]]


def test_residency_holds_whatever_the_wish_says():
    assert names(ALL, Wish(("north", "west"), "DE")) == [["west"]]
    with pytest.raises(NotAllowedError, match="None of these regions"):
        ALL.tiers(Wish(("north",), "DE"))


def test_a_tenant_of_a_place_that_no_region_has_is_refused():
    with pytest.raises(NotAllowedError, match=r"No region is where .* \(FR\)"):
        ALL.tiers(Wish(residency="FR"))


def test_a_bound_tenant_is_refused_where_no_label_says_where_regions_are():
    with pytest.raises(NotAllowedError):
        Regions([WEST]).tiers(Wish(residency="DE"))


def test_a_balancer_of_substations_takes_cars_for_its_own_region_only():
    own = Regions(own_name="west")

    assert own.tiers(Wish(("east", "west"))) is None
    with pytest.raises(UnknownRegionError, match="leave `region` out"):
        own.tiers(Wish(("east",)))
    with pytest.raises(NotAllowedError):
        own.tiers(Wish(residency="DE"))
