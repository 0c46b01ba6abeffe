"""What brings nothing new costs little: a limit is looked at again only where a reading or an answer may change it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge.ports import Offers, OpenSession, RateUnit
from support.edge_fleet import LEASE_S, SUBSTATION, ScriptedLink, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def looks(world: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When connectors were looked at."""
    found: list[float] = []
    look = world.fleet.steering.look
    monkeypatch.setattr(world.fleet.steering, "look", lambda *about: (found.append(world.clock.now_s), look(*about))[1])
    return found


def charging(world: World) -> tuple[ScriptedLink, int]:
    """A car that may have 11 kW: 15.9 A of three phases at 230 V."""
    link = world.connect()
    transaction = world.start(link)
    world.offer(11.0)
    world.clock.run(2)
    link.profiles()
    return link, transaction


def read(world: World, link: ScriptedLink, transaction: int, wh: float, volts: float = 230.0) -> None:
    """A reading of 15.9 A."""
    watts = {"value": str(3 * 15.9 * volts), "measurand": "Power.Active.Import", "unit": "W"}
    others = [
        {"value": str(value), "measurand": measurand, "phase": f"L{phase}"}
        for measurand, value in (("Current.Import", 15.9), ("Voltage", volts))
        for phase in (1, 2, 3)
    ]
    moment = {"timestamp": world.time(), "sampledValue": [{"value": str(wh)}, watts, *others]}
    link.say("MeterValues", connectorId=1, transactionId=transaction, meterValue=[moment])


def test_a_reading_like_the_one_before_is_reported_and_no_more(world: World, looks: list[float]) -> None:
    link, transaction = charging(world)
    read(world, link, transaction, wh=2000)
    world.clock.run(2)
    looks.clear()
    read(world, link, transaction, wh=2100)
    assert looks == []
    assert world.grid.reports[-1].energy_kwh == pytest.approx(1.1)


def test_one_by_which_the_limit_would_draw_more_than_is_offered_lowers_it_at_once(world: World) -> None:
    link, transaction = charging(world)
    read(world, link, transaction, wh=2000)
    assert link.profiles() == []
    read(world, link, transaction, wh=2100, volts=245.0)
    assert [(kind, limit) for kind, limit, _ in link.profiles()] == [("TxProfile", 14.9)]


def test_a_unit_that_was_told_in_between_is_used_from_the_next_reading_on(world: World) -> None:
    link, transaction = charging(world)
    read(world, link, transaction, wh=2000)
    charger = world.fleet.roster.get(link.charger)
    assert charger is not None
    limit = charger.connectors[1].limit
    assert limit is not None
    limit.told_unit(RateUnit.WATTS)
    assert not link.profiles()
    read(world, link, transaction, wh=2100)
    (call,) = link.take("SetChargingProfile")
    assert call.payload["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"] == "W"


def tell(world: World, *sessions: OpenSession) -> None:
    """The substation answers with just these."""
    now_s = world.clock.now_s
    world.fleet.offered(Offers(SUBSTATION, 1, 99, now_s + LEASE_S, 100.0, 100.0, sessions, now_s))
    world.clock.run()


def told(world: World, link: ScriptedLink, **changes: Any) -> OpenSession:
    """Its session as it was told last, or with changes."""
    (found,) = world.fleet.roster.substation(SUBSTATION).sessions[link.charger.charger]
    return replace(found, **changes) if changes else found


def test_a_session_told_alike_again_is_passed_over_until_its_lease_is_clearly_longer(
    world: World, looks: list[float]
) -> None:
    link, _ = charging(world)
    looks.clear()
    tell(world, told(world, link))
    assert looks == []
    world.clock.run(59)
    looks.clear()
    tell(world, told(world, link))
    assert looks == [world.clock.now_s]


def test_one_that_has_changed_is_not(world: World) -> None:
    link, transaction = charging(world)
    tell(world, told(world, link))
    tell(world, told(world, link, offer_kw=7.0, number=world.last_number + 1))
    assert link.profiles() == [("TxProfile", 10.1, transaction)]


def test_nor_one_whose_charger_was_away_since(world: World) -> None:
    link, transaction = charging(world)
    session = told(world, link)
    world.clock.run(LEASE_S + 1)
    tell(world, session)
    back = world.connect()
    tell(world, session)
    assert back.profiles()[-1] == ("TxProfile", 15.9, transaction)
