"""One car, from plug to unplug, in the order in which a good charger tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.edge_fleet import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_car_charges_from_plug_to_stop(world: World) -> None:
    link = world.connect(is_settled=False)
    assert link.say("BootNotification", chargePointVendor="V", chargePointModel="M")["status"] == "Accepted"
    world.offer()
    link.say("StatusNotification", connectorId=1, status="Preparing", errorCode="NoError", timestamp=world.time())
    assert link.profiles() == [("TxDefaultProfile", 6.0, None)]
    assert link.say("Authorize", idTag="TAG") == {"idTagInfo": {"status": "Accepted"}}

    transaction = world.start(link, meter=1000)
    (order,) = world.grid.starts
    assert (order.vehicle_id, order.connector, order.transaction_id) == ("TAG", 1, str(transaction))
    world.offer(11.0)
    assert link.profiles() == [("TxProfile", 15.9, transaction)]

    world.clock.run(60)
    world.value(link, transaction, wh=1180, w=10_900)
    assert world.last_report().energy_kwh == pytest.approx(0.18)
    assert world.last_report().power_kw == pytest.approx(10.9)

    assert world.stop(link, transaction, 2500, reason="EVDisconnected") == {}
    (end,) = world.grid.ends
    assert (end.session_id, end.energy_kwh, end.reason) == ("s1", 1.5, "EVDisconnected")
