"""Chargers with the faults that real ones have: each charges a car, and no energy is lost, whatever it says."""

from __future__ import annotations

import pytest

from edge.end_to_end.chargers import SETTLE_S, WAIT_S, register_energy_kwh, wait_session
from edge.end_to_end.conftest import Site
from smartgrid.chargersim.behaviour import behaving
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)


def tag_of(fault: str, dialect: type[Dialect16] | type[Dialect201]) -> str:
    return f"{dialect.__name__[7:]}-{fault}"[:20]


FAULTS = (
    "no-power-meter",
    "no-phase-meters",
    "watts-only",
    "amperes-only",
    "one-stack-level",
    "no-authorize",
    "never-boots",
    "clock-of-1970",
    "clock-behind",
    "clock-ahead",
    "two-sockets",
    "zero-volt-phases",
    "repeats-messages",
    "garbage",
    "starts-at-plug",
)


@pytest.mark.parametrize("dialect", [Dialect16, Dialect201])
def test_a_charger_with_any_fault_charges_its_car_to_the_last_watt_hour(
    site: Site, dialect: type[Dialect16] | type[Dialect201]
) -> None:
    assert site.substation.call("PUT", "/capacity", json={"capacity_kw": 200}).status == 200
    chargers = {
        fault: site.street.add(site.name, f"{fault}-{dialect.__name__}", dialect(), behaving([fault]))
        for fault in FAULTS
    }
    for fault, charger in chargers.items():
        wait_until(lambda each=charger: each.is_connected, WAIT_S, f"{fault} is connected")  # type: ignore[misc]
        charger.plug(Car(), tag=tag_of(fault, dialect))
    for fault, charger in chargers.items():
        wait_until(
            lambda each=charger: each.register_kwh() > 0.03,  # type: ignore[misc]
            SETTLE_S,
            f"{fault} has charged",
        )
    for charger in chargers.values():
        charger.unplug()
    for fault, charger in chargers.items():
        session = wait_session(site.substation, tag_of(fault, dialect), "Idle")
        off_wh = round(1000 * (session["delivered_kwh"] - register_energy_kwh(charger)))
        assert abs(off_wh) <= 1, fault  # in whole Wh, as 0.099 - 0.098 is more than 0.001
        assert charger.charger.dropped_messages == 0, fault
    assert site.street.most_between_kw(site.name, 0, site.street.clock.now_s()) <= 200


@pytest.mark.parametrize("fault", ["offline-id-minus-one", "offline-id-zero"])
def test_a_transaction_without_an_id_of_its_own_is_booked_all_the_same(site: Site, fault: str) -> None:
    charger = site.street.add(site.name, fault, Dialect16(), behaving([fault]), connects=False)  # nobody has set it up
    charger.plug(Car(), tag=fault[:20])
    wait_until(lambda: charger.register_kwh() > 0.01, WAIT_S, "it has charged offline")
    charger.unplug()

    charger.connect()
    session = wait_session(site.substation, fault[:20], "Idle")
    assert session["delivered_kwh"] == pytest.approx(register_energy_kwh(charger), abs=0.001)
