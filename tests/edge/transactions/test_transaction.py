"""What a register says of a transaction's energy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.transactions.transaction import Transaction, key_of, number_of

CHARGER = ChargerId("substation-0", "CP1")


def transaction(start_kwh: float | None = 100.0) -> Transaction:
    return Transaction("k" * 64, CHARGER, 1, "7", "TAG", 1000.0, start_kwh, session_id="s1")


def test_energy_is_what_the_register_shows_more_than_at_the_start() -> None:
    found = transaction()
    found.measure(103.5, 1100.0)
    assert (found.energy_kwh, found.measured_wall_s) == (3.5, 1100.0)


def test_it_never_falls_and_nothing_counts_twice() -> None:
    found = transaction()
    for register in (103.0, 102.0, 103.0):
        found.measure(register, 1100.0)
    assert found.energy_kwh == 3.0


def test_without_a_start_the_first_register_is_it() -> None:
    found = transaction(None)
    found.measure(500.0, 1100.0)
    found.measure(502.0, 1200.0)
    assert found.energy_kwh == 2.0


def test_without_a_start_a_register_that_shows_what_a_car_may_have_taken_since_began_at_0() -> None:
    found = transaction(None)
    found.measure(0.3, 1060.0)
    found.measure(0.5, 1100.0)
    assert found.energy_kwh == 0.5


@pytest.mark.parametrize(("register_kwh", "after_s"), [(0.5, 60.0), (3.0, 3600.0), (0.1, -5.0)])
def test_but_not_one_that_shows_more_or_that_comes_late(register_kwh: float, after_s: float) -> None:
    found = transaction(None)
    found.measure(register_kwh, 1000.0 + after_s)
    assert found.energy_kwh == 0.0


def test_a_register_of_the_session_alone_is_the_energy_itself() -> None:
    found = transaction(100.0)
    found.measure(1.5, 1100.0)
    found.measure(2.5, 1200.0)
    assert found.energy_kwh == 2.5
    found.end(1300.0, "Local", 103.0)
    assert found.energy_kwh == 3.0


def test_also_where_it_grows_beyond_the_start() -> None:
    found = transaction(2.0)
    for register in (1.0, 3.0):
        found.measure(register, 1100.0)
    assert found.energy_kwh == 3.0


@pytest.mark.parametrize("fault_kwh", [0.0, -0.005, 0.01])
def test_one_faulty_reading_below_the_start_makes_no_register_of_the_session(fault_kwh: float) -> None:
    found = transaction(90.0)
    for register in (90.5, fault_kwh, 91.0):
        found.measure(register, 1100.0)
    assert found.energy_kwh == 1.0
    found.end(1300.0, "Local", 91.5)
    assert found.energy_kwh == 1.5


def test_nor_does_a_0_before_the_first_reading() -> None:
    found = transaction(90.0)
    found.measure(0.0, 1100.0)
    found.measure(90.5, 1200.0)
    assert found.energy_kwh == 0.5


def test_who_has_drawn_energy_has_begun() -> None:
    found = transaction()
    found.is_authorized = found.is_plugged = False
    found.measure(100.01, 1100.0)
    assert not found.has_begun
    found.measure(100.03, 1200.0)
    assert found.has_begun


def test_a_register_of_the_meters_life_with_a_start_told_as_0_counts_from_its_first_value() -> None:
    found = transaction(0.0)
    found.measure(54_321.0, 1100.0)
    found.measure(54_323.0, 1200.0)
    found.end(1300.0, "Local", 54_324.0)
    assert found.energy_kwh == 3.0


def test_a_register_that_is_lower_by_a_rounding_is_no_other_register() -> None:
    found = transaction(100.0)
    found.measure(99.999, 1100.0)
    assert found.energy_kwh == 0.0


def test_the_stops_register_is_the_last_word_and_values_after_it_are_none() -> None:
    found = transaction()
    assert found.end(1200.0, "Local", 105.0)
    found.measure(109.0, 1300.0)
    assert (found.energy_kwh, found.ended_wall_s, found.reason) == (5.0, 1200.0, "Local")


def test_a_stop_again_is_no_news_unless_its_register_is_higher() -> None:
    found = transaction()
    found.end(1200.0, "EVDisconnected", 104.0)
    found.is_end_delivered = True
    assert not found.end(1300.0, "Local", 104.0)
    assert not found.wants_end
    assert found.end(1300.0, "Local", 105.0)
    assert found.wants_end
    assert (found.energy_kwh, found.ended_wall_s, found.reason) == (5.0, 1200.0, "EVDisconnected")


def test_energy_that_no_one_told_is_not_known() -> None:
    found = transaction()
    found.end(1200.0, "Local")
    assert found.energy_kwh is None


@given(st.floats(0, 1e6), st.lists(st.floats(0, 900), min_size=1), st.floats(0, 900), st.randoms())
def test_whatever_the_order_of_values_the_stop_tells_the_whole(
    start_kwh: float, grown_kwh: list[float], last_kwh: float, rng: object
) -> None:
    found = transaction(start_kwh)
    whole_kwh = max(*grown_kwh, last_kwh)
    rng.shuffle(grown_kwh)  # type: ignore[attr-defined]
    for grown in grown_kwh:
        found.measure(start_kwh + grown, 1100.0)
    found.end(1200.0, "Local", start_kwh + whole_kwh)
    assert found.energy_kwh == pytest.approx(whole_kwh, abs=0.001)


@given(st.text(), st.text())
def test_a_transaction_id_of_1_6_is_made_of_the_key_and_never_0(charger: str, identity: str) -> None:
    key = key_of(ChargerId("substation-0", charger), identity)
    assert 1 <= number_of(key) <= 2**31 - 2
    assert key == key_of(ChargerId("substation-0", charger), identity)
    assert key != key_of(ChargerId("substation-1", charger), identity)
