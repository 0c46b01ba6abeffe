"""SMARTGRID_QUOTAS through real processes: exact on a substation, in the fleet exact for what one balancer places."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from smartgrid.auth.scopes import GRID_READ
from support.grid import (
    PATIENT_BALANCER,
    PATIENT_GATEWAY,
    Grid,
    charge,
    metric,
    sessions,
    together,
    wait_rotation,
    wait_whole,
)
from support.http import Reply
from support.identity import Identities
from support.processes import Process, run_to_end, running, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

ANN, BOB = ({"Smartgrid-Owner": letter * 22} for letter in "AB")
FLEET = json.dumps({"fleet": {"sessions": 3, "power_kw": 40}})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """Two substations of 35 kW, and two balancers with a quota for the fleet."""
    folder = tmp_path_factory.mktemp("quotas")
    with Grid(
        folder,
        [35, 35],
        balancers=2,
        quotas=FLEET,
        **PATIENT_BALANCER,
    ) as grid:
        yield grid


@pytest.fixture
def fleet(shared: Grid) -> Grid:
    shared.mend()
    wait_until(
        lambda: all(has_nothing(each, who) for each in shared.balancers for who in (ANN, BOB)), 60, "all is free"
    )
    return shared


def has_nothing(balancer: Process, who: Mapping[str, str]) -> bool:
    """Whether the owner has nothing, as far as the balancer knows: a car of 40 kW is within the quota then. No
    substation has room for it, so nothing is left of the question."""
    reply = charge(balancer, who=who, max_power_kw=40, min_power_kw=40)
    assert code(reply) in ((503, "no-capacity"), (429, "quota-exceeded"))
    return reply.status == 503


def stop(target: Process, session_id: str) -> None:
    assert target.call("DELETE", f"/charge/{session_id}").status == 200


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json().get("code", "")


def active(grid: Grid, who: Mapping[str, str]) -> int:
    found = [each for substation in grid.substations for each in sessions(substation, who=who)]
    return sum(each["ended_at"] is None for each in found)


# ---------------------------------------------------------------------- the fleet's


def test_many_at_once_through_one_balancer_get_just_what_is_allowed(fleet: Grid) -> None:
    replies = together(24, lambda i: charge(fleet.balancer, who=(ANN, BOB)[i % 2]))

    for own in (replies[::2], replies[1::2]):
        assert Counter(map(code, own)) == {(201, ""): 3, (429, "quota-exceeded"): 9}
        refused = next(reply for reply in own if reply.status == 429)
        assert int(refused.headers["Retry-After"]) >= 1
    assert (active(fleet, ANN), active(fleet, BOB)) == (3, 3)
    assert metric(fleet.balancer, "load_balancer_rejections_total", reason="quota-exceeded") >= 18


def test_what_another_balancer_has_placed_counts_as_soon_as_it_is_told(fleet: Grid) -> None:
    first, second = fleet.balancers
    placed = [charge(first, who=ANN).json()["session_id"] for _ in range(3)]

    wait_until(lambda: code(charge(second, who=ANN)) == (429, "quota-exceeded"), 60, "the other one knows of it")

    for session_id in placed:
        stop(first, session_id)


def test_the_sum_of_the_maximums_is_bounded_too(fleet: Grid) -> None:
    assert charge(fleet.balancer, who=ANN, max_power_kw=30).status == 201
    assert code(charge(fleet.balancer, who=ANN, max_power_kw=10.5, min_power_kw=1)) == (429, "quota-exceeded")
    assert charge(fleet.balancer, who=ANN, max_power_kw=10, min_power_kw=1).status == 201


def test_what_has_ended_frees_its_part_everywhere(fleet: Grid) -> None:
    """One that was stopped through the other balancer, one that was full, and one that was superseded."""
    first, second = fleet.balancers
    stopped = charge(first, who=ANN).json()["session_id"]
    charge(first, who=ANN, energy_kwh=0.003)  # full within a second
    superseded = charge(first, who=ANN).json()["session_id"]
    assert code(charge(first, who=ANN)) == (429, "quota-exceeded")

    stop(second, stopped)
    query = f"?before={2**53}&superseded_by=../other.x"
    assert fleet.balancer.call("DELETE", f"/charge/{superseded}{query}").json()["end_reason"] == "Superseded"

    for balancer in fleet.balancers:
        wait_until(lambda b=balancer: has_nothing(b, ANN), 60, "all three have ended")


def test_who_stops_may_start_again_at_once(fleet: Grid) -> None:
    for _ in range(3):
        session_id = charge(fleet.balancer, who=ANN).json()["session_id"]
    for _ in range(10):
        stop(fleet.balancer, session_id)
        session_id = charge(fleet.balancer, who=ANN).json()["session_id"]


def test_a_repeat_is_no_new_session(fleet: Grid) -> None:
    keys = ["1", "2", "3"]
    first = [charge(fleet.balancer, key=key, who=ANN).json()["session_id"] for key in keys]

    assert [charge(fleet.balancer, key=key, who=ANN).json()["session_id"] for key in keys] == first
    assert code(charge(fleet.balancer, key="4", who=ANN)) == (429, "quota-exceeded")
    stop(fleet.balancer, first[2])
    assert charge(fleet.balancer, key="3", who=ANN).json()["end_reason"] == "Stopped"
    assert charge(fleet.balancer, key="4", who=ANN).status == 201


def test_who_is_nobody_is_not_bounded(fleet: Grid) -> None:
    assert {charge(fleet.balancer).status for _ in range(5)} == {201}


def test_a_balancer_that_starts_knows_what_owners_have(fleet: Grid) -> None:
    for _ in range(3):
        charge(fleet.balancer, who=ANN)
    fleet.balancer.kill()
    fleet.balancer.restart()

    assert code(charge(fleet.balancer, who=ANN)) == (429, "quota-exceeded")
    assert charge(fleet.balancer, who=BOB).status == 201


def test_what_is_at_a_substation_that_does_not_answer_does_not_count_until_it_is_back(fleet: Grid) -> None:
    dead, living = fleet.substations
    for name, load_kw in (("to dead", 11), ("to living", 11), ("to dead again", 1)):
        assert charge(fleet.balancer, name, who=ANN, max_power_kw=load_kw, min_power_kw=1).status == 201
    lost = len(sessions(dead, who=ANN, state="Charging"))
    assert lost >= 1
    dead.kill()
    wait_rotation(fleet.balancer, "substation-0", False)

    granted = Counter(code(charge(fleet.balancer, who=ANN, max_power_kw=1, min_power_kw=1)) for _ in range(5))

    assert granted == {(201, ""): lost, (429, "quota-exceeded"): 5 - lost}
    dead.restart()
    wait_rotation(fleet.balancer, "substation-0", True)
    stop(fleet.balancer, f"substation-1.{sessions(living, who=ANN, state='Charging')[0]['session_id']}")
    assert code(charge(fleet.balancer, who=ANN, max_power_kw=1, min_power_kw=1)) == (429, "quota-exceeded")


def test_a_region_tells_what_owners_have_and_bounds_them_itself(fleet: Grid, tmp_path: Path) -> None:
    west, east = (
        Process(
            "balancer",
            tmp_path / name,
            name=name,
            poll_interval_s=0.25,
            substations=f"{substation.settings['name']}={substation.url}",
            quotas=json.dumps({"fleet": {"sessions": 2}}),
            **PATIENT_BALANCER,
        )
        for name, substation in zip(("west", "east"), fleet.substations, strict=True)
    )
    regions = f"west={west.url},east={east.url}"
    top = Process(
        "balancer", tmp_path / "top", poll_interval_s=0.25, substations=regions, quotas=FLEET, **PATIENT_BALANCER
    )
    with running(west, east, top):
        wait_whole(top)
        replies = together(8, lambda _: charge(top, who=ANN))
        assert Counter(map(code, replies)) == {(201, ""): 3, (429, "quota-exceeded"): 5}
        assert (
            max(Counter(each.json()["session_id"].split(".")[0] for each in replies if each.status == 201).values())
            == 2
        )

        assert {charge(top, who=BOB, max_power_kw=1, min_power_kw=1).status for _ in range(3)} == {201}
        before = [each["session_id"] for each in sessions(top, who=BOB)]
        for session_id in before:
            stop(top, session_id)
        wait_until(lambda: has_nothing(top, BOB), 60, "the regions have told that they have ended")


# ---------------------------------------------------------------------- a substation's, through balancer and gateway


def test_a_substations_quota_sends_the_car_to_the_next_and_is_the_reason_in_the_end(tmp_path: Path) -> None:
    quotas = json.dumps({"substation": {"sessions": 1}})
    identities = Identities(tmp_path / "identities")
    ann, bob = identities.bearer("ann"), identities.bearer("bob")
    grid = Grid(
        tmp_path,
        [100, 100, 100],
        gateways=1,
        gateway_settings=PATIENT_GATEWAY,
        identities=identities,
        **PATIENT_BALANCER,
    )
    for substation in grid.substations:
        substation.settings["quotas"] = quotas
    with grid:
        wait_whole(grid.balancer, identities.bearer("reader", [GRID_READ]))
        placed = [charge(grid.gateway, who=ann).json()["substation"] for _ in range(3)]
        assert sorted(placed) == grid.names
        refused = charge(grid.gateway, who=ann)
        assert code(refused) == (429, "quota-exceeded")
        assert int(refused.headers["Retry-After"]) >= 1
        assert metric(grid.gateway, "charge_requests_total", result="rejected") == 1
        assert metric(grid.gateway, "failed_requests_total", code="quota-exceeded") == 1
        assert charge(grid.gateway, who=bob).status == 201


def test_a_wrong_setting_is_refused_with_what_would_be_right(tmp_path: Path) -> None:
    exit_code, said = run_to_end("balancer", data_dir=tmp_path, quotas='{"fleet": {"sessions": 1.5}}')
    assert exit_code == 2
    assert "SMARTGRID_QUOTAS=" in said
    assert "fleet.sessions: Input should be a valid integer; it is JSON such as {" in said
