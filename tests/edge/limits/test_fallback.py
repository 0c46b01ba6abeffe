"""Safe currents: what all connectors of a substation may draw together when nobody tells them anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.limits.fallback import RAISE_SPACING_S, SafeCurrents, plan
from smartgrid.edge.ports import ConnectorSpec

THREE, ONE, SMALL = ConnectorSpec(3, 32), ConnectorSpec(1, 32), ConnectorSpec(3, 5)


def test_each_gets_6_a_in_order_while_that_fits() -> None:
    assert plan([THREE, THREE, THREE], 8.28) == [6, 6, 0]


def test_a_sum_that_just_fits_fits() -> None:
    assert plan([THREE] * 10, 41.4) == [6] * 10


def test_one_that_does_not_fit_keeps_none_after_it_from_a_smaller_one() -> None:
    assert plan([THREE, THREE, ONE], 6.0) == [6, 0, 6]


def test_one_that_cannot_give_6_a_has_none() -> None:
    assert plan([SMALL, THREE], 100) == [0, 6]


@given(
    specs=st.lists(st.builds(ConnectorSpec, st.integers(1, 3), st.floats(6, 100)), max_size=20),
    firm_kw=st.floats(0, 100),
)
def test_together_they_never_draw_more_than_the_firm_capacity(specs: list[ConnectorSpec], firm_kw: float) -> None:
    currents = plan(specs, firm_kw)
    total_kw = sum(a * spec.phases * 0.23 for a, spec in zip(currents, specs, strict=True))
    assert total_kw <= firm_kw + 1e-6


def test_it_falls_at_once_and_rises_at_most_hourly() -> None:
    safe, both = SafeCurrents(), [("a", THREE), ("b", THREE)]
    assert safe.update(both, 10, 0) == {"a": 6, "b": 6}
    assert safe.update(both, 5, 1) == {"a": 6, "b": 0}
    assert safe.update(both, 10, 2) == {"a": 6, "b": 6}
    assert safe.update(both, 5, 3) == {"a": 6, "b": 0}
    assert safe.update(both, 10, RAISE_SPACING_S) == {"a": 6, "b": 0}
    assert safe.update(both, 10, RAISE_SPACING_S + 2) == {"a": 6, "b": 6}


def test_none_is_raised_before_another_has_confirmed_its_lower_one() -> None:
    safe = SafeCurrents()
    safe.update([("b", THREE)], 5, 0)
    swapped = [("a", THREE), ("b", THREE)]
    assert safe.update(swapped, 5, 10) == {"a": 6, "b": 0}, "a is new, and nothing is known of what it has"
    assert safe.update(list(reversed(swapped)), 5, 20, still_a={"a": 6}) == {"b": 0, "a": 0}
    assert safe.update(list(reversed(swapped)), 5, 30) == {"b": 6, "a": 0}


def test_who_is_gone_is_forgotten() -> None:
    safe = SafeCurrents()
    safe.update([("a", THREE), ("b", THREE)], 5, 0)
    assert safe.update([("b", THREE)], 5, 10) == {"b": 6}
