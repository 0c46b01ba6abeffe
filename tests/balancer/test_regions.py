"""A balancer of regions: a balancer in front of balancers, which look to it as substations do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.grid import PATIENT_BALANCER, Grid, charge, held, sessions, stop_all, together
from support.http import Reply
from support.processes import Process, running, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

TOTALS = ("capacity_kw", "load_kw", "committed_kw", "demand_kw", "active_sessions")


@dataclass(frozen=True)
class Country:
    """`west` has substation-0 and substation-1; `west-2`, a name that only goes on after west's, has substation-2."""

    top: Process
    regions: list[Process]
    grid: Grid


@pytest.fixture(scope="module")
def shared_country(shared_grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    folder = tmp_path_factory.mktemp("country")
    parts = {"west": shared_grid.substations[:2], "west-2": shared_grid.substations[2:]}
    regions = [
        Process(
            "balancer", folder / name, name=name, poll_interval_s=0.25, substations=listed(members), **PATIENT_BALANCER
        )
        for name, members in parts.items()
    ]
    labels = [{"name": "west", "labels": {"country": "DE"}}, {"name": "west-2", "labels": {"country": "NO"}}]
    known = {"regions": json.dumps(labels), "residency_label": "country", "substations": listed(regions)}
    top = Process("balancer", folder / "top", poll_interval_s=0.25, **known, **PATIENT_BALANCER)
    with running(*regions, top):
        yield Country(top, regions, shared_grid)


def listed(members: list[Process]) -> str:
    return ",".join(f"{each.settings['name']}={each.url}" for each in members)


@pytest.fixture
def country(shared_country: Country) -> Country:
    shared_country.grid.mend()
    for region in shared_country.regions:
        if not region.running:
            region.restart()
    wait_until(lambda: is_rested(shared_country.top), 60, "the country is at rest")
    return shared_country


def is_rested(top: Process) -> bool:
    seen = top.call("GET", "/substations").json()["substations"]
    return all(each["in_rotation"] and each["demand_kw"] == 0 for each in seen) and total(top, "capacity_kw") == 132


def total(balancer: Process, name: str) -> float:
    return float(balancer.call("GET", "/status").json()[name])


def test_charge_look_and_stop(country: Country) -> None:
    session = charge(country.top, "EV-far").json()
    region, substation, inner = session["session_id"].split(".")
    assert session["substation"] == f"{region}.{substation}"
    assert region in ("west", "west-2")
    assert len(inner) >= 16

    path = f"/charge/{session['session_id']}"
    assert country.top.call("GET", path).json()["state"] == "Charging"
    stopped = country.top.call("DELETE", path).json()
    assert (stopped["state"], stopped["end_reason"]) == ("Idle", "Stopped")
    assert country.top.call("DELETE", path).json() == stopped
    assert held(country.grid.substations, "EV-far") == []


def test_the_country_is_filled_exactly(country: Country) -> None:
    replies = together(20, lambda i: charge(country.top, f"EV-{i}"))

    assert sum(reply.status == 201 for reply in replies) == 12
    refused = [reply for reply in replies if reply.status != 201]
    assert {(reply.status, reply.json()["code"]) for reply in refused} == {(503, "no-capacity")}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)


def test_totals_are_those_of_the_regions(country: Country) -> None:
    for i in range(5):
        assert charge(country.top, f"EV-{i}").status == 201

    def agree() -> bool:
        return all(
            total(country.top, name) == pytest.approx(sum(total(region, name) for region in country.regions))
            for name in TOTALS
        )

    wait_until(agree, 60, "the totals agree")
    assert total(country.top, "active_sessions") == 5
    assert total(country.top, "load_kw") == pytest.approx(55)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_hold_each_session_once(country: Country, limit: int) -> None:
    placed = {charge(country.top, f"EV-{i}").json()["session_id"] for i in range(7)}

    listed_ids = [each["session_id"] for each in sessions(country.top, limit=limit, state="Charging")]

    assert sorted(listed_ids) == sorted(placed)


def test_a_key_is_known_in_the_whole_country(country: Country) -> None:
    first = charge(country.top, "EV-key", key="country").json()
    country.regions[0].kill()
    country.regions[0].restart()
    wait_until(lambda: total(country.top, "capacity_kw") == 132, 60, "the region is back")

    again = charge(country.top, "EV-key", key="country")
    other = charge(country.top, "EV-other", key="country")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])
    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")


def test_another_owners_session_is_unknown_in_the_whole_country(country: Country) -> None:
    ann, bob = ({"Smartgrid-Owner": letter * 22} for letter in "AB")
    anns, bobs = (
        [charge(country.top, f"EV-{i}", key=f"{i}", who=who).json()["session_id"] for i in range(3)]
        for who in (ann, bob)
    )

    assert not set(anns) & set(bobs)
    for who, own, foreign in ((ann, anns, bobs), (bob, bobs, anns)):
        assert sorted(each["session_id"] for each in sessions(country.top, limit=2, who=who)) == sorted(own)
        for method in ("GET", "DELETE"):
            assert country.top.call(method, f"/charge/{foreign[0]}", headers=who).status == 404
        assert charge(country.top, "EV-0", key="0", who=who).json()["session_id"] == own[0]
    assert country.top.call("DELETE", f"/charge/{anns[0]}", headers=ann).json()["end_reason"] == "Stopped"


def alone(country: Country) -> None:
    """Without the balancers that have all these substations to themselves: they would settle it among them."""
    for balancer in country.grid.balancers:
        balancer.kill()


