"""Who is let in: a charger that nobody has registered, or with another's key, is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.end_to_end.chargers import WAIT_S, street_of
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Street
from support.grid import Grid
from support.processes import wait_until

KEY = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder: Path = tmp_path_factory.mktemp("closed")
    with Grid(folder, [22.0], gateways=1, edge={"registration": "closed"}) as grid:
        registered = {"connectors": [{"phases": 3, "rating_a": 32}], "security_profile": 1, "key": KEY}
        reply = grid.gateway.call("PUT", "/chargers/substation-0/known", json=registered)
        assert reply.status in (200, 201), reply.body
        yield grid


@pytest.fixture
def street(grid: Grid) -> Iterator[Street]:
    with street_of(grid) as street:
        yield street


def test_a_registered_charger_with_its_key_is_let_in(street: Street) -> None:
    charger = street.add("substation-0", "known", Dialect16(), key=KEY.encode())

    wait_until(lambda: charger.is_connected, WAIT_S, "it is connected")


def test_a_wrong_key_is_401(street: Street) -> None:
    charger = street.add("substation-0", "known", Dialect16(), key=b"another-key-entirely")

    wait_until(lambda: bool(charger.line.refusals), WAIT_S, "it is refused")
    assert set(charger.line.refusals) == {401}


@pytest.mark.parametrize(("substation", "name"), [("substation-0", "stranger"), ("nowhere", "known")])
def test_a_charger_that_nobody_knows_is_404(street: Street, substation: str, name: str) -> None:
    charger = street.add(substation, name, Dialect16(), key=KEY.encode())

    wait_until(lambda: bool(charger.line.refusals), WAIT_S, "it is refused")
    assert set(charger.line.refusals) == {404}
