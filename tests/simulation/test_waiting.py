"""The simulator with waiting cars: what holds under every rule and every view, and what the measures mean."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.simulation.replay import Admission, Refusal, refused_with_room
from smartgrid.simulation.waiting import WAITS, Waiting, WaitingWorld, WaitOutcome, jain, quantile
from smartgrid.simulation.world import View, World
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Recipe, Workload, generate

CROWDED = Recipe(mix="b", substations=3, demand=1.2, duration_s=400, flexible=True, flexible_share=0.5)
VIEWS = {
    "fresh": View(),
    "polled": View(poll_s=5, delay_s=0.05),
    "of two balancers": View(balancers=2, delay_s=0.02),
    "of regions": View(poll_s=5, regions=2),
}

every_rule = pytest.mark.parametrize("rule", WAITS)


def a_car(arrival_s: float, kw: float, charging_s: float, departure_s: float | None = None) -> Car:
    return Car(arrival_s, ChargeRequest("EV", kw * charging_s / 3600, PowerRange(kw, kw), departure_s))


def a_world(
    workload: Workload, rule: str, *, view: View | None = None, patience_s: float = 60.0, stop_early: float = 0.0
) -> WaitingWorld:
    return WaitingWorld(workload, "least-loaded", view or View(), 1, Waiting(rule, patience_s, stop_early))


def simulated(workload: Workload, rule: str, *, patience_s: float = 60.0, stop_early: float = 0.0) -> WaitOutcome:
    return a_world(workload, rule, patience_s=patience_s, stop_early=stop_early).run_waiting()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@every_rule
def test_everyone_starts_once_or_gives_up_and_no_substation_admits_beyond_its_room(rule: str, view: View) -> None:
    world = a_world(generate(CROWDED, 3), rule, view=view)
    world.run_waiting()
    assert sorted(decision.car for decision in world.log) == list(range(len(world.workload.cars)))
    admissions = [decision for decision in world.log if isinstance(decision, Admission)]
    refused_with_room(world.workload, admissions)  # admits all of them to fresh substations, and fails if it cannot


def test_without_waiting_it_is_the_simulation_as_ever() -> None:
    workload = generate(CROWDED, 3)
    world, plain = a_world(workload, "none"), World(workload, "least-loaded", View(), 1)
    outcome = world.run_waiting()
    reference = plain.run(0)
    assert [d for d in world.log if isinstance(d, Admission)] == [d for d in plain.log if isinstance(d, Admission)]
    assert outcome.delivered_kwh == pytest.approx(reference.accepted_kwh)
    assert (outcome.waited, outcome.longest_wait_s) == (0, 0)


@every_rule
def test_the_same_seed_gives_the_same_outcome(rule: str) -> None:
    workload = generate(CROWDED, 3)
    assert simulated(workload, rule, stop_early=0.3) == simulated(workload, rule, stop_early=0.3)


def test_a_list_delivers_more_than_refusals() -> None:
    workload = generate(CROWDED, 3)
    assert simulated(workload, "fifo").delivered_kwh > simulated(workload, "none").delivered_kwh


def test_waits_and_errors_worked_out_by_hand() -> None:
    """On 100 kW: one that charges 100 s; one that waits 90 s for it; one that gives up after its 60 s."""
    cars = [a_car(0, 80, 100), a_car(10, 80, 50, departure_s=500), a_car(20, 80, 50)]
    outcome = simulated(Workload(cars, [100.0]), "fifo")
    assert asdict(outcome) == pytest.approx(
        {
            "mean_wait_s": (0 + 90 + 60) / 3,
            "p95_wait_s": 90,
            "longest_wait_s": 90,
            "waited": 2 / 3,
            "never_started": 1 / 3,
            "never_started_largest": 1 / 3,
            "delivered_kwh": 80 * 150 / 3600,
            "delivered": 150 / 200,
            "fairness": 2**2 / (3 * 2),
            "start_error_s": 0,
            "p95_start_error_s": 0,
            "moved": 0,
            "cars": 3,
        }
    )


def test_a_car_waits_where_it_is_expected_to_start_first() -> None:
    cars = [a_car(0, 100, 50), a_car(0, 100, 20), a_car(1, 100, 10, departure_s=900)]
    world = a_world(Workload(cars, [100.0, 100.0]), "fifo")
    assert world.run_waiting().longest_wait_s == pytest.approx(19)
    assert [decision.car for decision in world.log] == [0, 1, 2]


def test_a_substation_without_a_list_takes_over_who_waits_elsewhere() -> None:
    """The second stops early, at half its time; the third waits for the first, whose end was to come before."""
    cars = [a_car(0, 100, 40), a_car(0, 100, 50), a_car(1, 100, 10, departure_s=900)]
    world = a_world(Workload(cars, [100.0, 100.0]), "fifo")
    world._stops = {1: 0.5}
    outcome = world.run_waiting()
    third = next(decision for decision in world.log if decision.car == 2)
    second = next(decision for decision in world.log if decision.car == 1)
    assert isinstance(third, Admission)
    assert isinstance(second, Admission)
    assert third.substation == second.substation
    assert (third.time_s, outcome.moved, outcome.start_error_s) == pytest.approx((25, 1, 15))


def test_who_stops_early_is_the_same_under_every_rule() -> None:
    workload = generate(CROWDED, 3)
    stops = [a_world(workload, rule, stop_early=0.3)._stops for rule in WAITS]
    assert all(other == stops[0] for other in stops)
    assert len(stops[0]) / len(workload.cars) == pytest.approx(0.3, abs=0.1)


def test_a_car_with_no_room_anywhere_is_refused_at_once() -> None:
    world = a_world(Workload([a_car(0, 80, 100), a_car(1, 120, 10)], [100.0]), "fifo")
    world.run_waiting()
    assert world.log[-1] == Refusal(1, 1, 1)


def test_jain_is_one_if_all_get_alike_and_one_nth_if_one_gets_all() -> None:
    assert (jain([0.5, 0.5]), jain([1, 0, 0, 0]), jain([0, 0])) == (1, 0.25, 1)


def test_a_quantile_is_one_of_the_values() -> None:
    assert (quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3], 0.95), quantile([7], 0.5), quantile([], 0.5)) == (
        2,
        3,
        7,
        0,
    )
