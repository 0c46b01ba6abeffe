"""What a charger is told, and what is held of it, by example."""

from __future__ import annotations

import math

import pytest

from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.quirks import DEFAULT, Quirks
from smartgrid.edge.ports import ConnectorSpec, Obedience, OcppVersion, Offer, ProfileKind, RateUnit
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


def test_the_number_of_an_offer_is_of_one_session_and_not_of_the_next() -> None:
    charger = Charger().car()
    charger.offer(11.0)
    assert charger.limit.adopted_number > 0
    charger.limit.end(charger.now_s)
    charger.limit.begin("8", charger.now_s, is_new=True)
    assert charger.limit.adopted_number == 0


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


def test_after_a_restart_the_rating_is_held_until_the_charger_confirms_a_limit() -> None:
    charger = Charger()
    charger.limit.begin("7", charger.now_s)
    assert charger.held_kw == RATING_KW
    charger.offer(6.9)
    assert charger.held_kw == RATING_KW
    charger.draw(10, 10)
    assert charger.held_kw == 6.9


def test_after_a_restart_a_meter_that_has_been_read_spares_the_rating() -> None:
    charger = Charger()
    charger.limit.begin("7", charger.now_s)
    charger.meter(16)
    charger.offer(6.9)
    assert charger.held_kw == pytest.approx(11.04)
    charger.draw(10, 10)
    assert charger.held_kw == 6.9


def test_a_charger_that_forgets_its_profiles_is_booked_at_its_rating() -> None:
    charger = Charger(Quirks(keeps_profiles=False)).car()
    charger.offer(6.9)
    assert charger.held_kw == charger.limit.fallback_kw == RATING_KW
    assert charger.limit.is_controlled


def test_after_a_reboot_all_is_written_again() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.limit.disconnected(charger.now_s)
    charger.limit.reconnected(charger.now_s, rebooted=True)
    assert [(order.kind, order.limit) for order in charger.pump()] == [
        (ProfileKind.TX_DEFAULT, 6.0),
        (ProfileKind.TX, 10.0),
    ]


def test_what_a_charger_has_refused_until_it_has_booted_says_nothing_of_what_it_takes() -> None:
    charger = Charger(safe_a=0.0, refuses=list(ProfileKind))
    charger.refuses = set()
    charger.limit.reconnected(charger.now_s, rebooted=True)
    assert [(order.kind, order.limit, order.unit) for order in charger.pump()] == [
        (ProfileKind.TX_DEFAULT, 0.0, RateUnit.AMPERES)
    ]
    assert charger.limit.fallback_kw == 0


def test_nor_does_a_refusal_that_was_under_way_when_it_booted() -> None:
    limit = ConnectorLimit(1, ConnectorSpec(), DEFAULT, OcppVersion.V16)
    limit.fallback(0.0, 0.0)
    early = limit.next_order(0.0)
    assert early is not None
    limit.sent(early, 0.0)
    limit.reconnected(0.0, rebooted=True)
    limit.answered(early, False, 0.0)
    again = limit.next_order(0.0)
    assert again is not None
    assert (again.kind, again.limit, again.unit) == (ProfileKind.TX_DEFAULT, 0.0, RateUnit.AMPERES)


def test_after_a_reboot_a_limit_without_a_default_profile_under_it_is_not_relied_on() -> None:
    charger = Charger(refuses=[ProfileKind.TX_DEFAULT]).car()
    charger.offer(6.9)
    charger.draw(10, 40)
    assert charger.held_kw == 6.9
    charger.limit.disconnected(charger.now_s)
    charger.limit.reconnected(charger.now_s, rebooted=True)
    assert charger.held_kw == RATING_KW


def test_what_is_offered_to_no_one_falls_to_0_at_once_and_then_runs_out() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.limit.offered(None, charger.now_s)
    assert limits(charger.pump()) == [0.0]
    assert charger.wait(3600) == []


def test_a_car_that_no_substation_knows_yet_has_the_safe_current() -> None:
    charger = Charger().car()
    charger.limit.offered(None, charger.now_s)
    assert charger.wait(60) == []
    assert charger.held_kw == SAFE_KW


def test_a_car_that_waits_is_told_0() -> None:
    charger = Charger().car()
    assert limits(charger.offer(0.0)) == [0.0]
    assert limits(charger.offer(11.04)) == [16.0], "and starts when there is room"


def test_a_fall_does_not_wait_for_the_answer_to_a_rise() -> None:
    charger = Charger().car()
    charger.limit.offered(Offer(1, 11.04, charger.now_s + 900), charger.now_s)
    rise = charger.limit.next_order(charger.now_s)
    assert rise is not None
    charger.limit.sent(rise, charger.now_s)
    assert charger.limit.next_order(charger.now_s) is None
    charger.limit.offered(Offer(2, 6.9, charger.now_s + 900), charger.now_s)
    fall = charger.limit.next_order(charger.now_s)
    assert fall is not None
    assert (fall.limit, charger.held_kw) == (10.0, 11.04)


