"""A balancer answers within what it is given, so that time limits nest however many balancers stand in a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.scripted_grid import CAR, ScriptedGrid, charge, code, scripted_grid, seen
from smartgrid.protocol.headers import DEADLINE, STATUS
from smartgrid.protocol.status_header import WANTED
from support.grid import metric
from support.http import Reply
from support.processes import Process, running, wait_until
from support.scripted_substation import silence

pytestmark = pytest.mark.timeout(300)
OWN_LIMIT_S = 50  # whatever the balancers are set to: no test here waits for that
PATIENT = {"attempt_timeout_s": 30, "request_timeout_s": OWN_LIMIT_S}
GIVEN_S = 2.0


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedGrid]:
    with scripted_grid(tmp_path_factory.mktemp("region"), ["silent"], name="west", **PATIENT) as grid:
        grid["silent"].scripts["POST"] = silence
        grid["silent"].scripts["GET /charge"] = silence
        yield grid


def within(target: Process, method: str, path: str, left_s: float, **options: object) -> Reply:
    sent = {DEADLINE: str(int(left_s * 1000)), STATUS: WANTED}
    return target.call(method, path, headers=sent, timeout_s=OWN_LIMIT_S / 2, **options)


def test_a_car_is_given_up_before_the_asker_gives_it_up(region: ScriptedGrid) -> None:
    reply = within(region.balancer, "POST", "/charge", GIVEN_S, json=CAR)

    assert code(reply) == (504, "outcome-unknown")
    left_ms = [int(each.headers[DEADLINE.lower()]) for each in region["silent"].asked("POST")]
    assert all(0 < each <= 1000 * GIVEN_S / 2 for each in left_ms)


def test_a_car_that_comes_late_is_surely_not_placed(region: ScriptedGrid) -> None:
    before = len(region["silent"].asked("POST"))

    reply = within(region.balancer, "POST", "/charge", 0, json=CAR)

    assert code(reply) == (503, "deadline-exceeded")
    assert STATUS in reply.headers, "without it another balancer could not believe that this is certain"
    assert len(region["silent"].asked("POST")) == before


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_session_is_waited_for_no_longer_than_that(region: ScriptedGrid, method: str) -> None:
    region["silent"].scripts["DELETE"] = silence

    assert code(within(region.balancer, method, "/charge/silent.x", 0.5)) == (503, "substation-unavailable")


def test_a_list_is_waited_for_no_longer_than_that(region: ScriptedGrid) -> None:
    reply = within(region.balancer, "GET", "/charge", 0.5)

    assert (reply.status, reply.headers["Smartgrid-Unreachable"]) == (200, "silent")


def test_a_region_answers_the_balancer_in_front_of_it_in_time_and_is_not_taken_for_dead(tmp_path: Path) -> None:
    hasty = {"attempt_timeout_s": 2, "request_timeout_s": 10, "poll_interval_s": 0.25}
    with scripted_grid(tmp_path, ["silent"], name="west", **PATIENT) as region:
        region["silent"].scripts["POST"] = silence
        top = Process("balancer", tmp_path / "top", substations=f"west={region.balancer.url}", **hasty)
        with running(top):
            wait_until(lambda: seen(top, "west").get("capacity_kw"), 60, "the room of west is seen")

            assert code(charge(top, "through the region")) == (504, "outcome-unknown")
            assert metric(top, "balancer_breaker_open", substation="west") == 0


def test_a_region_that_searches_long_places_the_car_within_the_time_that_it_is_given(tmp_path: Path) -> None:
    """As the chart and `smartgrid up --regions` nest the limits, four times as long."""
    with scripted_grid(
        tmp_path, ["silent", "good"], name="west", attempt_timeout_s=3.2, request_timeout_s=6.8
    ) as region:
        region.prefer("silent")
        region["silent"].scripts["POST"] = silence
        front = {"attempt_timeout_s": 8, "request_timeout_s": 16, "poll_interval_s": 0.25}
        top = Process("balancer", tmp_path / "top", substations=f"west={region.balancer.url}", **front)
        with running(top):
            wait_until(lambda: seen(top, "west").get("capacity_kw"), 60, "the room of west is seen")

            reply = charge(top, "searched for")

            assert (reply.status, reply.json()["substation"]) == (201, "west.good")
            assert metric(top, "balancer_breaker_open", substation="west") == 0
            assert seen(top, "west")["in_rotation"]
