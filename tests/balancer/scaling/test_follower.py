"""The balancer follows the autoscaler of its substations, with a fleet as all threads share it."""

from __future__ import annotations

import logging
import random

import pytest

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.discovery.api_server import ApiServerError
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.scaling.emptying import Autoscaler
from smartgrid.balancer.scaling.follower import Scaling
from smartgrid.balancer.scaling.wanted import Wanted
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header

AT_ONCE = Autoscaler(target_demand_kw=70.0, min_replicas=1, max_replicas=10, settle_s=0.0)
POWER = PowerRange(1, 11)


def status(sessions: int, demand_kw: float | None = None, revision: int = 1) -> Status:
    kw = 11.0 * sessions if demand_kw is None else demand_kw
    return Status(100.0, kw, kw, kw, sessions, revision, None, 100.0 - kw)


def fleet_of(*sessions: int) -> LiveFleet:
    rng = random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng))
    for number, count in enumerate(sessions):
        fleet.join(Member(f"substation-{number}", f"http://127.0.0.1:{number + 1}"))
        saw(fleet, number, status(count))
    return fleet


def saw(fleet: LiveFleet, number: int, told: Status) -> None:
    found = fleet.substation(f"substation-{number}")
    assert found is not None
    fleet.saw_status(found, told)


def scaling_of(
    fleet: LiveFleet, autoscaler: Autoscaler | None = None, *away: str, unknown: str | None = None
) -> Scaling:
    return Scaling("substation", fleet, lambda: set(away), lambda: unknown, lambda: autoscaler)


# ---------------------------------------------------------------------- what it tells


def test_it_tells_nothing_while_the_fleet_is_not_known() -> None:
    scaling = scaling_of(fleet_of(3), unknown="substation-1 has not been asked yet")
    assert scaling.wanted() is None
    assert scaling.not_known() == "substation-1 has not been asked yet"


def test_one_that_does_not_answer_counts_with_what_was_last_known() -> None:
    fleet = fleet_of(1, 2)
    before = scaling_of(fleet).wanted()
    found = fleet.substation("substation-1")
    assert found is not None
    fleet.unanswered(found)
    assert scaling_of(fleet).wanted() == before == Wanted(33.0, 2, 2)


def test_one_that_is_scaled_in_with_a_car_counts_until_it_is_back_and_says_otherwise() -> None:
    fleet = fleet_of(1, 1)
    fleet.leave("substation-1")
    assert scaling_of(fleet).wanted() == Wanted(22.0, 2, 2)

    fleet.join(Member("substation-1", "http://127.0.0.1:9"))
    saw(fleet, 1, status(0))

    assert scaling_of(fleet).wanted() == Wanted(11.0, 1, 2)


def test_a_car_that_lands_on_one_that_has_just_left_holds_it() -> None:
    """The answer to a car under way comes after the pod has been told to end: nothing else says that it charges."""
    fleet = fleet_of(8, 0)
    choice = fleet.choose(POWER, [])
    assert choice is not None
    assert choice.substation.name == "substation-1"
    fleet.leave("substation-1")
    assert scaling_of(fleet).wanted() == Wanted(88.0, 1, 2)

    fleet.settle(choice, status_header.encode("substation-1", status(1, revision=2), None))

    assert scaling_of(fleet).wanted() == Wanted(99.0, 2, 2)


def test_a_late_answer_of_older_news_says_nothing_of_one_that_has_left() -> None:
    fleet = fleet_of(0, 1)
    left = fleet.substation("substation-1")
    assert left is not None
    saw(fleet, 1, status(1, revision=7))
    fleet.leave("substation-1")
    fleet.saw_status(left, status(0, revision=6))
    assert scaling_of(fleet).wanted() == Wanted(11.0, 2, 2)


def test_one_of_the_statefulset_that_cannot_be_asked_and_was_never_heard_counts_as_busy_while_it_belongs_to_it() -> (
    None
):
    fleet = fleet_of(1)
    fleet.note_away("substation-4")
    assert scaling_of(fleet, None, "substation-4").wanted() == Wanted(11.0, 5, 2)
    assert scaling_of(fleet).wanted() == Wanted(11.0, 1, 1)


# ---------------------------------------------------------------------- which it empties


def test_those_above_what_demand_asks_for_are_asked_when_no_other_has_room() -> None:
    fleet = fleet_of(8, 3, 0)  # 121 kW: two substations
    scaling_of(fleet, AT_ONCE).work()

    assert fleet.leaving() == {"substation-2"}
    asked: list[str] = []
    while (choice := fleet.choose(POWER, asked)) is not None:
        asked.append(choice.substation.name)
        fleet.give_up(choice)
        saw(fleet, int(asked[-1][-1]), status(8, revision=2))
    assert asked == ["substation-1", "substation-0", "substation-2"]


def test_one_that_leaves_stays_in_rotation_and_its_power_counts() -> None:
    fleet = fleet_of(1, 0, 0)
    scaling_of(fleet, AT_ONCE).work()
    assert fleet.leaving() == {"substation-1", "substation-2"}
    assert fleet.totals().capacity_kw == 300.0


def test_none_leaves_any_more_when_demand_comes_back() -> None:
    fleet = fleet_of(1, 0)
    scaling = scaling_of(fleet, AT_ONCE)
    scaling.work()
    assert fleet.leaving() == {"substation-1"}

    saw(fleet, 0, status(9, revision=2))
    scaling.work()

    assert fleet.leaving() == frozenset()


def test_members_by_hand_never_leave() -> None:
    fleet = fleet_of(1, 0)
    fleet.join(Member("west", "http://127.0.0.1:9"))
    scaling_of(fleet, AT_ONCE).work()
    assert fleet.leaving() == {"substation-1"}


def test_without_an_autoscaler_none_leaves_any_more_and_one_that_comes_back_is_watched_anew() -> None:
    fleet, slow = fleet_of(1, 0), Autoscaler(70.0, 1, 10, settle_s=600.0)
    answers = [AT_ONCE, None, slow]
    scaling = Scaling("substation", fleet, set, lambda: None, lambda: answers.pop(0))
    left = []
    while answers:
        scaling.work()
        left.append(fleet.leaving())
    assert left == [{"substation-1"}, frozenset(), frozenset()]


def test_one_that_joins_above_what_is_asked_for_is_asked_last_from_the_beginning_of_the_next_look() -> None:
    fleet = fleet_of(1, 0)
    scaling = scaling_of(fleet, AT_ONCE)
    scaling.work()
    fleet.join(Member("substation-2", "http://127.0.0.1:9"))
    scaling.work()
    assert fleet.leaving() == {"substation-1", "substation-2"}


def test_while_the_api_server_is_away_what_was_known_stands_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet, answers = fleet_of(1, 0), [AT_ONCE]

    def read() -> Autoscaler:
        if not answers:
            raise ApiServerError("it answered 500 scripted")
        return answers.pop()

    scaling = Scaling("substation", fleet, set, lambda: None, read)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            scaling.work()

    assert fleet.leaving() == {"substation-1"}
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "No news of the autoscaler from the API server"
    ]
