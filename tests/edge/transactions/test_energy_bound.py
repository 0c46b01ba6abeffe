"""No register books more than its connector can have carried; and no honest one loses anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import ChargerId, Heard
from smartgrid.edge.transactions.energy_bound import COARSE_KWH, SLACK_S, EnergyBound
from smartgrid.edge.transactions.transaction import Transaction

MOST_KW = 44.0
"""Twice the rating of a connector of 22 kW."""
ALLOWANCE_KWH = COARSE_KWH + MOST_KW * SLACK_S / 3600
NOW_S = 1_800_000_000.0


class Booked:
    """A transaction's energy, told by messages that came `at` so many seconds, of a charger's clock of `told`."""

    def __init__(self, told: float | None = 0.0, at: float = 0.0) -> None:
        self.bound, self.kwh = EnergyBound(), 0.0
        self.bound.note(0.0, heard(at, told), MOST_KW)

    def tell(self, kwh: float, at: float, told: float | None = None) -> float:
        self.kwh = self.bound.believe(kwh, self.kwh, heard(at, at if told is None else told), MOST_KW)
        return self.kwh


def heard(at: float, told: float | None) -> Heard:
    return Heard(NOW_S + at, None if told is None else NOW_S + told)


def test_a_register_that_counts_seconds_as_kwh_is_booked_at_what_can_have_flowed() -> None:
    booked = Booked()
    for at in range(15, 316, 15):
        booked.tell(3.0 * at, at)
    assert booked.kwh == pytest.approx(MOST_KW * 315 / 3600 + ALLOWANCE_KWH)


def test_the_allowance_is_given_once_and_not_to_each_reading() -> None:
    booked = Booked()
    for at in range(1, 3600):
        booked.tell(900.0, at)
    assert booked.kwh <= MOST_KW + ALLOWANCE_KWH


def test_a_leap_is_cut_also_after_hours_of_honest_readings() -> None:
    booked = Booked()
    for minute in range(1, 240):
        booked.tell(11.0 * minute / 60, 60.0 * minute)
    assert booked.tell(900.0, 4 * 3600.0) <= 44.0 + MOST_KW / 60 + ALLOWANCE_KWH


def test_what_was_cut_comes_with_a_later_reading() -> None:
    booked = Booked()
    assert booked.tell(60.0, 60) < 60
    assert booked.tell(61.0, 3 * 3600.0) == 61.0


def test_a_fault_of_0_between_true_readings_cuts_none_of_them() -> None:
    booked = Booked()
    assert [booked.tell(kwh, at) for kwh, at in ((40.0, 7200), (0.0, 7215), (40.1, 7230))] == [40.0, 40.0, 40.1]


@pytest.mark.parametrize("off_s", [0.0, 3600.0, -7200.0, -NOW_S + 600])
def test_a_queue_is_whole_whatever_its_clock_is_off_by(off_s: float) -> None:
    """All of it comes within seconds; at +1 h one of them seems to have come as it happened."""
    booked = Booked(told=off_s - 3 * 3600)
    for minute in range(15, 181, 15):
        booked.tell(22.0 * minute / 60, minute / 60, off_s - 3 * 3600 + 60 * minute)
    assert booked.kwh == 66.0


def test_a_clock_that_is_set_while_a_car_charges_cuts_nothing() -> None:
    for before_s, after_s in ((-NOW_S, 0.0), (0.0, -NOW_S), (0.0, 86400.0), (0.0, -3600.0), (3600.0, 0.0)):
        booked = Booked(told=before_s)
        booked.tell(22.0, 3600, before_s + 3600)
        assert booked.tell(44.0, 7200, after_s + 7200) == 44.0
        assert booked.tell(88.0, 14400, after_s + 14400) == 88.0


def test_a_clock_that_is_set_back_in_a_queue_cuts_nothing() -> None:
    booked = Booked(told=-7200, at=0)
    assert booked.tell(44.0, 1, -NOW_S) == 44.0


def test_a_queue_is_counted_from_the_last_that_was_told_before_the_charger_was_away() -> None:
    booked = Booked()
    booked.tell(1.0, 60)
    assert booked.tell(66.0, 3 * 3600.0, 120 - NOW_S) == 66.0


def test_of_one_that_was_found_open_nothing_is_doubted_until_it_was_read_once() -> None:
    booked = Booked(told=None)
    assert booked.tell(300.0, 10) == 300.0
    assert booked.tell(600.0, 25) < 301 + ALLOWANCE_KWH


def test_what_tells_no_time_is_not_doubted_where_nothing_is_known() -> None:
    booked = Booked(told=None)
    for kwh in (10.0, 30.0, 60.0):
        assert booked.bound.believe(kwh, 0.0, heard(5, None), MOST_KW) == kwh


def test_after_a_restart_it_is_reckoned_from_what_was_booked_last() -> None:
    bound = EnergyBound()
    bound.resume(NOW_S, 30.0)
    assert bound.believe(900.0, 30.0, heard(60, 60), MOST_KW) == pytest.approx(30 + MOST_KW / 60 + ALLOWANCE_KWH)
    assert bound.believe(96.0, 30.0, heard(3 * 3600, 100), MOST_KW) == 96.0


@given(
    st.lists(st.tuples(st.floats(1, 3600), st.floats(0, 30)), min_size=1, max_size=20),
    st.floats(-1e6, 1e6),
    st.floats(0, 1),
    st.lists(st.floats(0, 20000), min_size=20, max_size=20),
    st.randoms(),
)
def test_honest_energy_is_booked_whole_in_any_order_however_late_and_off(
    steps: list[tuple[float, float]], off_s: float, coarse: float, late_s: list[float], rng: object
) -> None:
    at, kwh, told = 0.0, 0.0, []
    for (passed_s, kw), late in zip(steps, late_s, strict=False):
        at, kwh = at + passed_s, kwh + kw * passed_s / 3600
        told.append((max(0.0, kwh - coarse), at + late, at + off_s))
    rng.shuffle(told)  # type: ignore[attr-defined]
    booked = Booked(told=off_s)
    for each in told:
        booked.tell(*each)
    assert booked.kwh == pytest.approx(max(each[0] for each in told))


def test_the_whole_of_a_transaction_is_bounded_too_by_its_start_and_stop() -> None:
    found = Transaction("k", ChargerId("s", "c"), 1, "7", "TAG", NOW_S, 100.0)
    found.bound.note(0.0, heard(0, 0), MOST_KW)
    found.end(NOW_S + 3600, "Local", 900.0, heard(3600, 3600), MOST_KW)
    assert (found.energy_kwh, found.disbelieved_kwh) == (pytest.approx(MOST_KW + ALLOWANCE_KWH), 800.0)
    found.end(NOW_S + 3600, "Local", 145.0, heard(3610, 3600), MOST_KW)
    assert found.energy_kwh == pytest.approx(MOST_KW + ALLOWANCE_KWH), "it never falls"
