"""The command as a user sees it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smartgrid.simulation.main import command

QUICK = ("--duration", "200", "--substations", "4", "--workers", "1")
MEASURES = {
    "accepted_kwh", "admitted", "utilisation", "load_percentage_sd", "load_percentage_max_deviation",
    "over_capacity_seconds", "shortfall_kwh", "decisions_per_second", "refused_with_room",
}  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_one_seed_gives_one_result() -> None:
    ran = run(*QUICK, "--policies", "least-loaded,polled", "--json")
    result = json.loads(ran.stdout)
    assert set(result) == {"settings", "optimum", "policies"}
    assert list(result["policies"]) == ["least-loaded", "polled"]
    assert set(result["policies"]["polled"]) >= MEASURES
    assert 0 < result["policies"]["least-loaded"]["accepted_kwh"] <= result["optimum"]["accepted_kwh"] + 1e-9


def test_several_seeds_give_runs_and_their_mean(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    ran = run(*QUICK, "--seeds", "3", "--json", str(path))
    result = json.loads(path.read_text())
    admitted = [one["policies"]["least-loaded"]["admitted"] for one in result["runs"]]
    assert len(admitted) == 3
    assert result["mean"]["policies"]["least-loaded"]["admitted"] == pytest.approx(math.fsum(admitted) / 3)
    assert "least-loaded" in ran.stdout
    assert "3 seeds" in ran.stdout


def test_a_trace_on_given_capacities(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("arrival_s,energy_kwh,max_power_kw,min_power_kw,departure_s\n0,5,11,11,\n60,5,11,11,\n")
    result = json.loads(run("--trace", str(trace), "--capacities", "12,12", "--json").stdout)
    assert result["policies"]["least-loaded"]["accepted_kwh"] == pytest.approx(10)
    assert result["settings"]["capacities_kw"] == [12, 12]


def test_the_decision_log_has_every_car(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    result = json.loads(run(*QUICK, "--decisions", str(path), "--json").stdout)
    with path.open(newline="") as file:
        cars = {row["car"] for row in csv.DictReader(file)}
    assert len(cars) == result["policies"]["least-loaded"]["cars"]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plot.{suffix}"
    assert run(*QUICK, "--seeds", "2", "--plot", str(path)).exit_code == 0
    assert path.stat().st_size > 1000


def test_rules_of_waiting_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    ran = run(*QUICK, "--demand", "1.3", "--wait", "none,fifo,backfill", "--seeds", "2", "--json", str(path))
    result = json.loads(path.read_text())
    assert [list(one["rules"]) for one in result["runs"]] == [["none", "fifo", "backfill"]] * 2
    assert result["settings"]["patience_s"] == 60
    assert result["mean"]["rules"]["fifo"]["mean_wait_s"] > result["mean"]["rules"]["none"]["mean_wait_s"] == 0
    lines = ran.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["rule", "none", "fifo", "backfill"]


def test_a_picture_of_waiting(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    assert run(*QUICK, "--demand", "1.3", "--wait", "all", "--plot", str(path)).exit_code == 0
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--wait", "longest"), "there is no rule 'longest'; choose from none, fifo, backfill"),
        (("--wait", "fifo", "--policies", "all"), "name one with --policies"),
        (("--wait", "fifo", "--decisions", "log.csv"), "--decisions goes without --wait"),
        (("--flexible-share", "0.5"), "--flexible-share goes with --flexible."),
        (("--demand", "nan"), "'nan' is not a finite number."),
        (("--demand", "-1"), "-1.0 is not in the range"),
        (("--mean-session", "inf"), "not"),
        (("--policies", "fastest"), "there is no policy 'fastest'"),
        (("--trace", "/nowhere.csv"), "/nowhere.csv does not exist."),
        (("--capacities", "100"), "--capacities goes with --trace"),
        (("--plot", "picture.gif"), "--plot writes .png or .svg, not '.gif'."),
        (("--json", "/nowhere/result.json"), "there is no folder /nowhere"),
        (("--duration", "10"), "The warm-up (120 s) must be shorter than the run (10 s)."),
        (("--substations", "100000", "--duration", "100000"), "shorten --duration"),
        (("--substations", "two"), "'two' is not a valid integer range."),
    ],
)
def test_a_bad_value_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_rows_of_a_trace_that_are_skipped_are_told(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("arrival_s,energy_kwh,max_power_kw,min_power_kw,departure_s\n0,5,11,11,\n60,much,11,11,\n")
    ran = run("--trace", str(trace), "--no-optimum", "--json")
    assert "1 row skipped (1 x energy_kwh is not a number, in line 3)." in ran.stderr
    assert json.loads(ran.stdout)["policies"]["least-loaded"]["cars"] == 1