def test_two_sessions_of_one_key_in_two_regions_become_one(country: Country) -> None:
    """As when the balancer of regions was replaced while one of them was away."""
    alone(country)
    west, other = country.regions
    earlier = charge(west, "EV-two", key="two").json()
    later = charge(other, "EV-two", key="two").json()
    placed = f"west-2.{later['session_id']}"

    wait_until(lambda: len(held(country.grid.substations, "EV-two")) == 1, 60, "the earlier one is ended")

    ended = country.top.call("GET", f"/charge/west.{earlier['session_id']}").json()
    assert (ended["end_reason"], ended["superseded_by"]) == ("Superseded", placed)
    assert west.call("GET", f"/charge/{earlier['session_id']}").json()["superseded_by"] == f"../{placed}"
    assert country.top.call("GET", f"/charge/{placed}").json()["state"] == "Charging"
    assert charge(country.top, "EV-two", key="two").json()["session_id"] == placed


def test_a_region_sends_on_a_car_whose_session_is_in_another(country: Country) -> None:
    alone(country)
    west, other = country.regions
    charge(west, "EV-sent", key="sent")
    later = charge(other, "EV-sent", key="sent").json()
    wait_until(lambda: len(held(country.grid.substations, "EV-sent")) == 1, 60, "the earlier one is ended")

    told = charge(west, "EV-sent", key="sent")

    assert (told.status, told.json()["code"]) == (409, "superseded")
    assert told.json()["superseded_by"] == f"../west-2.{later['session_id']}"


def test_a_region_that_is_down_leaves_the_cars_to_the_other(country: Country) -> None:
    country.regions[0].kill()

    placed = [charge(country.top, f"EV-{i}").json()["substation"] for i in range(4)]

    assert set(placed) == {"west-2.substation-2"}
    page = country.top.call("GET", "/charge")
    assert page.headers["Smartgrid-Unreachable"] == "west"
    stop_all(country.grid.substations[2])


def test_a_substation_of_a_region_is_limited_and_drained_from_above(country: Country) -> None:
    substation = country.grid.substations[0]
    capacity_kw = substation.call("GET", "/status").json()["capacity_kw"]

    try:
        limited = country.top.call("PUT", "/substations/west.substation-0/capacity", json={"capacity_kw": 11})
        drained = country.top.call("PUT", "/substations/west.substation-0/draining", json={"draining": True})

        assert (limited.status, limited.json()["name"], drained.status) == (200, "substation-0", 200)
        now = substation.call("GET", "/status").json()
        assert (now["capacity_kw"], now["state"]) == (11, "Draining")
    finally:
        substation.call("PUT", "/capacity", json={"capacity_kw": capacity_kw})
        substation.call("PUT", "/draining", json={"draining": False})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("west", (409, "not-a-substation")),
        ("west.substation-9", (404, "not-found")),
        ("west.substation-0.x", (404, "not-found")),
        ("north.substation-0", (404, "not-found")),
        ("west.%2e%2e", (404, "not-found")),
    ],
)
def test_a_limit_for_what_is_no_substation_of_a_region_is_refused(
    country: Country, name: str, expected: tuple[int, str]
) -> None:
    reply = country.top.call("PUT", f"/substations/{name}/capacity", json={"capacity_kw": 11})

    assert (reply.status, reply.json()["code"]) == expected


def region_of(reply: Reply) -> str:
    assert reply.status == 201, reply.json()
    return str(reply.json()["substation"]).split(".")[0]


def test_a_car_that_names_its_region_gets_no_other(country: Country) -> None:
    replies = [charge(country.top, f"EV-{i}", region="west-2") for i in range(5)]

    assert [region_of(reply) for reply in replies[:4]] == ["west-2"] * 4
    assert (replies[4].status, replies[4].json()["code"]) == (503, "no-capacity")
    assert region_of(charge(country.top, "EV-anywhere")) == "west"


def test_of_several_regions_the_next_is_asked_when_those_before_are_full(country: Country) -> None:
    placed = [region_of(charge(country.top, f"EV-{i}", region=["west-2", "west"])) for i in range(6)]

    assert placed == ["west-2"] * 4 + ["west"] * 2


def test_a_region_that_does_not_answer_is_passed_over(country: Country) -> None:
    country.regions[0].kill()

    assert region_of(charge(country.top, "EV-1", region=["west", "west-2"])) == "west-2"


def test_a_region_that_there_is_not_is_refused(country: Country) -> None:
    reply = charge(country.top, "EV-1", region=["west", "south"])

    assert (reply.status, reply.json()["code"]) == (422, "unknown-region")
    assert "south" in reply.json()["detail"]


def test_a_repeat_finds_its_session_whatever_region_it_names(country: Country) -> None:
    first = charge(country.top, "EV-1", key="moved", region="west").json()

    again = charge(country.top, "EV-1", key="moved", region="west-2")

    assert (again.status, again.json()["session_id"]) == (201, first["session_id"])


def test_a_region_takes_cars_for_itself_and_for_no_other(country: Country) -> None:
    assert charge(country.regions[0], "EV-1", region=["west-2", "west"]).status == 201
    refused = charge(country.regions[0], "EV-2", region="west-2")
    assert (refused.status, refused.json()["code"]) == (422, "unknown-region")


def test_a_bound_tenants_cars_go_only_where_they_may_be(country: Country) -> None:
    norwegian, french = ({"Smartgrid-Residency": value} for value in ("NO", "FR"))

    replies = [charge(country.top, f"EV-{i}", who=norwegian) for i in range(5)]
    assert [region_of(reply) for reply in replies[:4]] == ["west-2"] * 4
    assert (replies[4].status, replies[4].json()["code"]) == (503, "no-capacity")

    for reply in (charge(country.top, "EV-6", who=french), charge(country.top, "EV-7", who=norwegian, region="west")):
        assert (reply.status, reply.json()["code"]) == (403, "region-not-allowed")
