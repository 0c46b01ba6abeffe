"""An upper bound on the energy that any placement of the same cars could deliver, for comparison."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from smartgrid.domain.session import SECONDS_PER_HOUR
from smartgrid.domain.substation import Substation
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Workload


def optimum_kwh(workload: Workload) -> float:
    """The most energy that could be accepted: for rigid cars the pooled bound, else what one substation gives."""
    if all(car.request.power.min_kw == car.request.power.max_kw for car in workload.cars):
        return rigid_bound_kwh(workload)
    return pooled_kwh(workload)


def pooled_kwh(workload: Workload) -> float:
    """What one substation with the total capacity delivers: nothing to place, power shared among all."""
    return pooled(workload)[0]


def pooled(workload: Workload) -> tuple[float, float]:
    """Energy delivered by departure, and share of the cars admitted, with one substation of the total capacity."""
    substation = Substation(sum(workload.capacities_kw), 0.0)
    admitted, delivered_kwh = 0, 0.0
    for number, car in enumerate(workload.cars):
        delivered_kwh += sum(session.delivered_kwh for session in substation.advance(car.arrival_s))
        admitted += substation.admit(str(number), car.request, car.arrival_s) is not None
    while (due_s := substation.next_event_s()) is not None:
        delivered_kwh += sum(session.delivered_kwh for session in substation.advance(due_s))
    return delivered_kwh, admitted / len(workload.cars) if workload.cars else 1.0


def rigid_bound_kwh(workload: Workload) -> float:
    """The fractional bound for rigid cars: all substations as one, the future known, parts of cars allowed.

    Maximise the accepted energy over shares 0..1 of each car, such that at no time the accepted power exceeds the
    total capacity. Each car takes power over one interval of time, so this is a flow of the capacity along the time
    line, in which a car is an edge from its start to its end and unused power flows on idly: a sparse linear programme
    with two entries a column, which HiGHS (in scipy) solves in well under a second. Only times at which all cars
    together would exceed the capacity can bind; all other times, and cars that charge only then, are left out.
    """
    capacity_kw = sum(workload.capacities_kw)
    busy_s = _overloaded_arrivals_s(workload.cars, capacity_kw)
    spans = [(bisect_left(busy_s, car.arrival_s), bisect_left(busy_s, _end_s(car)), car) for car in workload.cars]
    free_kwh = sum(_energy_kwh(car) for first, last, car in spans if first == last)
    bound = [(first, last, car) for first, last, car in spans if first < last]
    return free_kwh + (_best_flow_kwh(bound, len(busy_s), capacity_kw) if bound else 0.0)


def _best_flow_kwh(spans: Sequence[tuple[int, int, Car]], times: int, capacity_kw: float) -> float:
    import numpy
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    starts = [first for first, _, _ in spans] + list(range(times))
    ends = [last for _, last, _ in spans] + list(range(1, times + 1))
    edges = list(range(len(starts)))
    entries = numpy.concatenate([numpy.ones(len(edges)), -numpy.ones(len(edges))])
    flows = csr_array((entries, (starts + ends, edges + edges)), shape=(times + 1, len(edges)))
    supply = numpy.zeros(times + 1)
    supply[0], supply[times] = capacity_kw, -capacity_kw
    hours = [_energy_kwh(car) / car.request.power.max_kw for _, _, car in spans]
    limits = [(0.0, car.request.power.max_kw) for _, _, car in spans] + [(0.0, None)] * times
    cost = numpy.concatenate([-numpy.array(hours), numpy.zeros(times)])
    solved = linprog(cost, A_eq=flows, b_eq=supply, bounds=limits, method="highs")
    if not solved.success:
        raise RuntimeError(f"the optimum could not be computed: {solved.message}")
    return float(-solved.fun)


def _overloaded_arrivals_s(cars: Sequence[Car], capacity_kw: float) -> list[float]:
    """When an arrival would bring all cars together above the capacity, if none were refused."""
    starts = [(car.arrival_s, 1, car.request.power.max_kw) for car in cars]
    changes = sorted(starts + [(_end_s(car), 0, -car.request.power.max_kw) for car in cars])
    overloaded: list[float] = []
    load_kw = 0.0
    for time_s, is_arrival, change_kw in changes:
        load_kw += change_kw
        if is_arrival and load_kw > capacity_kw and (not overloaded or overloaded[-1] < time_s):
            overloaded.append(time_s)
    return overloaded


def _end_s(car: Car) -> float:
    full_s = car.arrival_s + car.charging_s
    return full_s if car.request.departure_s is None else min(full_s, car.request.departure_s)


def _energy_kwh(car: Car) -> float:
    """What it takes if it is admitted: less than it asks for if it leaves earlier."""
    return car.request.power.max_kw * (_end_s(car) - car.arrival_s) / SECONDS_PER_HOUR
