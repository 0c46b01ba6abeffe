"""Axes of the charts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.loadtest.scales import linear_scale, log_scale, tick_label

SIZES = st.floats(0, 1e9)


@given(SIZES)
def test_a_linear_axis_holds_zero_and_the_largest_value(largest: float) -> None:
    scale = linear_scale(largest)
    assert scale.position(0) == 0
    assert 0 <= scale.position(largest) <= 1 + 1e-9
    assert 2 <= len(scale.ticks) <= 7


@given(st.lists(SIZES, min_size=1))
def test_a_log_axis_holds_all_values_in_order(values: list[float]) -> None:
    scale = log_scale(min(values), max(values))
    positions = [scale.position(value) for value in sorted(values)]
    assert positions == sorted(positions)
    assert positions[0] >= 0
    assert positions[-1] <= 1 + 1e-9


def test_ticks_are_round() -> None:
    assert linear_scale(87).ticks == [0, 20, 40, 60, 80, 100]
    assert log_scale(3, 130).ticks == pytest.approx([2, 5, 10, 20, 50, 100, 200])


@pytest.mark.parametrize(("value", "label"), [(0, "0"), (0.5, "0.5"), (20, "20"), (50_000, "50,000")])
def test_tick_labels(value: float, label: str) -> None:
    assert tick_label(value) == label
