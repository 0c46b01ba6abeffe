"""Goes through a decision log with fresh substations: was anyone turned away while there was room?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from smartgrid.domain.substation import Substation
from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Workload


class Admission(NamedTuple):
    """A substation admitted a car at this virtual time; cars and substations by their index."""

    time_s: float
    car: int
    substation: int


class Refusal(NamedTuple):
    """A car was turned away at `time_s`, after it had come at `arrived_s`."""

    time_s: float
    car: int
    arrived_s: float


Decision = Admission | Refusal


def refused_with_room(workload: Workload, log: Sequence[Decision]) -> int:
    """How many cars were turned away though some substation had room for them all the while they were asking.

    It knows nothing of views and policies: it admits the admitted cars to substations of its own.
    """
    return sum(1 for _ in _wrongly_refused(workload, log))


def _wrongly_refused(workload: Workload, log: Sequence[Decision]) -> Iterable[int]:
    substations = [Substation(capacity_kw, 0.0) for capacity_kw in workload.capacities_kw]
    had_room: dict[int, set[int]] = {}  # of each car that is asking and will be refused: who could have taken it
    for _, _, event in sorted(_events(log), key=lambda event: event[:2]):
        if isinstance(event, Asking):
            had_room[event.car] = _with_room(workload.cars[event.car], substations, event.time_s)
        elif isinstance(event, Admission):
            _admit(workload.cars[event.car], substations[event.substation], event)
            _strike_out(event.substation, substations, had_room, workload)
        elif had_room.pop(event.car) & _with_room(workload.cars[event.car], substations, event.time_s):
            yield event.car


class Asking(NamedTuple):
    """A car that will be turned away starts to ask."""

    time_s: float
    car: int


def _events(log: Sequence[Decision]) -> Iterable[tuple[float, int, Decision | Asking]]:
    """With the time and a number that keeps the order of the log at equal times."""
    for number, decision in enumerate(log):
        if isinstance(decision, Refusal):
            yield decision.arrived_s, -1, Asking(decision.arrived_s, decision.car)
        yield decision.time_s, number, decision


def _with_room(car: Car, substations: Sequence[Substation], now_s: float) -> set[int]:
    found = set()
    for index, substation in enumerate(substations):
        due_s = substation.next_event_s()
        if due_s is not None and due_s <= now_s:
            substation.advance(now_s)
        if substation.room_for(car.request.power):
            found.add(index)
    return found


def _admit(car: Car, substation: Substation, admission: Admission) -> None:
    if substation.admit(str(admission.car), car.request, admission.time_s) is None:
        raise AssertionError(f"the log admits car {admission.car} where there is no room")


def _strike_out(
    index: int, substations: Sequence[Substation], had_room: dict[int, set[int]], workload: Workload
) -> None:
    for car, rooms in had_room.items():
        if not substations[index].room_for(workload.cars[car].request.power):
            rooms.discard(index)
