"""Generated workloads are what their recipe says."""

from __future__ import annotations

import statistics

import pytest

from smartgrid.workload.car import MIXES
from smartgrid.workload.poisson import Recipe, generate


def test_the_same_seed_gives_the_same_cars() -> None:
    assert generate(Recipe(), 4) == generate(Recipe(), 4)
    assert generate(Recipe(), 4) != generate(Recipe(), 5)


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_the_offered_energy_is_the_demand(mix: str) -> None:
    recipe = Recipe(mix=mix, substations=20, demand=0.85, duration_s=6000)
    workload = generate(recipe, 1)
    offered_kwh = sum(car.request.energy_kwh for car in workload.cars)
    assert offered_kwh / (sum(workload.capacities_kw) * recipe.duration_s / 3600) == pytest.approx(0.85, abs=0.03)


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_the_shares_of_a_mix_add_up(mix: str) -> None:
    assert sum(MIXES[mix].values()) == pytest.approx(1)


def test_capacities_are_those_of_distribution_transformers() -> None:
    assert all(80 <= capacity_kw <= 120 for capacity_kw in generate(Recipe(substations=200), 1).capacities_kw)


def test_rigid_cars_charge_for_the_mean_session() -> None:
    cars = generate(Recipe(mean_session_s=60, substations=50), 2).cars
    assert statistics.fmean(car.charging_s for car in cars) == pytest.approx(60, rel=0.05)
    assert all(car.request.power.min_kw == car.request.power.max_kw for car in cars)


def test_flexible_cars_stay_twice_their_charging_time() -> None:
    for car in generate(Recipe(flexible=True), 2).cars[:50]:
        assert car.request.power.min_kw < car.request.power.max_kw
        assert car.request.departure_s == pytest.approx(car.arrival_s + 2 * car.charging_s)


def test_of_a_flexible_recipe_so_many_cars_are_flexible() -> None:
    cars = generate(Recipe(flexible=True, flexible_share=0.3, substations=20), 2).cars
    flexible = [car for car in cars if car.request.departure_s is not None]
    assert len(flexible) / len(cars) == pytest.approx(0.3, abs=0.05)
