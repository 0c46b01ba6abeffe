"""`smartgrid charger probe`, against a real edge with a charger on a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from smartgrid.cli.charger import command
from smartgrid.edge.limits.quirks import Table
from smartgrid.edge.ports import RateUnit
from support.grid import Grid
from support.hand_charger import HandCharger


def probe(grid: Grid, name: str, *more: str) -> Result:
    return CliRunner().invoke(command, ["probe", "substation-0", name, "--url", grid.edge.url, *more])


def takes_watts(asked: dict[str, Any]) -> dict[str, Any]:
    unit = asked["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"]
    return {"status": "Accepted" if unit == "W" else "Rejected"}


def test_it_prints_what_the_charger_takes_and_puts_its_quirks_into_a_file(edge_grid: Grid, tmp_path: Path) -> None:
    file = tmp_path / "quirks.json"
    file.write_text(json.dumps([{"name": "other", "model": "Other", "source": "kept"}]))
    with HandCharger(edge_grid.edge, "CP-watts") as charger:
        charger.boot()
        charger.status("Available")
        charger.answers["SetChargingProfile"] = takes_watts
        found = probe(edge_grid, "CP-watts", "--write", str(file))

    assert found.exit_code == 0, found.output
    assert "TxDefaultProfile of 6 A              Rejected" in found.output
    assert "TxDefaultProfile of 4140 W           Accepted" in found.output
    table = Table.load(file)
    assert (table.of("Test", "Hand").name, table.of("Test", "Hand").unit) == ("test-hand", RateUnit.WATTS)
    assert table.knows("other")


def test_a_charger_with_a_car_is_not_probed(edge_grid: Grid) -> None:
    with HandCharger(edge_grid.edge, "CP-busy") as charger:
        charger.boot()
        transaction_id = charger.start()
        charger.wait_limit(lambda limit: True, "its car has a limit, and so a session")
        found = probe(edge_grid, "CP-busy")
        charger.stop(transaction_id, 0)

    assert found.exit_code == 2
    assert "car" in found.output


def test_a_charger_that_is_away_is_not_probed(edge_grid: Grid) -> None:
    with HandCharger(edge_grid.edge, "CP-away") as charger:
        charger.boot()
        charger.status("Available")
    unknown, away = probe(edge_grid, "CP-nobody"), probe(edge_grid, "CP-away")

    assert (unknown.exit_code, away.exit_code) == (2, 2)
    assert "CP-nobody" in unknown.output
