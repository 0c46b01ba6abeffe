"""Diagnostics of a charger: the profiles that may stand at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge.ports import ChargerId
from support.edge_fleet import LEASE_S, ScriptedLink, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def charging(world: World) -> ScriptedLink:
    """A car that charges with 11 kW, its limit confirmed."""
    link = world.connect()
    world.offer()
    world.status(link, "Charging")
    world.start(link)
    world.offer(11.0)
    link.profiles()
    world.clock.run(2)
    link.profiles()
    return link


def shown(world: World, link: ScriptedLink, purpose: str) -> list[dict[str, Any]]:
    return [each for each in world.fleet.profiles(link.charger) if each["purpose"] == purpose]


def test_the_limit_of_the_car_is_shown_with_its_end(world: World) -> None:
    link = charging(world)

    (limit,) = shown(world, link, "TxProfile")

    assert (limit["connector"], limit["limit"], limit["unit"], limit["confirmed"]) == (1, 15.9, "A", True)
    assert 0 < limit["ends_in_s"] <= LEASE_S


def test_the_safe_current_is_shown_and_has_no_end(world: World) -> None:
    link = charging(world)

    (safe,) = shown(world, link, "TxDefaultProfile")

    assert (safe["connector"], safe["unit"], safe["ends_in_s"], safe["then_limit"]) == (1, "A", None, None)
    assert safe["confirmed"] is True


def test_one_without_an_answer_is_shown_beside_the_one_that_is_confirmed(world: World) -> None:
    link = charging(world)
    world.offer(5.0)

    limits = shown(world, link, "TxProfile")

    assert [(each["limit"], each["confirmed"]) for each in limits] == [(15.9, True), (7.2, False)]


def test_one_that_has_run_out_is_not_shown(world: World) -> None:
    link = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(2 * LEASE_S)

    assert shown(world, link, "TxProfile") == []


def test_a_charger_that_is_not_known_has_none(world: World) -> None:
    assert world.fleet.profiles(ChargerId("substation-0", "nobody")) == []
