"""The bounds, where they can be worked out by hand."""

from __future__ import annotations

from random import Random

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.simulation.optimum import optimum_kwh, pooled, rigid_bound_kwh
from smartgrid.simulation.world import View, World
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Recipe, Workload, generate


def a_car(arrival_s: float, kw: float, hours: float, departure_s: float | None = None) -> Car:
    return Car(arrival_s, ChargeRequest("car", kw * hours, PowerRange(kw, kw), departure_s))


def test_all_is_accepted_where_all_fits() -> None:
    assert rigid_bound_kwh(Workload([a_car(0, 50, 1), a_car(10, 50, 1)], [60, 60])) == pytest.approx(100)


def test_of_two_that_do_not_fit_together_the_longer_is_taken_and_the_rest_of_the_other() -> None:
    workload = Workload([a_car(0, 60, 1), a_car(10, 60, 2)], [50, 50])
    assert rigid_bound_kwh(workload) == pytest.approx(60 * 2 + 40 * 1)


def test_a_car_that_leaves_early_counts_with_what_it_can_take() -> None:
    assert rigid_bound_kwh(Workload([a_car(0, 50, 2, departure_s=3600)], [60])) == pytest.approx(50)


def test_it_is_what_a_dense_programme_gives() -> None:
    from scipy.optimize import linprog

    rng = Random(3)
    cars = sorted((a_car(rng.uniform(0, 3000), rng.choice([10, 20]), rng.uniform(0.1, 0.5)) for _ in range(40)),
                  key=lambda car: car.arrival_s)  # fmt: skip
    active = [[car.request.power.max_kw if car.arrival_s <= at.arrival_s < car.arrival_s + car.charging_s else 0
               for car in cars] for at in cars]  # fmt: skip
    dense = linprog([-car.request.energy_kwh for car in cars], A_ub=active, b_ub=[90] * 40, bounds=(0, 1))
    assert rigid_bound_kwh(Workload(cars, [40, 50])) == pytest.approx(-dense.fun)


def test_no_policy_is_above_it() -> None:
    workload = generate(Recipe(mix="b", substations=4, demand=1.2, duration_s=600), 1)
    for policy in ("least-loaded", "best-fit"):
        assert World(workload, policy, View(), 1).run(60).accepted_kwh <= optimum_kwh(workload) + 1e-6


def test_pooled_substations_admit_and_deliver_at_least_as_much() -> None:
    workload = generate(Recipe(substations=3, demand=1.3, duration_s=1200, flexible=True), 2)
    outcome = World(workload, "least-loaded", View(), 2).run(120)
    delivered_kwh, admitted = pooled(workload)
    assert outcome.accepted_kwh <= delivered_kwh * 1.001
    assert outcome.admitted <= admitted
