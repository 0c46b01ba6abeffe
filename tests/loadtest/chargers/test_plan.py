"""The plan of a run with chargers: the same for the same seed, spread over the grid, with cars that taper and leave."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from smartgrid.chargersim.behaviour import FAULTS as KNOWN_FAULTS
from smartgrid.loadtest.chargers.plan import FAULTS, ChargerSettings, planned

SETTINGS = ChargerSettings(
    target="http://127.0.0.1:8080",
    edge="ws://127.0.0.1:9000",
    chargers=200,
    duration_s=600,
    ramp_up_s=20,
    stay_s=100,
    faulty=0.25,
    seed=1,
)
SUBSTATIONS = ["substation-0", "substation-1", "substation-2"]


def test_the_same_seed_makes_the_same_plan() -> None:
    assert planned(SETTINGS, SUBSTATIONS, "L1") == planned(SETTINGS, SUBSTATIONS, "L1")
    assert planned(SETTINGS, SUBSTATIONS, "L1") != planned(replace(SETTINGS, seed=2), SUBSTATIONS, "L1")


def test_chargers_are_spread_evenly_and_come_over_the_ramp_up() -> None:
    plan = planned(SETTINGS, SUBSTATIONS, "L1")

    counts = [sum(charger.substation == name for charger in plan) for name in SUBSTATIONS]
    assert max(counts) - min(counts) <= 1
    assert [charger.connects_s for charger in plan] == sorted(charger.connects_s for charger in plan)
    assert max(charger.connects_s for charger in plan) < 20


def test_a_share_has_one_fault_each_that_chargers_know() -> None:
    plan = planned(SETTINGS, SUBSTATIONS, "L1")

    assert 0.15 < sum(bool(charger.faults) for charger in plan) / len(plan) < 0.35
    assert all(len(charger.faults) <= 1 for charger in plan)
    assert set(FAULTS) <= set(KNOWN_FAULTS)
    assert not any(charger.faults for charger in planned(replace(SETTINGS, faulty=0.0), SUBSTATIONS, "L1"))


def test_cars_of_a_charger_follow_each_other_and_are_gone_at_the_end() -> None:
    for charger in planned(SETTINGS, SUBSTATIONS, "L1"):
        for visit in charger.visits:
            assert visit.at_s < visit.until_s <= 600
            assert 0 < visit.energy_kwh < visit.battery_kwh
        for earlier, later in pairwise(charger.visits):
            assert earlier.until_s < later.at_s


def test_each_car_has_a_name_of_its_own_that_fits_an_id_tag() -> None:
    tags = [visit.tag for charger in planned(SETTINGS, SUBSTATIONS, "L1f3a") for visit in charger.visits]

    assert len(set(tags)) == len(tags)
    assert max(map(len, tags)) <= 20


def test_some_cars_are_full_before_they_leave_and_some_are_not() -> None:
    visits = [visit for charger in planned(SETTINGS, SUBSTATIONS, "L1") for visit in charger.visits]

    full = [
        visit.battery_kwh - visit.energy_kwh
        < visit.current_a * 0.23 * visit.phases * (visit.until_s - visit.at_s) / 3600
        for visit in visits
    ]
    assert 0.3 < sum(full) / len(full) < 0.8
