"""The simulator: what holds in every simulation, however stale the views."""

from __future__ import annotations

import pytest

from smartgrid.domain.routing import POLICIES
from smartgrid.simulation.replay import Admission, Decision, Refusal, refused_with_room
from smartgrid.simulation.world import Outcome, View, World
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Recipe, Workload, generate

VIEWS = {
    "fresh": View(),
    "polled": View(poll_s=5),
    "with a slow network": View(poll_s=5, delay_s=0.05),
    "of three balancers": View(poll_s=5, balancers=3, delay_s=0.02),
    "of regions": View(poll_s=5, regions=3),
}
CROWDED = Recipe(mix="b", substations=6, demand=1.1, duration_s=400)


def simulated(workload: Workload, policy: str = "least-loaded", view: View | None = None) -> Outcome:
    return World(workload, policy, view or View(), 1).run(60)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"polled"}))
def test_no_one_is_refused_while_there_is_room_and_no_substation_is_overloaded(policy: str, view: View) -> None:
    outcome = simulated(generate(CROWDED, 3), policy, view)
    assert outcome.admitted < 1
    assert outcome.refused_with_room == 0
    assert outcome.over_capacity_seconds == 0


def test_polled_refuses_while_there_is_room() -> None:
    assert simulated(generate(CROWDED, 3), "polled").refused_with_room > 0


def test_the_same_seed_gives_the_same_outcome() -> None:
    workload = generate(CROWDED, 3)
    first, second = simulated(workload), simulated(workload)
    assert (first.accepted_kwh, first.load_percentage_sd) == (second.accepted_kwh, second.load_percentage_sd)


def test_energy_adds_up() -> None:
    workload = generate(Recipe(substations=3, demand=2, duration_s=900, flexible=True, parked_factor=1.5), 1)
    world = World(workload, "least-loaded", View(), 1)
    outcome = world.run(0)
    admitted = {decision.car for decision in world.log if isinstance(decision, Admission)}
    wanted_kwh = sum(workload.cars[car].request.energy_kwh for car in admitted)
    assert outcome.accepted_kwh + outcome.shortfall_kwh == pytest.approx(wanted_kwh)
    assert outcome.shortfall_kwh > 0


def test_a_burst_finds_its_places() -> None:
    burst = [Car(0.0, car.request) for car in generate(Recipe(), 1).cars[:200]]
    outcome = simulated(Workload(burst, [100.0] * 23))
    assert outcome.admitted >= 0.99


class TestReplay:
    WORKLOAD = Workload(generate(Recipe(), 1).cars[:3], [30.0, 30.0])

    def test_a_refusal_with_room_is_found(self) -> None:
        assert refused_with_room(self.WORKLOAD, [Refusal(1.0, 0, 1.0)]) == 1

    def test_room_that_went_while_the_car_was_asking_is_not_held_against_anyone(self) -> None:
        cars = list(generate(Recipe(), 1).cars)
        large = next(number for number, car in enumerate(cars) if car.request.power.min_kw == 11)
        small = next(number for number, car in enumerate(cars) if car.request.power.min_kw == 7.4)
        workload = Workload(cars, [15.0])
        log: list[Decision] = [Admission(1.5, large, 0), Refusal(2.0, small, 1.0)]
        assert refused_with_room(workload, log) == 0
