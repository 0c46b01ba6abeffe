"""Recorded sessions, in our columns and in those of ACN-Data."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from smartgrid.simulation.trace import TraceError, compress, read_trace

OWN = "arrival_s,energy_kwh,max_power_kw,min_power_kw,departure_s\n"
ACN = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id\n"


def a_file(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_own_columns(tmp_path: Path) -> None:
    first, second = read_trace(a_file(tmp_path, OWN + "160,2,11,4.14,\n100,5,22,22,4000\n"))
    assert (first.arrival_s, first.request.departure_s, first.request.power.min_kw) == (0, 3900, 22)
    assert (second.arrival_s, second.request.departure_s, second.request.power.min_kw) == (60, None, 4.14)


def test_acn_columns(tmp_path: Path) -> None:
    rows = "2019-05-01 01:00:00-07:00,2019-05-01 02:00:00-07:00,60,5.5,A\n"
    later = "2019-05-01 01:10:00-07:00,2019-05-01 03:10:00-07:00,60,2.5,B\n"
    first, second = read_trace(a_file(tmp_path, ACN + later + rows))
    assert (first.arrival_s, first.request.departure_s, first.request.energy_kwh) == (0, 3600, 5.5)
    assert (second.arrival_s, second.request.departure_s) == (600, 7800)
    assert (first.request.power.min_kw, first.request.power.max_kw) == (1.38, 6.6)


def test_a_gzipped_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress((OWN + "0,2,11,11,\n").encode()))
    assert len(read_trace(path)) == 1


def test_rigid_overrides_the_minimums(tmp_path: Path) -> None:
    (car,) = read_trace(a_file(tmp_path, OWN + "0,2,11,4.14,\n"), flexible=False)
    assert car.request.power.min_kw == 11


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OWN + "0,nan,11,11,\n", "line 2: energy_kwh is 'nan', which is not a finite number"),
        (OWN + "0,5,11,12,\n", "line 2: min_power_kw .12. must be above 0 and not above max_power_kw .11."),
        (OWN + "9,5,11,11,9\n", "line 2: departure_s .9. must be after arrival_s .9."),
        (OWN + "0,-1,11,11,\n", "line 2: energy_kwh .-1. must not be negative"),
        (OWN + "0,5\n", "line 2: max_power_kw is '', which is not a finite number"),
        (OWN, "has no session that took energy"),
        ("a,b\n1,2\n", "has neither the columns arrival_s"),
        ("", "has neither the columns arrival_s"),
        (ACN + "yesterday,2019-05-01 02:00:00,1,1,A\n", "line 2: arrival is 'yesterday', which is not a time"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TraceError, match=problem):
        read_trace(a_file(tmp_path, text))


def test_compressed_until_the_busiest_hour_has_the_demand(tmp_path: Path) -> None:
    rows = "".join(f"{3600 * hour},10,11,11,{3600 * hour + 7200}\n" for hour in range(50))
    cars = compress(read_trace(a_file(tmp_path, OWN + rows)), demand=0.5, capacity_kw=200)
    per_hour = [sum(10 for other in cars if 0 <= other.arrival_s - car.arrival_s < 3600) for car in cars]
    assert max(per_hour) == 100
    assert cars[7].request.departure_s == pytest.approx(cars[7].arrival_s + 7200)
