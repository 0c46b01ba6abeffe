"""A substation's pod is unready for a minute, and clients repeat their requests: 503, or their session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import requests

from cluster.shell import wait_until
from harness.grid import Grid, Pod
from harness.steps import pause

UNREADY_S, PAUSE_S = 60, 4
CARS = [{"vehicle_id": f"unready-{number}", "energy_kwh": 5, "max_power_kw": 11} for number in range(12)]
CREATED, UNAVAILABLE = 201, 503


def test_a_repeat_is_told_to_wait_or_gets_the_same_session_and_never_a_second(
    grid: Grid, tell: Callable[[str], None]
) -> None:
    first = charge_all(grid)
    ((most_cars, _),) = Counter(session_id.partition(".")[0] for session_id in first.values()).most_common(1)
    away = grid.pod(most_cars)
    cars_there = [car for car in CARS if first[car["vehicle_id"]].startswith(f"{away.name}.")]

    with grid.frozen(away):
        wait_until("the pod to be unready", lambda: not grid.pod(away.name).ready)
        answers = repeat_for(grid, UNREADY_S)
        assert not grid.pod(away.name).ready
    at_it = [answer for answer in answers if answer.car in cars_there]
    tell(f"{len(cars_there)} of {len(CARS)} cars at the unready substation; repeats: {Counter(map(str, answers))}")
    assert [answer for answer in answers if not answer.is_allowed(first)] == []
    assert "503 substation-unavailable" in map(str, at_it)

    assert grid.pod(away.name).restarts == away.restarts, "the pod was to be unready, not to be restarted"
    wait_until("the pod to be ready", lambda: grid.pod(away.name).ready)
    grid.wait_for_fleet()
    assert {car["vehicle_id"]: told(ask(grid, car, 1)) for car in CARS} == first
    assert sessions_by_car(grid) == {car["vehicle_id"]: 1 for car in CARS}


def charge_all(grid: Grid) -> dict[object, str]:
    """Every car's session, known to all balancers: one that has not read of it yet would place a repeat anew."""
    before = grid.keys_known()
    first: dict[object, str] = {car["vehicle_id"]: told(ask(grid, car, 0)) for car in CARS}

    def all_know() -> bool:
        return all(known >= before[name] + len(CARS) for name, known in grid.keys_known().items())

    wait_until("every balancer to know every car's key", all_know)
    return first


class Repeat:
    """The answer to a repeat."""

    def __init__(self, car: dict[str, object], answer: requests.Response) -> None:
        self.car, self.status, self.content = car, answer.status_code, answer.json()

    def is_allowed(self, first: dict[object, str]) -> bool:
        if self.status == CREATED:
            return bool(self.content["session_id"] == first[self.car["vehicle_id"]])
        return (self.status, self.content.get("code")) == (UNAVAILABLE, "substation-unavailable")

    def __str__(self) -> str:
        return f"{self.status} {self.content.get('code', 'the session')}"

    __repr__ = __str__


def repeat_for(grid: Grid, seconds: float) -> list[Repeat]:
    """Repeat every car's request, through one gateway after the other, for so long."""
    end_s, answers, turn = grid.now_s() + seconds, [], 0
    while grid.now_s() < end_s:
        answers += [Repeat(car, ask(grid, car, turn)) for car in CARS]
        turn += 1
        pause("until the next repeats", PAUSE_S)
    return answers


def ask(grid: Grid, car: dict[str, object], turn: int) -> requests.Response:
    gateways: list[Pod] = grid.pods("gateway")
    return grid.charge(gateways[turn % len(gateways)].name, str(car["vehicle_id"]), car)


def told(answer: requests.Response) -> str:
    assert answer.status_code == CREATED, answer.text
    return str(answer.json()["session_id"])


def sessions_by_car(grid: Grid) -> dict[str, int]:
    """How many sessions each of the cars has on all records, also those that were superseded."""
    cars = {car["vehicle_id"] for car in CARS}
    recorded = [session for pod in grid.pods("substation") for session in grid.sessions(pod.name)]
    return dict(Counter(session["vehicle_id"] for session in recorded if session["vehicle_id"] in cars))
