"""Recorded sessions in the columns of ACN-Data: what is read, what is skipped, what is refused."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.loadtest.cars import Car
from smartgrid.loadtest.traces import TracedSession, TraceError, describe_skipped, read_trace, trace_of

HEADER = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure,claimed"
)
ROW = "2019-05-01 08:00:00-07:00,2019-05-01 10:00:00-07:00,21.5,9.25,CA-1,2_39_1,2019-05-01 11:00:00-07:00,True"
COLUMN_NAMES = HEADER.split(",")


@pytest.fixture
def trace_file(tmp_path: Path) -> Callable[..., Path]:
    def _write(*lines: str, name: str = "trace.csv") -> Path:
        path = tmp_path / name
        text = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return _write


def row(
    arrival: str = "2019-05-01 08:00:00-07:00", departure: str = "2019-05-01 10:00:00-07:00", energy: str = "9.25"
) -> dict[str, str]:
    return {
        "arrival": arrival,
        "departure": departure,
        "requested_energy (kWh)": "20",
        "delivered_energy (kWh)": energy,
    }


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_session_is_its_arrival_parked_time_and_delivered_energy(trace_file: Callable[..., Path], name: str) -> None:
    (session,) = read_trace(trace_file(HEADER, ROW, name=name)).sessions
    assert session == TracedSession(datetime(2019, 5, 1, 15, tzinfo=UTC), 7200, Car("ACN-0", 9.25, 6.6))


def test_sessions_are_put_in_order_of_arrival() -> None:
    late, early = row("2019-05-02 09:00:00-07:00", "2019-05-02 10:00:00-07:00"), row()
    assert [session.car.vehicle_id for session in trace_of([late, early]).sessions] == ["ACN-1", "ACN-0"]


def test_offsets_count_across_the_end_of_summer_time() -> None:
    before, after = (
        row("2019-11-03 01:30:00-07:00", "2019-11-03 05:00:00-08:00"),
        row("2019-11-03 01:30:00-08:00", "2019-11-03 05:00:00-08:00"),
    )
    first, second = trace_of([before, after]).sessions
    assert second.arrival - first.arrival == timedelta(hours=1)
    assert first.parked_s - second.parked_s == 3600


def test_a_time_without_offset_is_taken_as_utc() -> None:
    (session,) = trace_of([row("2019-05-01 08:00:00", "2019-05-01 09:00:00")]).sessions
    assert session.arrival == datetime(2019, 5, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bad_row", "reason"),
    [
        (row(departure="2019-05-01 07:00:00-07:00"), "departure not after arrival"),
        (row(departure="2019-05-01 08:00:00-07:00"), "departure not after arrival"),
        (row(arrival="yesterday"), "arrival is not a time"),
        (row(departure=""), "departure is not a time"),
        (row(energy="0"), "no energy delivered"),
        (row(energy="-3"), "no energy delivered"),
        (row(energy="nan"), "no energy delivered"),
        (row(energy="inf"), "no energy delivered"),
        (row(energy=""), "delivered energy is not a number"),
        (row(energy="much"), "delivered energy is not a number"),
        (row(energy="500.1"), "more than 500 kWh"),
    ],
)
def test_an_unusable_row_is_skipped_with_its_reason(bad_row: dict[str, str], reason: str) -> None:
    trace = trace_of([row(), bad_row, row()])
    assert len(trace.sessions) == 2
    assert trace.skipped == {reason: 1}


def test_a_row_that_is_too_short_is_skipped(trace_file: Callable[..., Path]) -> None:
    trace = read_trace(trace_file(HEADER, ROW, "2019-05-01 08:00:00-07:00"))
    assert (len(trace.sessions), trace.skipped) == (1, {"departure is not a time": 1})


@given(st.lists(st.fixed_dictionaries({name: st.none() | st.text() for name in COLUMN_NAMES[:4]}), max_size=10))
@settings(max_examples=40)
def test_every_row_is_either_a_session_or_skipped(rows: list[dict[str, str | None]]) -> None:
    trace = trace_of(rows)
    assert len(trace.sessions) + sum(trace.skipped.values()) == len(rows)


def test_skipped_rows_are_counted_by_reason() -> None:
    assert describe_skipped({}) == ""
    assert describe_skipped({"no energy delivered": 1}) == "1 row skipped (1 x no energy delivered)"
    both = describe_skipped({"no energy delivered": 2, "arrival is not a time": 1})
    assert both == "3 rows skipped (1 x arrival is not a time, 2 x no energy delivered)"


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"Trace file .*none.csv does not exist\.$"):
        read_trace(tmp_path / "none.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"cannot be read: Is a directory\.$"):
        read_trace(tmp_path)


def test_an_empty_file_is_refused(trace_file: Callable[..., Path]) -> None:
    with pytest.raises(TraceError, match=r"is empty; it needs a header row with the columns arrival, departure"):
        read_trace(trace_file())


def test_a_header_alone_is_refused(trace_file: Callable[..., Path]) -> None:
    with pytest.raises(TraceError, match=r"has no usable session: no rows\.$"):
        read_trace(trace_file(HEADER))


def test_a_file_of_unusable_rows_only_is_refused_with_the_reason(trace_file: Callable[..., Path]) -> None:
    with pytest.raises(TraceError, match=r"has no usable session: 1 row skipped \(1 x no energy delivered\)\.$"):
        read_trace(trace_file(HEADER, ROW.replace("9.25", "0")))


def test_missing_columns_are_named(trace_file: Callable[..., Path]) -> None:
    with pytest.raises(TraceError, match=r"has no column 'departure' and no column 'delivered_energy \(kWh\)'\.$"):
        read_trace(trace_file("arrival,requested_energy (kWh)", "2019-05-01 08:00:00-07:00,3"))


def test_a_gz_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_text(f"{HEADER}\n{ROW}\n")
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_trace(path)


@pytest.mark.parametrize("cut", [30, 100])
def test_a_gzip_file_that_breaks_off_is_refused(trace_file: Callable[..., Path], cut: int) -> None:
    path = trace_file(HEADER, *[ROW] * 50, name="trace.csv.gz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_trace(path)


def test_a_damaged_gzip_file_is_refused(trace_file: Callable[..., Path]) -> None:
    path = trace_file(HEADER, *[ROW] * 50, name="trace.csv.gz")
    whole = bytearray(path.read_bytes())
    whole[20:40] = b"\xff" * 20
    path.write_bytes(whole)
    with pytest.raises(TraceError, match=r"is named \.gz but is not a whole gzip file\.$"):
        read_trace(path)


def test_a_gzip_file_under_another_name_is_refused_with_a_hint(trace_file: Callable[..., Path]) -> None:
    path = trace_file(HEADER, ROW, name="trace.csv.gz").rename
    with pytest.raises(TraceError, match=r"is it a gzip file without \.gz in its name\?$"):
        read_trace(path(Path(str(path.__self__)).with_suffix("")))


def test_nul_bytes_are_refused_or_skipped_without_a_crash(trace_file: Callable[..., Path]) -> None:
    assert read_trace(trace_file(HEADER, ROW, "\0" * 30)).skipped == {"arrival is not a time": 1}
