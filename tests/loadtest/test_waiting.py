"""A load test with cars that wait, against a real grid that has room for one car."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from smartgrid.cli import main
from smartgrid.workload.recorded import OWN_COLUMNS
from support.grid import PATIENT_BALANCER, Grid

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes
CHARGING_S = 6.0
RIGID_KW = 11.0

Report = dict[str, Any]


@pytest.fixture(scope="module")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with Grid(tmp_path_factory.mktemp("grid"), [RIGID_KW], gateways=1, **PATIENT_BALANCER) as grid:
        yield grid


@pytest.fixture
def two_cars(grid: Grid, tmp_path: Path) -> Callable[[str], Report]:
    """Two cars at once, of which each takes all the power for some seconds."""

    def run(wait_s: str) -> Report:
        trace, output = tmp_path / "trace.csv", tmp_path / "report.json"
        row = f"0,{RIGID_KW * CHARGING_S / 3600},{RIGID_KW},{RIGID_KW},"
        trace.write_text("\n".join([",".join(OWN_COLUMNS), row, row]))
        options = ["--scenario", "garage", "--trace", str(trace), "--speedup", "1", "--wait", wait_s]
        target = ["--target", grid.gateway.url, "--output", str(output)]
        done = CliRunner().invoke(main, ["loadtest", *options, *target])
        assert done.exit_code == 0, done.output
        report: Report = json.loads(output.read_text())
        return report

    return run


def test_the_car_that_finds_no_room_waits_for_the_other_and_starts(two_cars: Callable[[str], Report]) -> None:
    report = two_cars("120")
    assert report["requests"] == {"total": 2, "succeeded": 2, "rejected": 0, "failed": 0}
    waiting = report["waiting"]
    assert (waiting["waited"], waiting["started"], waiting["left"]) == (1, 1, 0)
    assert 0 < waiting["wait_s"]["max"] < 2 * CHARGING_S
    assert waiting["start_error_s"]["max"] is not None
    assert report["balance"]["load_percentage_sd"] == 0


def test_a_car_that_waits_in_vain_is_rejected(two_cars: Callable[[str], Report]) -> None:
    report = two_cars("1")
    assert report["requests"] == {"total": 2, "succeeded": 1, "rejected": 1, "failed": 0}
    assert (report["waiting"]["waited"], report["waiting"]["left"]) == (1, 1)
