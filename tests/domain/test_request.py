"""The floor of a request that names none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.request import default_min_power_kw


@pytest.mark.parametrize(
    ("max_power_kw", "floor_kw"),
    [
        (1.0, 1.0),  # never above what the car can take
        (1.38, 1.38),
        (3.7, 1.38),
        (7.4, 1.38),  # one phase at 6 A
        (7.5, 4.14),
        (11.0, 4.14),
        (22.0, 4.14),  # three phases at 6 A
        (22.1, 5.0),
        (50.0, 5.0),  # direct current
    ],
)
def test_the_floor_follows_the_phases_that_a_car_can_use(max_power_kw: float, floor_kw: float) -> None:
    assert default_min_power_kw(max_power_kw) == floor_kw


@given(st.floats(min_value=1e-300, max_value=500))
def test_the_floor_is_positive_and_never_above_the_maximum(max_power_kw: float) -> None:
    assert 0 < default_min_power_kw(max_power_kw) <= max_power_kw
