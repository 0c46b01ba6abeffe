"""Recorded sessions, in our columns and in those of ACN-Data: what is read, what is skipped, what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smartgrid.workload.recorded import Recorded, compressed, describe_skipped, read_sessions, sped_up
from smartgrid.workload.trace_file import TraceError

OWN = "arrival_s,energy_kwh,max_power_kw,min_power_kw,departure_s"
ACN = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id"
ACN_ROW = "2019-05-01 08:00:00-07:00,2019-05-01 10:00:00-07:00,21.5,9.25,CA-1"

WriteTrace = Callable[..., Path]


@pytest.fixture
def trace_file(tmp_path: Path) -> WriteTrace:
    def _write(*lines: str, name: str = "trace.csv") -> Path:
        path = tmp_path / name
        text = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return _write


def acn_row(
    arrival: str = "2019-05-01 08:00:00-07:00", departure: str = "2019-05-01 10:00:00-07:00", energy: str = "9.25"
) -> str:
    return f"{arrival},{departure},20,{energy},CA-1"


def test_our_columns(trace_file: WriteTrace) -> None:
    first, second = read_sessions(trace_file(OWN, "160,2,11,4.14,", "100,5,22,22,4000")).cars
    assert (first.arrival_s, first.request.departure_s, first.request.power.min_kw) == (0, 3900, 22)
    assert (second.arrival_s, second.request.departure_s, second.request.power.min_kw) == (60, None, 4.14)


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_session_of_acn_data_is_its_arrival_stay_and_delivered_energy(trace_file: WriteTrace, name: str) -> None:
    (car,) = read_sessions(trace_file(ACN, ACN_ROW, name=name)).cars
    assert (car.arrival_s, car.stay_s, car.request.energy_kwh) == (0, 7200, 9.25)
    assert (car.request.power.min_kw, car.request.power.max_kw) == (1.38, 6.6)


def test_sessions_are_put_in_order_of_arrival_and_begin_at_0(trace_file: WriteTrace) -> None:
    late = acn_row("2019-05-02 09:00:00-07:00", "2019-05-02 10:00:00-07:00", "1")
    cars = read_sessions(trace_file(ACN, late, acn_row())).cars
    assert [(car.arrival_s, car.request.energy_kwh) for car in cars] == [(0, 9.25), (25 * 3600, 1)]


def test_offsets_count_across_the_end_of_summer_time(trace_file: WriteTrace) -> None:
    before = acn_row("2019-11-03 01:30:00-07:00", "2019-11-03 05:00:00-08:00")
    after = acn_row("2019-11-03 01:30:00-08:00", "2019-11-03 05:00:00-08:00")
    first, second = read_sessions(trace_file(ACN, before, after)).cars
    assert second.arrival_s - first.arrival_s == 3600
    assert (first.stay_s, second.stay_s) == (16200, 12600)


def test_a_time_without_offset_is_taken_as_utc(trace_file: WriteTrace) -> None:
    without = acn_row("2019-05-01 08:00:00", "2019-05-01 09:00:00")
    (_, car) = read_sessions(trace_file(ACN, without, acn_row("2019-05-01 08:00:00-01:00"))).cars
    assert car.arrival_s == 3600


@pytest.mark.parametrize(("flexible", "min_kw"), [(None, 3), (True, 4.14), (False, 11)])
def test_the_minimums_can_be_overridden(trace_file: WriteTrace, flexible: bool | None, min_kw: float) -> None:
    (car,) = read_sessions(trace_file(OWN, "0,2,11,3,"), flexible).cars
    assert car.request.power.min_kw == min_kw


@pytest.mark.parametrize(
    ("bad_row", "reason"),
    [
        (acn_row(departure="2019-05-01 07:00:00-07:00"), "departure not after arrival"),
        (acn_row(departure="2019-05-01 08:00:00-07:00"), "departure not after arrival"),
        (acn_row(arrival="yesterday"), "arrival is not a time"),
        (acn_row(departure=""), "departure is not a time"),
        (acn_row(energy="0"), "no energy"),
        (acn_row(energy="-3"), "no energy"),
        (acn_row(energy="nan"), "delivered_energy (kWh) is not a number"),
        (acn_row(energy="much"), "delivered_energy (kWh) is not a number"),
        (acn_row(energy="500.1"), "more than 500 kWh"),
        ("2019-05-01 08:00:00-07:00", "departure is not a time"),
        ("\0" * 30, "arrival is not a time"),
    ],
)
def test_an_unusable_row_is_skipped_with_its_reason_and_line(trace_file: WriteTrace, bad_row: str, reason: str) -> None:
    recorded = read_sessions(trace_file(ACN, ACN_ROW, bad_row, ACN_ROW))
    assert (len(recorded.cars), recorded.skipped) == (2, {reason: [3]})


@pytest.mark.parametrize(
    ("bad_row", "reason"),
    [
        ("0,nan,11,11,", "energy_kwh is not a number"),
        ("0,5,11,12,", "min_power_kw not above 0, or above max_power_kw"),
        ("0,5,11,0,", "min_power_kw not above 0, or above max_power_kw"),
        ("9,5,11,11,9", "departure not after arrival"),
        ("9,5,11,11,inf", "departure_s is not a number"),
        ("0,5", "max_power_kw is not a number"),
    ],
)
def test_so_is_one_in_our_columns(trace_file: WriteTrace, bad_row: str, reason: str) -> None:
    assert read_sessions(trace_file(OWN, bad_row, "0,5,11,11,")).skipped == {reason: [2]}


CELLS = st.text(alphabet=st.characters(exclude_characters='",\r\n\0', codec="utf-8")) | st.sampled_from(
    ["2019-05-01 08:00", "2019-05-01 09:00", "5"]
)


@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=10))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_either_a_session_or_skipped(trace_file: WriteTrace, rows: list[list[str]]) -> None:
    rows = [[f"x{row[0]}", *row[1:]] for row in rows]  # an empty line is no row
    recorded = read_sessions(trace_file(ACN, ACN_ROW, *(",".join(row) for row in rows)))
    assert len(recorded.cars) + sum(map(len, recorded.skipped.values())) == 1 + len(rows)


def test_skipped_rows_are_counted_by_reason_with_the_first_line() -> None:
    assert describe_skipped(Recorded([], {})) == ""
    assert describe_skipped(Recorded([], {"no energy": [4]})) == "1 row skipped (1 x no energy, in line 4)"
    both = describe_skipped(Recorded([], {"no energy": [4, 9], "arrival is not a time": [5]}))
    assert both == "3 rows skipped (1 x arrival is not a time, in line 5, 2 x no energy, first in line 4)"


def test_a_replay_divides_arrivals_and_stays_alike(trace_file: WriteTrace) -> None:
    cars = sped_up(read_sessions(trace_file(OWN, "0,2,11,11,7200", "3600,2,11,11,")).cars, 60)
    assert [(car.arrival_s, car.stay_s) for car in cars] == [(0, 120), (60, None)]


def test_compressed_until_the_busiest_hour_has_the_demand(trace_file: WriteTrace) -> None:
    rows = [f"{3600 * hour},10,11,11,{3600 * hour + 7200}" for hour in range(50)]
    cars = compressed(read_sessions(trace_file(OWN, *rows)).cars, demand=0.5, capacity_kw=200)
    per_hour = [sum(10 for other in cars if 0 <= other.arrival_s - car.arrival_s < 3600) for car in cars]
    assert max(per_hour) == 100
    assert cars[7].stay_s == pytest.approx(7200)


def test_a_trace_with_too_little_energy_for_the_demand_is_refused(trace_file: WriteTrace) -> None:
    with pytest.raises(TraceError, match="together ask for less than 100 kWh"):
        compressed(read_sessions(trace_file(OWN, "0,2,11,11,")).cars, demand=1, capacity_kw=100)


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"Trace file .*none.csv does not exist\.$"):
        read_sessions(tmp_path / "none.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"cannot be read: Is a directory\.$"):
        read_sessions(tmp_path)


def test_a_header_alone_is_refused(trace_file: WriteTrace) -> None:
    with pytest.raises(TraceError, match=r"has no usable session: no rows\.$"):
        read_sessions(trace_file(ACN))


def test_a_file_of_unusable_rows_only_is_refused_with_the_reason(trace_file: WriteTrace) -> None:
    with pytest.raises(TraceError, match=r"has no usable session: 1 row skipped \(1 x no energy, in line 2\)\.$"):
        read_sessions(trace_file(ACN, acn_row(energy="0")))


@pytest.mark.parametrize("lines", [(), ("a,b", "1,2"), ("arrival,requested_energy (kWh)", "2019-05-01 08:00,3")])
def test_the_columns_that_are_needed_are_named(trace_file: WriteTrace, lines: tuple[str, ...]) -> None:
    with pytest.raises(TraceError, match=r"has neither the columns arrival_s, .* nor those of ACN-Data"):
        read_sessions(trace_file(*lines))


def test_a_gz_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_text(f"{ACN}\n{ACN_ROW}\n")
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_sessions(path)


@pytest.mark.parametrize("cut", [30, 100])
def test_a_gzip_file_that_breaks_off_is_refused(trace_file: WriteTrace, cut: int) -> None:
    path = trace_file(ACN, *[ACN_ROW] * 50, name="trace.csv.gz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_sessions(path)


def test_a_damaged_gzip_file_is_refused(trace_file: WriteTrace) -> None:
    path = trace_file(ACN, *[ACN_ROW] * 50, name="trace.csv.gz")
    whole = bytearray(path.read_bytes())
    whole[20:40] = b"\xff" * 20
    path.write_bytes(whole)
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_sessions(path)


def test_a_gzip_file_under_another_name_is_refused_with_a_hint(trace_file: WriteTrace, tmp_path: Path) -> None:
    path = trace_file(ACN, ACN_ROW, name="trace.csv.gz").rename(tmp_path / "renamed.csv")
    with pytest.raises(TraceError, match=r"is it a gzip file without \.gz in its name\?$"):
        read_sessions(path)
