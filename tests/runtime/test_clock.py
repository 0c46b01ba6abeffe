"""The clock that substations charge by."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from smartgrid.runtime.clock import GridClock, rfc3339


def test_without_scale_it_is_the_time_of_day() -> None:
    before, shown, after = time.time(), GridClock().now_s(), time.time()
    assert before - 1 < shown < after + 1


def test_with_a_scale_it_runs_faster() -> None:
    clock = GridClock(60)
    before = clock.now_s()
    time.sleep(0.05)
    assert clock.now_s() - before >= 0.05 * 60 * 0.99


def test_it_goes_on_where_it_was_in_another_process() -> None:
    assert GridClock(60).now_s() <= GridClock(60).now_s() + 60


@pytest.mark.parametrize("time_scale", [0.001, 1, 60, 100_000])
def test_there_and_back_is_the_same_time(time_scale: float) -> None:
    clock = GridClock(time_scale)
    assert clock.to_wall_s(clock.to_grid_s(1.8e9)) == pytest.approx(1.8e9, abs=1e-6)


@pytest.mark.parametrize(
    ("wall_s", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.25, "2027-01-15T08:00:00.250Z"),
        (253_402_300_799, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_shown_in_utc(wall_s: float, text: str) -> None:
    assert rfc3339(wall_s) == text
    assert datetime.fromisoformat(text).astimezone(UTC).timestamp() == wall_s
