"""`smartgrid charger probe`, run as a person runs it, at a charger on a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.hand_charger import HandCharger
from support.ports import free_port
from support.processes import Process

REJECTED, ACCEPTED = {"status": "Rejected"}, {"status": "Accepted"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(
        "edge",
        tmp_path_factory.mktemp("edge"),
        ocpp_port=free_port(),
        substations="substation-0=http://127.0.0.1:1",
        registration="open",
    ) as edge:
        yield edge


def probe(edge: Process, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smartgrid", "charger", "probe", *options, "--url", edge.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def only_watts(asked: dict[str, Any]) -> dict[str, Any]:
    return ACCEPTED if asked["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"] == "W" else REJECTED


def test_a_charger_that_takes_only_watts_is_written_down_as_such(edge: Process, tmp_path: Path):
    table = tmp_path / "quirks.json"
    with HandCharger(edge) as charger:
        charger.boot()
        charger.answers["SetChargingProfile"] = only_watts

        done = probe(edge, "substation-0", "CP1", "--write", str(table))

    assert done.returncode == 0, done.stderr
    assert "TxDefaultProfile of 6 A" in done.stdout
    (entry,) = json.loads(table.read_text())
    assert (entry["vendor"], entry["model"], entry["unit"]) == ("Test", "Hand", "W")


def test_one_that_is_not_connected_cannot_be_probed(edge: Process):
    with HandCharger(edge, "CP-left") as charger:
        charger.boot()

    done = probe(edge, "substation-0", "CP-left")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_one_that_nobody_knows_is_said_so_in_a_sentence(edge: Process):
    done = probe(edge, "substation-0", "nobody")

    assert done.returncode == 2
    assert done.stderr == "Error: There is no charger nobody at substation-0\n"
