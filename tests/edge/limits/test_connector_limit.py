"""What a charger is told, and what is held of it, by example."""

from __future__ import annotations

import pytest

from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.ports import Obedience, ProfileKind, RateUnit
from support.limited_charger import RATING_KW, SAFE_KW, Charger, limits


def test_the_safe_current_is_written_first_to_stay_and_is_held_from_then_on() -> None:
    charger = Charger()
    order = charger.orders[0]
    assert (order.kind, order.limit, order.duration_s) == (ProfileKind.TX_DEFAULT, 6.0, None)
    charger.car()
    assert (charger.held_kw, charger.limit.fallback_kw) == (SAFE_KW, pytest.approx(SAFE_KW))


def test_the_first_limit_of_a_car_goes_out_at_once() -> None:
    charger = Charger().car()
    (order,) = charger.offer(11.0)
    assert (order.kind, order.limit, order.duration_s, order.transaction_id) == (ProfileKind.TX, 15.9, 840, "7")
    assert charger.held_kw == pytest.approx(15.9 * 0.69)


def test_no_limit_is_written_before_the_transaction_has_its_id() -> None:
    charger = Charger()
    charger.limit.begin(None, charger.now_s, is_new=True)
    assert charger.offer(11.0) == []
    charger.limit.begin("7", charger.now_s)
    assert limits(charger.pump()) == [15.9]


def test_a_fall_goes_out_at_once_and_is_held_until_the_meter_shows_it() -> None:
    charger = Charger().car()
    charger.offer(11.0)
    charger.wait(100)
    charger.meter(15.9)
    assert limits(charger.offer(6.9)) == [10.0]
    assert charger.held_kw == pytest.approx(15.9 * 0.69)
    charger.wait(6)
    charger.meter(10.0)
    assert charger.held_kw == 6.9


def test_a_fall_is_held_for_half_a_minute_where_no_meter_tells() -> None:
    charger = Charger().car()
    charger.offer(11.0)
    charger.offer(6.9)
    charger.wait(34)
    assert charger.held_kw > 10
    charger.wait(2)
    assert charger.held_kw == 6.9


def test_a_fall_without_answer_holds_the_old_limit_until_its_profile_has_run_out() -> None:
    charger = Charger().car()
    charger.offer(11.0)
    charger.answers = None
    charger.offer(6.9)
    charger.limit.disconnected(charger.now_s)
    charger.wait(840)
    assert charger.held_kw == pytest.approx(15.9 * 0.69)
    charger.wait(30)
    assert charger.held_kw == SAFE_KW


def test_rises_wait_for_an_ampere_and_a_minute() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    assert charger.offer(13.8) == []
    assert limits(charger.wait(61)) == [20.0]
    charger.wait(61)
    assert charger.offer(14.4) == []  # 20.8 A
    assert limits(charger.offer(14.49)) == [21.0]


def test_a_profile_is_renewed_half_way_if_its_lease_is() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.wait(400)
    charger.renew(11.04)
    assert limits(charger.wait(30)) == [16.0]
    assert charger.wait(2000) == []
    assert charger.held_kw == SAFE_KW


def test_it_works_through_the_ways_that_a_charger_refuses() -> None:
    charger = Charger()
    charger.refuses = {ProfileKind.TX}
    charger.car()
    charger.offer(11.04)
    last = charger.orders[-1]
    assert (last.kind, last.limit, last.then_limit) == (ProfileKind.TX_DEFAULT, 16.0, 6.0)
    assert charger.limit.is_controlled


def test_a_charger_that_refuses_all_is_held_at_its_rating() -> None:
    charger = Charger()
    charger.refuses = set(ProfileKind)
    charger.car()
    charger.offer(11.04)
    assert (charger.limit.obedience, charger.limit.is_controlled) == (Obedience.REJECTS, False)
    assert charger.held_kw == charger.limit.fallback_kw == RATING_KW
    assert charger.wait(800) == []


def test_a_limit_in_watts_where_amperes_are_refused() -> None:
    charger = Charger(Quirks(unit=RateUnit.WATTS)).car()
    (order,) = charger.offer(11.0)
    assert (order.unit, order.limit) == (RateUnit.WATTS, 11000.0)
