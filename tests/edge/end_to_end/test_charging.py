"""A car at a charger, from plug to departure, through edge, substation and gateway."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from edge.end_to_end.chargers import (
    CAR_KW,
    RATING_KW,
    SAFE_KW,
    SETTLE_S,
    WAIT_S,
    charging_kw,
    register_energy_kwh,
    session_of,
    set_capacity,
    wait_power,
    wait_session,
)
from edge.end_to_end.conftest import Site
from smartgrid.chargersim.behaviour import behaving
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect import Dialect
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle
from support.grid import charge, metric
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)

_numbers = itertools.count()

DIALECTS: dict[str, Callable[[], Dialect]] = {
    "1.6": Dialect16,
    "2.0.1": Dialect201,
    "2.1": lambda: Dialect201("ocpp2.1"),
}


def connected(site: Site, name: str, dialect: Dialect | None = None, *faults: str) -> Handle:
    handle = site.street.add(site.name, f"{name}-{next(_numbers)}", dialect or Dialect16(), behaving(faults))
    wait_until(lambda: handle.is_connected, WAIT_S, f"{name} is connected")
    return handle


@pytest.mark.parametrize("version", DIALECTS)
def test_one_car_from_plug_to_departure(site: Site, version: str) -> None:
    charger, tag = connected(site, "one", DIALECTS[version]()), f"EV-{version}"
    charger.plug(Car(), tag=tag)
    wait_power(charger, CAR_KW, "it has the substation to itself")
    session = wait_session(site.grid.gateway, tag, "Charging")
    assert (session["substation"], session["charger"], session["connector"]) == (site.name, charger.name, 1)
    wait_until(lambda: charger.register_kwh() > 0.02, WAIT_S, "some energy has flowed")

    charger.unplug()
    ended = wait_session(site.grid.gateway, tag, "Idle")
    assert ended["end_reason"] == "Departed"
    assert ended["delivered_kwh"] == pytest.approx(register_energy_kwh(charger), abs=0.001)
    status = site.substation.call("GET", "/status").json()
    assert (status["load_kw"], status["committed_kw"], status["active_sessions"]) == (0, 0, 0)


def test_a_car_that_asked_before_it_plugged_in_has_the_same_session(site: Site) -> None:
    charger = connected(site, "one")
    wait_until(
        lambda: site.substation.call("GET", "/status").json().get("free_connectors") == 1,
        WAIT_S,
        "its connector is known",
    )
    asked = charge(site.substation, "EV-APP", energy_kwh=20, max_power_kw=11, min_power_kw=4.14)
    assert asked.status == 201
    reserved = asked.json()
    assert (reserved["state"], reserved["power_kw"]) == ("Reserved", 0)

    charger.plug(Car(), tag="EV-APP")
    wait_power(charger, 11.0, "it charges")
    session = session_of(site.substation, "EV-APP")
    assert session["session_id"] == reserved["session_id"]
    assert (session["state"], session["charger"]) == ("Charging", charger.name)
    charger.unplug()


def test_a_car_for_which_there_is_no_room_waits_at_nothing_and_starts_when_there_is(site: Site) -> None:
    set_capacity(site.substation, 9.0)
    first, second = connected(site, "one"), connected(site, "two")
    for charger, tag in ((first, "EV-W1"), (second, "EV-W2")):
        charger.plug(Car(), tag=tag)
        wait_session(site.substation, tag, "Charging")
    wait_power(first, 4.5, "9 kW for two")
    wait_power(second, 4.5, "9 kW for two")

    third = connected(site, "three")
    third.plug(Car(), tag="EV-W3")
    wait_session(site.substation, "EV-W3", "Waiting")
    wait_until(lambda: third.allowed_a() == 0, WAIT_S, "it is told 0 A")
    assert third.power_kw == 0

    first.unplug()
    wait_session(site.substation, "EV-W3", "Charging")
    wait_power(third, 4.5, "it has its share")
    assert site.street.most_between_kw(site.name, 0, site.street.clock.now_s()) <= 9.0 + 1e-6


@pytest.mark.parametrize("fault", ["ignores-profiles", "rejects-profiles"])
def test_a_charger_that_does_not_obey_is_booked_at_its_rating_and_others_get_the_rest(site: Site, fault: str) -> None:
    set_capacity(site.substation, 30.0)
    wild = connected(site, "wild", Dialect16(), fault)
    tame = connected(site, "tame")
    wild.plug(Car(max_current_a=32), tag=f"EV-{fault[:7]}")
    tame.plug(Car(max_current_a=32), tag="EV-TAME")

    wait_until(
        lambda: metric(site.substation, "uncontrolled_power_kw") == pytest.approx(RATING_KW, abs=0.01),
        SETTLE_S,
        "it is booked at its rating",
    )
    wait_power(tame, 30.0 - RATING_KW, "the rest")
    assert charging_kw(site.street, site.name) <= 30.0
    shown = site.grid.gateway.call("GET", f"/chargers/{site.name}/{wild.name}").json()
    assert shown["obedience"] == fault.partition("-")[0]


def test_a_car_that_takes_less_leaves_its_share_to_others(site: Site) -> None:
    modest, hungry = connected(site, "modest"), connected(site, "hungry")
    modest.plug(Car(max_current_a=7), tag="EV-MODEST")
    hungry.plug(Car(max_current_a=32), tag="EV-HUNGRY")

    share_kw = 22.0 / 2
    wait_until(lambda: hungry.power_kw > share_kw + 2, SETTLE_S, "it gets more than half")
    assert modest.power_kw == pytest.approx(7 * 0.69)
    assert site.street.most_between_kw(site.name, 0, site.street.clock.now_s()) <= 22.0 + 1e-6


def test_a_charger_that_loses_its_network_goes_on_and_tells_of_it_later(site: Site) -> None:
    charger = connected(site, "one")
    charger.plug(Car(), tag="EV-OFF")
    wait_power(charger, CAR_KW, "it charges")
    charger.cut()
    charger.unplug()
    charger.plug(Car(), tag="EV-OFF2")  # offline: it lets in whom it does not know
    wait_until(lambda: charger.power_kw == pytest.approx(SAFE_KW), WAIT_S, "offline a new car has the safe current")
    assert session_of(site.substation, "EV-OFF")["ended_at"] is None

    charger.connect()
    first = wait_session(site.substation, "EV-OFF", "Idle")
    assert first["delivered_kwh"] == pytest.approx(register_energy_kwh(charger), abs=0.001)
    wait_session(site.substation, "EV-OFF2", "Charging")
    wait_power(charger, CAR_KW, "the second car has its share")
    charger.unplug()
    wait_session(site.substation, "EV-OFF2", "Idle")
    assert charger.charger.dropped_messages == 0