def test_a_new_fall_does_not_wait_for_the_retry_of_one_before() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.answers = None
    assert limits(charger.offer(8.28)) == [12.0]
    assert charger.renew(8.28) == []
    assert limits(charger.offer(6.9)) == [10.0]


def test_what_is_not_answered_is_tried_again_less_and_less_often() -> None:
    charger = Charger().car()
    charger.answers = None
    charger.offer(11.04)
    assert len(charger.wait(600)) in range(10, 16)


def test_the_number_of_the_latest_offer_is_adopted() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.answers = None
    charger.offer(6.9)
    assert (charger.limit.adopted_number, charger.held_kw) == (2, 11.04)


def test_a_refusal_because_the_car_has_left_says_nothing_of_the_charger() -> None:
    charger = Charger().car("7")
    charger.limit.offered(Offer(1, 11.04, charger.now_s + 900), charger.now_s)
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    charger.limit.sent(order, charger.now_s)
    charger.limit.end(charger.now_s)
    charger.now_s += 1
    charger.car("8")
    charger.limit.answered(order, False, charger.now_s)
    assert charger.offer(11.04)[-1].kind is ProfileKind.TX


def test_a_reading_from_a_queue_says_nothing_of_now() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.wait(60)
    for _ in range(3):
        charger.read(power_kw=22.0, is_late=True)
    assert (charger.held_kw, len(charger.orders)) == (6.9, 2)


@pytest.mark.parametrize("power_kw", [1000.0, math.inf, math.nan])
def test_a_power_that_cannot_be_is_not_believed(power_kw: float) -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.wait(60)
    for _ in range(3):
        charger.read(power_kw=power_kw)
    assert (charger.held_kw, len(charger.orders)) == (6.9, 2)


def test_after_a_probe_all_is_written_again_once_it_is_over() -> None:
    charger = Charger()
    charger.limit.probed(charger.now_s)
    charger.now_s += 20
    charger.limit.probed(charger.now_s)
    assert charger.limit.fallback_kw == RATING_KW
    assert charger.wait(29) == []
    assert limits(charger.wait(2)) == [6.0]
    assert charger.limit.fallback_kw == pytest.approx(SAFE_KW)


def test_a_safe_current_that_falls_is_written_at_once_and_held_until_confirmed() -> None:
    charger = Charger().car()
    charger.answers = None
    charger.limit.fallback(0.0, charger.now_s)
    assert limits(charger.pump()) == [0.0]
    assert charger.limit.fallback_kw == pytest.approx(SAFE_KW)
    charger.answers = True
    charger.wait(10)
    assert charger.limit.fallback_kw == 0.0


@pytest.mark.parametrize("lease_s", [10.0, 60.0, 900.0])
def test_a_profile_ends_before_its_lease_and_is_renewed_half_way(lease_s: float) -> None:
    charger = Charger().car()
    for _ in range(int(3 * lease_s)):
        charger.limit.offered(Offer(1, 11.04, charger.now_s + lease_s), charger.now_s)
        for order in charger.pump():
            assert order.duration_s is not None
            assert order.duration_s <= lease_s - min(15, lease_s / 10)
        charger.wait(1)
    assert charger.limit_writes() in range(5, 10)


def test_a_connector_without_a_session_has_0_and_its_car_gets_the_limit_before_the_safe_current() -> None:
    charger = Charger(safe_a=0.0).car()
    assert (limits(charger.orders), charger.held_kw) == ([0.0], 0.0)
    charger.limit.fallback(6.0, charger.now_s)
    assert [(order.kind, order.limit) for order in charger.offer(11.04)] == [
        (ProfileKind.TX, 16.0),
        (ProfileKind.TX_DEFAULT, 6.0),
    ]
    charger.limit.end(charger.now_s)
    charger.limit.fallback(0.0, charger.now_s)
    assert limits(charger.pump()) == [0.0]


def test_a_safe_current_that_changes_is_written_where_the_same_profile_carries_the_limit() -> None:
    charger = Charger(Quirks(kinds=(ProfileKind.TX_DEFAULT,)), safe_a=0.0).car()
    charger.offer(11.04)
    for safe_a in (6.0, 0.0):
        charger.limit.fallback(safe_a, charger.now_s)
        (order,) = charger.pump()
        assert (order.limit, order.then_limit) == (16.0, safe_a)


def test_a_waiting_car_at_a_connector_of_0_needs_no_profile() -> None:
    charger = Charger(safe_a=0.0).car()
    assert charger.offer(0.0) == []
    assert limits(charger.offer(11.04)) == [16.0]


def test_a_charger_that_is_away_is_held_at_its_safe_current_once_its_profile_has_run_out_whatever_it_drew() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.draw(16, 60)
    charger.limit.disconnected(charger.now_s)
    charger.wait(870)
    assert charger.held_kw == SAFE_KW


def test_one_that_was_seen_to_draw_more_than_it_may_is_held_so_while_it_is_away() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.wait(60)
    charger.meter(20)
    charger.limit.disconnected(charger.now_s)
    charger.wait(870)
    assert charger.held_kw == pytest.approx(20 * 0.69)
