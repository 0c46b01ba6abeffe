"""`smartgrid loadtest --scenario chargers` against a real grid with an edge."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grid import Grid

pytestmark = pytest.mark.timeout(400)

CAPACITIES_KW = [60.0, 60.0]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = tmp_path_factory.mktemp("grid")
    with Grid(folder, CAPACITIES_KW, gateways=1, edge={"registration": "open"}) as grid:
        yield grid


def test_cars_charge_within_the_capacities_and_their_energy_is_in_the_sessions(grid: Grid, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    edge = f"ws://127.0.0.1:{grid.edge.settings['ocpp_port']}"
    command = [sys.executable, "-m", "smartgrid", "loadtest", "--scenario", "chargers", "--chargers", "12"]
    options = ["--duration", "30", "--stay", "15", "--ramp-up", "2", "--faulty", "0", "--min-success-rate", "0.9"]
    where = ["--target", grid.gateway.url, "--edge", edge, "--output", str(output), "--max-over-kw", "0"]
    done = subprocess.run([*command, *options, *where], capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 chargers connected" in done.stdout
    assert "no capacity was exceeded at any moment" in done.stdout
    report = json.loads(output.read_text())
    assert report["cars"]["charged"] >= 12
    assert set(report["substations"]) == {"substation-0", "substation-1"}
    energy = report["energy"]
    assert energy["registers_kwh"] > 0
    assert energy["largest_difference_kwh"] <= 0.0011
    assert (energy["without_session"], energy["with_several"], energy["not_ended"]) == (0, 0, 0)
    assert report["first_limit_ms"]["median"] < 10_000


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("ws://127.0.0.1:1", "No edge answers at --edge ws://127.0.0.1:1:"),
        ("the gateway", "lets in no charger of the load test at substation-0"),
        ("wss", "No edge answers at --edge wss://"),
    ],
)
def test_without_an_edge_that_lets_them_in_it_does_not_begin(grid: Grid, wrong: str, sentence: str) -> None:
    port = grid.edge.settings["ocpp_port"]
    places = {"the gateway": grid.gateway.url.replace("http", "ws"), "wss": f"wss://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "smartgrid", "loadtest", "--scenario", "chargers", "--target", grid.gateway.url]
    asked = [*command, "--edge", places.get(wrong, wrong)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "capacity" not in done.stdout, "nothing was found out"
