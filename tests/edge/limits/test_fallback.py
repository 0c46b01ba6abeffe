"""Safe currents: what all connectors of a substation may draw together when nobody tells them anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.limits.fallback import plan
from smartgrid.edge.ports import ConnectorSpec

THREE, ONE, SMALL = ConnectorSpec(3, 32), ConnectorSpec(1, 32), ConnectorSpec(3, 5)


def test_each_gets_6_a_in_order_while_that_fits() -> None:
    assert plan([THREE, THREE, THREE], 8.28) == [6, 6, 0]


def test_a_sum_that_just_fits_fits() -> None:
    assert plan([THREE] * 10, 41.4) == [6] * 10


def test_a_connector_whose_safe_current_does_not_fit_keeps_none_after_it_from_a_smaller_one() -> None:
    assert plan([THREE, THREE, ONE], 6.0) == [6, 0, 6]


def test_a_connector_that_cannot_give_6_a_has_no_safe_current() -> None:
    assert plan([SMALL, THREE], 100) == [0, 6]


@given(
    specs=st.lists(st.builds(ConnectorSpec, st.integers(1, 3), st.floats(6, 100)), max_size=20),
    firm_kw=st.floats(0, 100),
)
def test_together_they_never_draw_more_than_the_firm_capacity(specs: list[ConnectorSpec], firm_kw: float) -> None:
    currents = plan(specs, firm_kw)
    total_kw = sum(a * spec.phases * 0.23 for a, spec in zip(currents, specs, strict=True))
    assert total_kw <= firm_kw + 1e-6
