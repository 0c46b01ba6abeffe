"""A grid whose substations are scaled on the power that cars want, and what is to be seen of it, whoever scales."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cluster.shell import wait_until
from harness.grid import Grid

WINDOW_S = 15
SYNC_S = 5
"""How often the local cluster's autoscalers look; 15 s on others."""
HOLD_S = WINDOW_S + 5 * SYNC_S
"""Time in which an autoscaler that does not mind cars would have taken a substation away."""
AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 5}]}
SETTLING = AT_ONCE | {"stabilizationWindowSeconds": WINDOW_S}
BEFORE: dict[str, object] = {
    "gateway.replicaCount": 1,
    "substation.capacityKw": 100,
    "substation.minReadySeconds": 0,
    "substation.replicaCount": 2,
}
"""Values of the chart for a grid of two substations that is not autoscaled yet."""
AUTOSCALED: dict[str, object] = {
    **BEFORE,
    "substation.autoscaling.enabled": True,
    "substation.autoscaling.minReplicas": 1,
    "substation.autoscaling.behavior": {"scaleUp": AT_ONCE, "scaleDown": SETTLING},
}
"""The same with autoscaling on, at the pace of a test."""
CAR = {"vehicle_id": "EV", "energy_kwh": 100, "max_power_kw": 20}
Session = dict[str, Any]
Tell = Callable[[str], None]


def follow_the_cars(grid: Grid, turn_on: Callable[[], None], frozen: Callable[[Grid], None], tell: Tell) -> None:
    """Up with the demand, held where a car is, down when that has gone, and back where it was scaled in with a car.

    `turn_on` upgrades to autoscaling; `frozen` is done, and must change nothing, while a car holds the last substation.
    """
    run = Run(grid, tell)
    first = grid.pods("substation")
    held = charge(grid, 2)
    run.say("two cars on two substations")
    turn_on()
    assert grid.pods("substation") == first, "turning autoscaling on has taken away, or replaced, a substation"

    run.say("autoscaling turned on by an upgrade")

    cars = charge(grid, 10)
    run.say("10 cars more")
    wait_until("four substations", lambda: count(grid) == 4 and is_whole(grid), timeout_s=150)
    run.say("scaled up, and in rotation")

    last = charge_at(grid, "grid-substation-3")
    run.say("a car on the last substation")
    stop(grid, cars)
    run.say("those 10 have gone")
    wait_until("those above the demand to be asked last", lambda: leaving(grid) == {1, 2, 3}, timeout_s=120)
    run.say("what demand does not ask for is asked last")
    newcomer = charge(grid, 1)
    assert newcomer[0]["substation"] == "grid-substation-0"
    frozen(grid)
    assert_held(grid, 4)
    assert_charging(grid, [*held, last, *newcomer])
    run.say("held all the while by the car on the last, with one newcomer on the first")

    stop(grid, [last])
    run.say("the car on the last has gone")
    wait_until("two substations", lambda: count(grid) == 2, timeout_s=150)
    run.say("scaled in to those with cars")
    assert_charging(grid, [*held, *newcomer])

    grid.scale("substation", 1)  # whatever charges there
    wait_until("the second substation to go", lambda: not is_ready(grid, first[1].name), timeout_s=60)
    run.say("scaled in to one by hand")
    wait_until("it to be brought back", lambda: is_ready(grid, first[1].name), timeout_s=120)
    wait_until("its sessions to be told by itself", lambda: are_fresh(grid, held), timeout_s=60)
    run.say("brought back, its session charges")
    assert_charging(grid, [*held, *newcomer])


class Run:
    """Tells what there was at each step, and when."""

    def __init__(self, grid: Grid, tell: Tell) -> None:
        self._grid, self._tell, self._begun_s = grid, tell, time.monotonic()

    def say(self, what: str) -> None:
        """One row."""
        pod = self._grid.pods("balancer")[0].name
        path = f"/api/v1/namespaces/{self._grid.namespace}/pods/{pod}:9090/proxy/autoscaling"
        told, after_s = self._grid.api.get(path), time.monotonic() - self._begun_s
        numbers = f"{told['demand_kw']:.0f} kW, floor {told['busy_floor']}, {count(self._grid)} substations"
        self._tell(f"{after_s:4.0f} s: {numbers}: {what}")


def assert_held(grid: Grid, replicas: int) -> None:
    """There are as many substations all the while in which fewer would do but for one car."""
    end_s = time.monotonic() + HOLD_S
    while time.monotonic() < end_s:
        assert count(grid) == replicas, "a substation was taken away though a car charges on the last"
        time.sleep(1)


# ---------------------------------------------------------------------- cars


def charge(grid: Grid, number: int) -> list[Session]:
    """So many cars of 20 kW, all of which must be taken."""
    gateway, begun = grid.pods("gateway")[0].name, time.time_ns()
    answers = [grid.charge(gateway, f"{begun}-{each}", {**CAR, "vehicle_id": f"EV-{each}"}) for each in range(number)]
    assert [answer.status_code for answer in answers] == [201] * number, answers[-1].text
    return [answer.json() for answer in answers]


def charge_at(grid: Grid, substation: str) -> Session:
    """One car there: cars go where the least is wanted, and those sent elsewhere stay until one is."""
    others: list[Session] = []
    for _ in range(10):
        (session,) = charge(grid, 1)
        if session["substation"] == substation:
            stop(grid, others)
            return session
        others.append(session)
    raise AssertionError(f"no car was sent to {substation}, which is empty")


def stop(grid: Grid, sessions: list[Session]) -> None:
    """End them."""
    for each in sessions:
        assert grid.ask_gateway("DELETE", f"/sessions/{each['session_id']}").status_code == 200


def are_fresh(grid: Grid, sessions: list[Session]) -> bool:
    """Whether each is told by its substation itself, and not by heart."""
    found = [grid.ask_gateway("GET", f"/sessions/{each['session_id']}") for each in sessions]
    return all(each.status_code == 200 and "as_of" not in each.json() for each in found)


def assert_charging(grid: Grid, sessions: list[Session]) -> None:
    """Each is, and its substation says so itself."""
    for each in sessions:
        found = grid.ask_gateway("GET", f"/sessions/{each['session_id']}").json()
        assert (found.get("state"), "as_of" in found) == ("Charging", False), found


# ---------------------------------------------------------------------- substations


def count(grid: Grid) -> int:
    """Substations that are not being ended."""
    return len(grid.pods("substation"))


def is_whole(grid: Grid) -> bool:
    """Whether all serve, and every balancer sends them cars."""
    pods = grid.pods("substation")
    names = {pod.name for pod in pods}
    return all(pod.ready for pod in pods) and all(fleet == names for fleet in grid.fleets().values())


def is_ready(grid: Grid, name: str) -> bool:
    """Whether there is such a substation, and it serves."""
    return any(pod.name == name and pod.ready for pod in grid.pods("substation"))


def leaving(grid: Grid) -> set[int]:
    """The ordinals that every balancer asks last, so that they empty."""
    return set.intersection(*(leaving_at(grid, pod.name) for pod in grid.pods("balancer")))


def leaving_at(grid: Grid, balancer: str) -> set[int]:
    """Those that one balancer asks last."""
    series = 'substation_leaving{{substation="grid-substation-{number}"}}'
    return {number for number in range(10) if grid.metric(balancer, series.format(number=number))}
