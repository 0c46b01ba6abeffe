"""Chargers charge through a grid of real processes, down to the ampere, led by hand over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.grid import Grid
from support.hand_charger import VOLTS, HandCharger, connector_of
from support.processes import start_all, wait_until

CAPACITY_KW = 22.0
SAFE_A = 6.0
DEFAULT = "TxDefaultProfile"
TOLERANCE_KW = 0.01


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    with Grid(tmp_path, [CAPACITY_KW], gateways=1, edge={"registration": "open", "meter_interval_s": 5}) as grid:
        yield grid


def ready(charger: HandCharger) -> None:
    """Connected, idle, and with its safe current confirmed."""
    charger.boot()
    charger.status("Available")
    charger.wait_limit(lambda amps: amps == SAFE_A, "its safe current", DEFAULT)


def plug_in(charger: HandCharger, tag: str) -> int:
    charger.status("Preparing")
    return charger.start(tag)


def kw(amps: float) -> float:
    return 3 * VOLTS * amps / 1000


def session(grid: Grid, charger: HandCharger) -> dict[str, Any]:
    """The newest of this charger, as the gateway shows it."""
    found = grid.gateway.call("GET", "/sessions").json()["sessions"]
    return next(dict(each) for each in found if each.get("charger") == charger.name)


def has_session(grid: Grid, charger: HandCharger, **wanted: object) -> bool:
    found = grid.gateway.call("GET", "/sessions").json()["sessions"]
    return any(each.get("charger") == charger.name and wanted.items() <= each.items() for each in found)


def test_a_car_gets_amps_and_its_register_is_the_energy(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        transaction_id = plug_in(charger, "EV-1")
        amps = charger.wait_limit(lambda amps: amps > SAFE_A, "what the substation offers")
        charger.meter(transaction_id, 1000, amps)

        assert kw(amps) <= CAPACITY_KW < kw(amps + 0.2), "rounded down, to a tenth of an ampere"
        wait_until(lambda: session(grid, charger)["delivered_kwh"] == 1.0, what="its meter is in the books")
        shown = session(grid, charger)
        assert (shown["vehicle_id"], shown["state"], shown["energy_kwh"]) == ("EV-1", "Charging", None)
        assert shown["held_kw"] == pytest.approx(CAPACITY_KW)

        charger.stop(transaction_id, 1234)
        wait_until(lambda: has_session(grid, charger, state="Idle"), what="the session has ended")
    assert (session(grid, charger)["delivered_kwh"], session(grid, charger)["end_reason"]) == (1.234, "Departed")
    assert grid.balancer.call("GET", "/status").json()["load_kw"] == 0


def test_two_cars_share_and_one_gets_the_rest_back_only_as_the_other_has_let_go(grid: Grid):
    with HandCharger(grid.edge, "CP1") as one, HandCharger(grid.edge, "CP2") as two:
        ready(one), ready(two)
        first = plug_in(one, "EV-1")
        all_of_it = one.wait_limit(lambda amps: amps > 31, "the whole capacity")
        one.meter(first, 0, all_of_it)

        second = plug_in(two, "EV-2")
        less = one.wait_limit(lambda amps: amps < all_of_it, "a fall, as another has come")
        assert two.limits_a()[-1:] in ([], [SAFE_A]), "the first has not let go by its meter"

        def has_let_go() -> bool:
            one.meter(first, 10, less)  # a car may take some seconds, so what counts is what its meter says then
            return two.limits_a()[-1:] > [SAFE_A]

        wait_until(has_let_go, 60, "the second gets its share, once the first has let go")
        more = two.limits_a()[-1]
        two.meter(second, 0, more)

        assert kw(less) + kw(more) <= CAPACITY_KW + TOLERANCE_KW
        assert less == pytest.approx(more, abs=0.5)


def test_who_has_no_room_waits_at_0_a_and_starts_when_there_is(grid: Grid):
    limit = grid.substations[0].call("PUT", "/capacity", json={"capacity_kw": 5})
    assert limit.status == 200
    with HandCharger(grid.edge, "CP1") as one, HandCharger(grid.edge, "CP2") as two:
        for charger in (one, two):
            charger.boot()
            charger.status("Available")
        wait_until(lambda: one.limits_a(DEFAULT) and two.limits_a(DEFAULT), what="both have a safe current")
        assert kw(one.limits_a(DEFAULT)[-1]) + kw(two.limits_a(DEFAULT)[-1]) <= 5
        first = plug_in(one, "EV-1")
        one.wait_limit(lambda amps: amps >= SAFE_A, "the first charges")
        plug_in(two, "EV-2")

        wait_until(lambda: has_session(grid, two, state="Waiting"), what="the second waits")
        assert session(grid, two)["position"] == 1
        assert [amps for amps in two.limits_a() if amps > 0] == []

        one.stop(first, 100)
        two.wait_limit(lambda amps: amps >= SAFE_A, "it starts, as the first has left")
        wait_until(lambda: has_session(grid, two, state="Charging"), what="and is said to charge")


def test_a_driver_who_stops_at_the_gateway_is_stopped_at_the_charger(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        transaction_id = plug_in(charger, "EV-1")
        charger.wait_limit(lambda amps: amps > SAFE_A, "it charges")

        stopped = grid.gateway.call("DELETE", f"/sessions/{session(grid, charger)['session_id']}")

        assert (stopped.status, stopped.json()["end_reason"]) == (200, "Stopped")
        wait_until(lambda: charger.asked("RemoteStopTransaction"), what="the charger is told to stop")
        assert charger.asked("RemoteStopTransaction")[0] == {"transactionId": transaction_id}
        charger.stop(transaction_id, 500, "Remote")
        wait_until(lambda: session(grid, charger)["delivered_kwh"] == 0.5, what="its energy counts all the same")


def test_an_operator_stops_a_session_by_its_id_or_by_its_connector(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        transaction_id = plug_in(charger, "EV-1")
        wait_until(lambda: has_session(grid, charger, state="Charging"), what="it charges")
        path = f"/chargers/substation-0/{charger.name}/commands"

        for named in ({"session_id": session(grid, charger)["session_id"]}, {"connector": 1}):
            reply = grid.gateway.call("POST", path, json={"command": "remote-stop", **named})
            assert reply.json() == {"result": "Accepted"}
        assert charger.asked("RemoteStopTransaction") == [{"transactionId": transaction_id}] * 2


def test_a_charger_with_a_car_is_not_removed(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        plug_in(charger, "EV-1")
        wait_until(lambda: has_session(grid, charger, state="Charging"), what="it charges")

        reply = grid.gateway.call("DELETE", f"/chargers/substation-0/{charger.name}")

    assert (reply.status, reply.json()["code"]) == (409, "charger-in-use")


def test_one_that_takes_limits_and_does_not_obey_is_seen_and_booked(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        transaction_id = plug_in(charger, "EV-1")
        charger.wait_limit(lambda amps: amps > SAFE_A, "it charges")
        grid.substations[0].call("PUT", "/capacity", json={"capacity_kw": 7})
        charger.wait_limit(lambda amps: amps < 11, "it is told to draw less")

        def does_not_obey() -> bool:
            charger.meter(transaction_id, 1000, 31)  # which it does not
            found = grid.gateway.call("GET", f"/chargers/substation-0/{charger.name}").json()
            return connector_of(found)["obedience"] == "ignores"

        wait_until(does_not_obey, 120, "it is seen not to obey")
        wait_until(lambda: session(grid, charger)["is_controlled"] is False, what="the substation is told")
        assert session(grid, charger)["held_kw"] >= kw(31) - TOLERANCE_KW
        metrics = grid.edge.call("GET", "/metrics").body.decode()
        assert "chargers_not_obeying 1.0" in metrics


def test_all_that_is_killed_at_once_goes_on_with_the_same_session(grid: Grid):
    with HandCharger(grid.edge) as charger:
        ready(charger)
        transaction_id = plug_in(charger, "EV-1")
        charger.wait_limit(lambda amps: amps > SAFE_A, "it charges")
        before = session(grid, charger)["session_id"]
        grid.edge.kill()
        grid.substations[0].kill()

    start_all([grid.edge, grid.substations[0]])
    with HandCharger(grid.edge) as charger:  # without a boot, and with the stop that it has kept
        charger.stop(transaction_id, 4000)
        wait_until(lambda: has_session(grid, charger, state="Idle"), 60, "the session has ended")
        assert (session(grid, charger)["session_id"], session(grid, charger)["delivered_kwh"]) == (before, 4.0)
