"""Who is in the fleet when several sources say so, each of which knows a part."""

from __future__ import annotations

import random

import pytest

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.membership import Membership
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.sessions import Sessions
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy
from smartgrid.web.problems import ProblemError

HERE, AWAY = Member("one", "http://127.0.0.1:1"), Member("one", "http://127.0.0.1:1", away=True)


@pytest.fixture
def fleet() -> LiveFleet:
    rng = random.Random(1)
    return LiveFleet(Fleet(make_policy("least-loaded", rng), rng))


@pytest.fixture
def membership(fleet: LiveFleet) -> Membership:
    return Membership(fleet, lambda: None)


def test_one_that_a_source_calls_away_gets_no_cars(fleet: LiveFleet, membership: Membership) -> None:
    membership.publish("kubernetes", frozenset((AWAY,)))

    assert (fleet.size(), fleet.away()) == (0, ["one"])


def test_its_sessions_are_unavailable_also_to_a_balancer_that_has_never_seen_it(
    fleet: LiveFleet, membership: Membership
) -> None:
    membership.publish("kubernetes", frozenset((AWAY,)))

    with pytest.raises(ProblemError) as told:
        Sessions(fleet, Directory()).stop("one.abcdefghijklmnopqrstuv")

    assert (told.value.status, told.value.code) == (503, "substation-unavailable")


def test_it_is_in_the_fleet_as_soon_as_it_can_be_asked(fleet: LiveFleet, membership: Membership) -> None:
    membership.publish("kubernetes", frozenset((AWAY,)))
    membership.publish("kubernetes", frozenset((HERE,)))

    assert (fleet.size(), fleet.away()) == (1, [])


def test_it_is_away_from_when_it_cannot_be_asked_any_more(fleet: LiveFleet, membership: Membership) -> None:
    membership.publish("kubernetes", frozenset((HERE,)))
    membership.publish("kubernetes", frozenset((AWAY,)))

    assert (fleet.size(), fleet.away()) == (0, ["one"])


def test_one_that_another_source_can_ask_is_not_away(fleet: LiveFleet, membership: Membership) -> None:
    membership.publish("kubernetes", frozenset((AWAY,)))
    membership.publish("static", frozenset((HERE,)))

    assert (fleet.size(), fleet.away()) == (1, [])
    assert membership.find_url(HERE.url) == ("static", HERE)


# ---------------------------------------------------------------------- registrations

SQUATTER = Member("one", "http://127.0.0.1:666")


def test_a_name_that_another_source_knows_is_not_that_of_a_registration(
    fleet: LiveFleet, membership: Membership
) -> None:
    """A pod to come, whose name someone has taken before."""
    membership.publish("registration", frozenset((SQUATTER,)))
    assert member_url(fleet) == SQUATTER.url

    membership.publish("kubernetes", frozenset((HERE,)))

    assert member_url(fleet) == HERE.url


def test_also_while_the_other_source_calls_it_away(fleet: LiveFleet, membership: Membership) -> None:
    membership.publish("registration", frozenset((SQUATTER,)))
    membership.publish("kubernetes", frozenset((AWAY,)))

    assert (fleet.size(), fleet.away()) == (0, ["one"])
    assert membership.find_name("one") == AWAY


def test_a_url_that_another_source_knows_is_not_that_of_a_registration(
    fleet: LiveFleet, membership: Membership
) -> None:
    membership.publish("registration", frozenset((Member("other", HERE.url),)))
    membership.publish("kubernetes", frozenset((HERE,)))

    assert [each.name for each in fleet.substations()] == ["one"]


def test_a_registration_is_there_again_once_no_other_source_knows_the_name(
    fleet: LiveFleet, membership: Membership
) -> None:
    membership.publish("registration", frozenset((SQUATTER,)))
    membership.publish("kubernetes", frozenset((HERE,)))
    membership.publish("kubernetes", frozenset())

    assert member_url(fleet) == SQUATTER.url


def member_url(fleet: LiveFleet) -> str:
    found = fleet.substation("one")
    assert found is not None
    return found.member.url
