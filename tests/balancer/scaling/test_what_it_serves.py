"""A balancer tells an autoscaler its numbers where it serves its metrics, in both forms that autoscalers read."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.scripted_grid import charge, scripted_grid
from support.grid import metric
from support.http import call
from support.ports import free_port
from support.processes import wait_until

pytestmark = pytest.mark.timeout(300)


def test_the_numbers_are_told_as_json_and_as_metrics(tmp_path: Path) -> None:
    with scripted_grid(tmp_path, ["substation-0", "substation-3"]) as grid:
        grid.prefer("substation-3")
        assert charge(grid.balancer, "key").status == 201  # one that takes 1 kW there, beside 50 kW elsewhere

        told = grid.balancer.call("GET", "/autoscaling")

        assert (told.status, told.json()) == (200, {"demand_kw": 51.0, "busy_floor": 4, "substations": 2})
        assert metric(grid.balancer, "smartgrid_demand_kw") == 51.0
        assert metric(grid.balancer, "smartgrid_busy_floor") == 4
        assert metric(grid.balancer, "substation_leaving", substation="substation-0") == 0


def test_they_are_on_the_port_of_the_metrics_and_not_on_the_port_of_the_api(tmp_path: Path) -> None:
    port = free_port()
    with scripted_grid(tmp_path, ["substation-0"], probe_port=port) as grid:
        assert grid.balancer.call("GET", "/autoscaling").status == 404
        wait_until(lambda: call("GET", f"http://127.0.0.1:{port}/autoscaling").status == 200, 60, "the numbers")
