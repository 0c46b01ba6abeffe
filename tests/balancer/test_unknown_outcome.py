"""An attempt that got no answer may have started a session. In the end there is exactly one, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.grid import (
    PATIENT_BALANCER,
    Grid,
    car,
    charge,
    held,
    in_rotation,
    metric,
    patient,
    stop_all,
    wait_no_voids,
    wait_rotation,
)
from support.http import Reply
from support.processes import Process, frozen, wait_until
from support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def fill_others(grid: Grid) -> None:
    for other in grid.substations[1:]:
        for i in range(4):
            assert charge(other, f"filler-{i}").status == 201


def charge_first(balancer: Process, vehicle_id: str, key: str) -> Reply:
    """As a gateway asks with a key that it made just now: no one is asked for the key, which would show the silence."""
    headers = {"Idempotency-Key": key, "Smartgrid-First-Attempt": "true"}
    return balancer.call("POST", "/charge", json=car(vehicle_id), headers=headers)


def arrive_late(substation: Process, vehicle_id: str, key: str) -> None:
    """The request that the balancer has given up arrives now, if the server has not dropped it by itself."""
    headers = {"Idempotency-Key": key, "Smartgrid-Attempt": "1"}
    assert substation.call("POST", "/charge", json=car(vehicle_id), headers=headers).status == 201


def test_the_late_session_of_a_frozen_substation_is_ended(grid: Grid) -> None:
    grid.prefer_first()
    with frozen(grid.substations[0]):
        placed = charge(grid.balancer, "EV-late").json()
        assert placed["substation"] != "substation-0"
        assert metric(grid.balancer, "pending_voids") == 1

    wait_no_voids(grid.balancer)
    wait_rotation(grid.balancer, "substation-0", True)
    assert [each["vehicle_id"] for each in held(grid.substations, "EV-late")] == ["EV-late"]
    assert grid.balancer.call("GET", f"/charge/{placed['session_id']}").json()["state"] == "Charging"


def test_also_when_the_balancer_is_killed_in_between(grid: Grid) -> None:
    grid.prefer_first()
    with frozen(grid.substations[0]):
        placed = charge_first(grid.balancer, "EV-killed", "killed").json()
        grid.balancer.kill()
    arrive_late(grid.substations[0], "EV-killed", "killed")
    assert len(held(grid.substations, "EV-killed")) == 2, "nobody is there to void the late one"

    grid.balancer.restart()
    wait_no_voids(grid.balancer)

    assert len(held(grid.substations, "EV-killed")) == 1
    again = charge(grid.balancer, "EV-killed", key="killed").json()
    assert again["session_id"] == placed["session_id"], "not the one that was voided"


def test_a_retry_finds_the_later_of_two_before_the_void_is_done(grid: Grid) -> None:
    """Through a balancer that knows nothing of the attempts of the one that made them, and is to void the first."""
    assert attempt(grid.substations[0], 1, "two")[0] == 201
    _, later = attempt(grid.substations[1], 2, "two")

    again = charge(grid.balancer, "EV-two", key="two")

    assert (again.status, again.json()["session_id"]) == (201, f"substation-1.{later}")
    wait_until(lambda: len(held(grid.substations, "EV-two")) == 1, 60, "the earlier one is ended")


def test_a_session_that_a_retry_was_answered_with_outlives_the_void_of_the_first_attempt(grid: Grid) -> None:
    fill_others(grid)
    with frozen(grid.substations[0]):
        assert charge_first(grid.balancers[0], "EV-kept", "kept").status == 503
        grid.balancers[0].kill()
    arrive_late(grid.substations[0], "EV-kept", "kept")
    wait_rotation(grid.balancers[1], "substation-0", True)
    kept = patient(lambda: charge(grid.balancers[1], "EV-kept", key="kept"), lambda reply: reply.status == 201).json()

    grid.balancers[0].restart()
    wait_no_voids(grid.balancers[0])

    assert [each["state"] for each in held(grid.substations, "EV-kept")] == ["Charging"]
    assert grid.balancers[0].call("GET", f"/charge/{kept['session_id']}").json()["state"] == "Charging"


def test_a_key_whose_attempt_was_voided_can_be_placed_there_after_all(grid: Grid) -> None:
    fill_others(grid)
    with frozen(grid.substations[0]):
        assert charge_first(grid.balancer, "EV-again", "again").status == 503
    wait_no_voids(grid.balancer)

    again = patient(lambda: charge(grid.balancer, "EV-again", key="again"), lambda reply: reply.status == 201).json()

    assert (again["substation"], again["state"]) == ("substation-0", "Charging")
    assert len(held(grid.substations, "EV-again")) == 1


def test_a_first_attempt_that_comes_after_its_repeat_gets_the_same_session(grid: Grid) -> None:
    """As both are read at once by a balancer that hung."""
    repeat = charge(grid.balancer, "EV-order", key="order").json()

    late = charge_first(grid.balancer, "EV-order", "order")

    assert (late.status, late.json()["session_id"]) == (201, repeat["session_id"])
    assert len(held(grid.substations, "EV-order")) == 1


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


# ---------------------------------------------------------------------- connections that break before the answer


class Proxied:
    """A balancer that reaches substation-0 through a proxy, and the others directly."""

    def __init__(self, proxy: TcpProxy, balancer: Process) -> None:
        self.proxy, self.balancer = proxy, balancer


@pytest.fixture
def proxied(grid: Grid, tmp_path: Path) -> Iterator[Proxied]:
    first, *others = grid.substations
    with ExitStack() as stack:
        proxy = stack.enter_context(TcpProxy(first.port))
        fleet = [f"substation-0={proxy.url}", *(f"{each.settings['name']}={each.url}" for each in others)]
        settings = {"poll_interval_s": 0.25, "substations": ",".join(fleet), **PATIENT_BALANCER}
        yield Proxied(proxy, stack.enter_context(Process("balancer", tmp_path, **settings)))
    stop_all(first)


@pytest.mark.parametrize("cuts", [1, 5])  # the client repeats a broken connection once by itself
def test_the_connection_breaks_after_the_request(grid: Grid, proxied: Proxied, cuts: int) -> None:
    grid.prefer_first()
    wait_until(lambda: in_rotation(proxied.balancer, "substation-0"), 60)
    wait_until(lambda: proxied.balancer.call("GET", "/status").json()["active_sessions"] == 2, 60)
    vehicle = f"EV-cut-{cuts}"
    proxied.proxy.cuts = cuts

    reply = charge(proxied.balancer, vehicle, key=vehicle)

    assert proxied.proxy.cut >= 1
    assert reply.status == 201
    proxied.proxy.cuts = 0
    wait_no_voids(proxied.balancer)
    assert len(held(grid.substations, vehicle)) == 1
    again = charge(proxied.balancer, vehicle, key=vehicle).json()
    assert again["session_id"] == reply.json()["session_id"]


# ---------------------------------------------------------------------- what the substation makes of it


def attempt(substation: Process, number: int, key: str) -> tuple[int, str]:
    headers = {"Idempotency-Key": key, "Smartgrid-Attempt": str(number)}
    reply = substation.call("POST", "/charge", json=car(f"EV-{key}"), headers=headers)
    return reply.status, str(reply.json().get("session_id") or reply.json()["code"])


def void(substation: Process, before: int | None, key: str) -> list[str]:
    bound = "" if before is None else f"&before={before}"
    reply = substation.call("DELETE", f"/charge?idempotency_key={key}{bound}")
    assert reply.status == 200
    return [each["session_id"] for each in reply.json()["sessions"]]


def restart(substation: Process) -> None:
    substation.kill()
    substation.restart()


@pytest.mark.parametrize("in_between", [lambda _: None, restart], ids=["at once", "over a kill"])
def test_voids_are_bounded_by_the_attempt(grid: Grid, in_between: object) -> None:
    substation = grid.substations[2]
    key = f"bounded-{id(in_between)}"
    assert callable(in_between)

    assert void(substation, 5, key) == []  # the void may come before the request
    in_between(substation)
    assert attempt(substation, 4, key) == (409, "key-voided")
    status, first = attempt(substation, 5, key)
    assert status == 201
    assert attempt(substation, 8, key) == (201, first)  # the session is attempt 8's now
    assert void(substation, 6, key) == []
    assert void(substation, 9, key) == [first]
    status, second = attempt(substation, 9, key)
    assert (status, second == first) == (201, False)
    in_between(substation)
    assert void(substation, None, key) == [second]
    assert attempt(substation, 2**61, key) == (409, "key-voided")  # for good
