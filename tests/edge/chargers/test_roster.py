"""Who is remembered of those that an open edge has let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.edge.chargers import roster
from smartgrid.edge.chargers.fleet import KEEP_EVERY_S
from smartgrid.edge.ports import ChargerId
from support.edge_fleet import SUBSTATION, ScriptedLink, World

TWICE_KEPT_S = 2 * KEEP_EVERY_S


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def stranger(world: World, name: str) -> ScriptedLink:
    """One that is not registered connects."""
    link = ScriptedLink(world, name)
    world.fleet.connected(link)
    world.clock.run(1)
    return link


def is_known(world: World, name: str) -> bool:
    return world.fleet.roster.get(ChargerId(SUBSTATION, name)) is not None


def test_a_stranger_that_has_gone_is_forgotten_once_its_profiles_are_over(world: World) -> None:
    world.fleet.disconnected(stranger(world, "X"))
    world.clock.run(roster.AWAY_S - TWICE_KEPT_S)
    assert is_known(world, "X")
    world.clock.run(2 * TWICE_KEPT_S)
    assert not is_known(world, "X")
    assert world.fleet.roster.substation(SUBSTATION).chargers == []


def test_of_many_strangers_that_have_gone_the_earliest_are_forgotten_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "MOST_STRANGERS", 2)
    for name in ("A", "B", "C"):
        world.fleet.disconnected(stranger(world, name))
    world.clock.run(TWICE_KEPT_S)
    assert [is_known(world, name) for name in ("A", "B", "C")] == [False, True, True]


def test_who_is_here_or_registered_or_has_a_car_is_not_forgotten(world: World) -> None:
    world.fleet.disconnected(world.connect("REGISTERED"))
    stranger(world, "HERE")
    link = stranger(world, "CAR")
    world.offer()
    world.clock.run(1)
    link.confirm_safe_currents()
    world.start(link)
    world.fleet.disconnected(link)
    world.clock.run(roster.AWAY_S + TWICE_KEPT_S)
    assert all(is_known(world, name) for name in ("REGISTERED", "HERE", "CAR"))


def test_a_stranger_that_comes_back_is_known_again(world: World) -> None:
    world.fleet.disconnected(stranger(world, "X"))
    world.clock.run(roster.AWAY_S + TWICE_KEPT_S)
    stranger(world, "X")
    assert is_known(world, "X")
