"""An attempt that got no answer may have started a session. In the end there is exactly one, whatever happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.grid import (
    PATIENT_BALANCER,
    Grid,
    car,
    charge,
    charge_known_to,
    held,
    in_rotation,
    patient,
    stop_all,
    wait_rotation,
    wait_settled,
)
from support.http import Reply
from support.processes import Process, frozen, wait_until
from support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

EARLIER = "1000"  # a number of a try, long before any that is made now


def fill_others(grid: Grid) -> None:
    for other in grid.substations[1:]:
        for i in range(4):
            assert charge(other, f"filler-{i}").status == 201


def arrive_late(substation: Process, vehicle_id: str, key: str) -> Reply:
    """A request that a balancer has given up arrives now, if the server has not dropped it by itself."""
    headers = {"Idempotency-Key": key, "Smartgrid-Number": EARLIER}
    return substation.call("POST", "/charge", json=car(vehicle_id), headers=headers)


def wait_one(grid: Grid, vehicle_id: str) -> None:
    wait_until(lambda: len(held(grid.substations, vehicle_id)) == 1, 60, f"{vehicle_id} has one session")


def test_the_late_session_of_a_frozen_substation_is_ended(grid: Grid) -> None:
    grid.prefer_first()
    with frozen(grid.substations[0]):
        placed = charge(grid.balancer, "EV-late", key="late").json()
        assert placed["substation"] != "substation-0"

    wait_rotation(grid.balancer, "substation-0", True)
    arrived = arrive_late(grid.substations[0], "EV-late", "late")
    assert arrived.status in (201, 409), "409 where it has come and was ended already"
    wait_one(grid, "EV-late")
    wait_settled(grid.balancer)
    assert grid.balancer.call("GET", f"/charge/{placed['session_id']}").json()["state"] == "Charging"


def test_also_when_the_balancer_is_killed_in_between(grid: Grid) -> None:
    grid.prefer_first()
    with frozen(grid.substations[0]):
        placed = charge(grid.balancers[0], "EV-killed", key="killed").json()
        for balancer in grid.balancers:
            balancer.kill()
    wait_until(lambda: grid.substations[0].try_call("GET", "/status") is not None, 60, "it is back")
    arrive_late(grid.substations[0], "EV-killed", "killed")
    assert len(held(grid.substations, "EV-killed")) == 2, "nobody is there to end the late one"

    for balancer in grid.balancers:
        balancer.restart()

    wait_one(grid, "EV-killed")
    again = charge(grid.balancer, "EV-killed", key="killed").json()
    assert again["session_id"] == placed["session_id"], "not the one that was ended"


def test_who_was_told_of_the_session_that_was_ended_finds_the_other(grid: Grid) -> None:
    late = arrive_late(grid.substations[0], "EV-told", "told").json()["session_id"]
    now = str(time.time_ns() // 1000)
    headers = {"Idempotency-Key": "told", "Smartgrid-Number": now}
    later = grid.substations[1].call("POST", "/charge", json=car("EV-told"), headers=headers).json()["session_id"]

    wait_one(grid, "EV-told")

    told = grid.balancer.call("GET", f"/charge/substation-0.{late}").json()
    assert (told["end_reason"], told["superseded_by"]) == ("Superseded", f"substation-1.{later}")
    again = charge(grid.balancer, "EV-told", key="told")
    assert (again.status, again.json()["session_id"]) == (201, f"substation-1.{later}")


def test_a_repeat_finds_the_session_that_no_one_was_told_of(grid: Grid) -> None:
    fill_others(grid)
    with frozen(grid.substations[0]):
        unknown = charge(grid.balancers[0], "EV-kept", key="kept")
        assert (unknown.status, unknown.json()["code"]) == (504, "outcome-unknown")
        assert unknown.headers["Idempotency-Key"] == "kept"
    wait_rotation(grid.balancers[1], "substation-0", True)

    kept = patient(lambda: charge(grid.balancers[1], "EV-kept", key="kept"), lambda reply: reply.status == 201).json()

    assert kept["substation"] == "substation-0"
    assert [each["state"] for each in held(grid.substations, "EV-kept")] == ["Charging"]
    again = patient(lambda: charge(grid.balancers[0], "EV-kept", key="kept"), lambda reply: reply.status == 201).json()
    assert again["session_id"] == kept["session_id"]


def test_a_session_that_was_acknowledged_is_not_given_up_while_its_substation_is_silent(grid: Grid) -> None:
    grid.prefer_first()
    first = charge(grid.balancer, "EV-safe", key="safe").json()
    assert first["substation"] == "substation-0"
    with frozen(grid.substations[0]):
        silent = charge(grid.balancer, "EV-safe", key="safe")
        assert (silent.status, silent.json()["code"]) == (503, "substation-unavailable")
        assert int(silent.headers["Retry-After"]) >= 1
    wait_rotation(grid.balancer, "substation-0", True)

    again = patient(lambda: charge(grid.balancer, "EV-safe", key="safe"), lambda reply: reply.status == 201).json()

    assert again["session_id"] == first["session_id"]
    assert len(held(grid.substations, "EV-safe")) == 1


def test_a_session_that_was_stopped_does_not_begin_again_with_a_repeat(grid: Grid) -> None:
    first = charge_known_to(grid.balancers[1], grid.balancers[0], "EV-stop", "stop").json()
    assert grid.balancers[0].call("DELETE", f"/charge/{first['session_id']}").status == 200

    again = charge(grid.balancers[1], "EV-stop", key="stop").json()

    assert (again["session_id"], again["state"], again["end_reason"]) == (first["session_id"], "Idle", "Stopped")


# ---------------------------------------------------------------------- connections that break before the answer


class Proxied:
    """A balancer that reaches substation-0 through a proxy, and the others directly."""

    def __init__(self, proxy: TcpProxy, balancer: Process) -> None:
        self.proxy, self.balancer = proxy, balancer

    def charge(self, vehicle_id: str) -> Reply:
        return charge(self.balancer, vehicle_id, key=vehicle_id)


@pytest.fixture
def proxied(grid: Grid, tmp_path: Path) -> Iterator[Proxied]:
    first, *others = grid.substations
    with ExitStack() as stack:
        proxy = stack.enter_context(TcpProxy(first.port))
        fleet = [f"substation-0={proxy.url}", *(f"{each.settings['name']}={each.url}" for each in others)]
        settings = {"poll_interval_s": 0.25, "substations": ",".join(fleet), **PATIENT_BALANCER}
        yield Proxied(proxy, stack.enter_context(Process("balancer", tmp_path, **settings)))
    stop_all(first)


@pytest.mark.parametrize("cuts", [1, 5])  # an attempt whose connection broke is made once more at the same substation
def test_the_connection_breaks_after_the_request(grid: Grid, proxied: Proxied, cuts: int) -> None:
    grid.prefer_first()
    wait_until(lambda: in_rotation(proxied.balancer, "substation-0"), 60)
    wait_until(lambda: proxied.balancer.call("GET", "/status").json()["active_sessions"] == 2, 60)
    vehicle = f"EV-cut-{cuts}"
    proxied.proxy.cuts = cuts

    reply = patient(lambda: proxied.charge(vehicle), lambda reply: reply.status == 201)  # as a client repeats it

    assert proxied.proxy.cut >= 1
    proxied.proxy.cuts = 0
    wait_one(grid, vehicle)
    wait_settled(proxied.balancer)
    assert proxied.charge(vehicle).json()["session_id"] == reply.json()["session_id"]
