"""The clock that substations charge by."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.runtime.clock import FOLLOW_RATE, GridClock, TimeScale, rfc3339

BOOT_S, START_S = 1000.0, 1_800_000_000.0


class Machine:
    """A machine whose time of day can be set."""

    def __init__(self, monotonic_s: float = BOOT_S) -> None:
        self.monotonic_s, self.time_of_day_s = monotonic_s, START_S

    def clock(self, time_scale: float = 1.0) -> GridClock:
        """The clock of a process that starts now."""
        return GridClock(time_scale, time_of_day_s=lambda: self.time_of_day_s, monotonic_s=lambda: self.monotonic_s)

    def pass_s(self, duration_s: float) -> None:
        self.monotonic_s += duration_s
        self.time_of_day_s += duration_s


def test_without_scale_it_is_the_time_of_day() -> None:
    before, shown, after = time.time(), GridClock().now_s(), time.time()
    assert before - 1 < shown < after + 1


def test_with_a_scale_it_runs_faster() -> None:
    machine = Machine()
    clock = machine.clock(60)
    before = clock.now_s()
    machine.pass_s(2)
    assert clock.now_s() - before == 120


def test_it_goes_on_where_it_was_in_another_process() -> None:
    """Also after the machine has started anew and its monotonic clock with it."""
    before = Machine(monotonic_s=50_000)
    shown_s = before.clock(60).now_s()
    after = Machine(monotonic_s=3)
    after.pass_s(10)
    assert after.clock(60).now_s() == shown_s + 600


def test_a_step_forward_is_followed_slowly() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.time_of_day_s += 60
    shown_s = []
    for _ in range(4):
        machine.pass_s(100)
        shown_s.append(clock.wall_s() - machine.time_of_day_s)
    assert shown_s == pytest.approx([-40, -20, 0, 0], abs=1e-6)


def test_a_step_back_is_followed_slowly_too() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.time_of_day_s -= 3600
    machine.pass_s(9000)
    assert clock.wall_s() - machine.time_of_day_s == pytest.approx(3600 - 9000 * FOLLOW_RATE)
    machine.pass_s(9000 + 1)
    assert clock.wall_s() == pytest.approx(machine.time_of_day_s)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-1e6, 1e6)), max_size=20))
def test_it_never_goes_back_and_never_runs_much_faster(changes: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    before_s = clock.wall_s()
    for pause_s, step_s in changes:
        machine.pass_s(pause_s)
        machine.time_of_day_s += step_s
        shown_s = clock.wall_s()
        most_s = pause_s * (1 + FOLLOW_RATE)
        assert before_s <= shown_s <= before_s + most_s + 1e-6
        before_s = shown_s


@pytest.mark.parametrize("time_scale", [0.001, 1, 60, 100_000])
def test_there_and_back_is_the_same_time(time_scale: float) -> None:
    scale = TimeScale(time_scale)
    assert scale.to_wall_s(scale.to_grid_s(1.8e9)) == pytest.approx(1.8e9, abs=1e-6)


@given(st.floats(1e9, 2e9), st.sampled_from([0.001, 0.3, 1, 7.3, 60, 600, 99_999]))
def test_the_first_wall_time_is_not_before_and_the_one_before_it_is(wall_s: float, time_scale: float) -> None:
    scale = TimeScale(time_scale)
    grid_s = math.nextafter(scale.to_grid_s(wall_s), math.inf)
    first_s = scale.first_wall_s(grid_s)
    assert scale.to_grid_s(math.nextafter(first_s, 0)) < grid_s <= scale.to_grid_s(first_s)
    assert first_s - wall_s < 1e-6


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
