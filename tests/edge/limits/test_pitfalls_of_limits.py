"""The pitfalls 10 to 20 of the reviews: what has gone wrong with others' chargers, by its number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.limits import amps
from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.pace import DAILY_WRITES, Pace
from smartgrid.edge.limits.payloads import set_charging_profile
from smartgrid.edge.limits.quirks import DEFAULT, Quirks, Table
from smartgrid.edge.ports import ConnectorSpec, LimitOrder, Obedience, OcppVersion, Offer, ProfileKind, RateUnit
from support.limited_charger import RATING_KW, SAFE_KW, Charger, limits

AMPERE_KW = 0.69  # of three phases


# ---------------------------------------------------------------------- 10: only with the transaction's id


def test_pitfall_10_the_default_profile_comes_first_and_a_txprofile_has_its_transaction() -> None:
    charger = Charger()
    charger.limit.begin(None, charger.now_s, is_new=True)
    charger.offer(11.04)
    assert charger.kinds() == [ProfileKind.TX_DEFAULT]
    charger.car("4711")
    assert charger.kinds() == [ProfileKind.TX_DEFAULT, ProfileKind.TX]
    assert charger.orders[-1].transaction_id == "4711"


# ---------------------------------------------------------------------- 11: accepted is not applied


def test_pitfall_11_who_draws_more_than_accepted_is_told_again_by_another_profile_and_then_booked() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    assert limits(charger.draw(16, 40)) == [10.0]
    assert charger.kinds()[-1] is ProfileKind.TX
    assert charger.held_kw == pytest.approx(11.04), "what the meter shows counts from the first reading on"
    assert limits(charger.draw(16, 40)) == [10.0]
    assert charger.kinds()[-1] is ProfileKind.TX_DEFAULT
    charger.draw(16, 100)
    assert (charger.limit.obedience, charger.limit.is_controlled) == (Obedience.IGNORES, False)
    assert charger.held_kw == RATING_KW


def test_pitfall_11_who_never_follows_is_found_out_by_three_times_two_readings() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    for _ in range(3):
        assert charger.limit.obedience is Obedience.UNKNOWN
        for _ in range(3):
            charger.wait(15)
            charger.meter(16)
    assert charger.limit.obedience is Obedience.IGNORES


def test_pitfall_11_two_readings_twenty_seconds_after_are_needed() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    for seconds in (1, 9, 9):
        charger.wait(seconds)
        assert charger.meter(32) == []
    charger.wait(2)
    assert charger.meter(32) == []
    assert charger.meter(10.2) == []
    charger.wait(10)
    assert charger.meter(32) == [], "the one before was all right"
    assert limits(charger.meter(32)) == [10.0]


def test_pitfall_11_who_follows_is_known_to_obey() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.draw(10, 30)
    assert charger.limit.obedience is Obedience.OBEYS


def test_pitfall_11_a_modest_car_proves_nothing() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.draw(8, 300)
    assert (charger.limit.obedience, charger.limit.is_controlled) == (Obedience.UNKNOWN, True)
    assert set(charger.kinds()[1:]) == {ProfileKind.TX}


def test_pitfall_11_who_stays_at_the_safe_current_by_its_own_word_gets_limits_by_the_default_profile() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.wait(21)
    charger.meter(6, offered_a=6.0)
    (order,) = charger.meter(6, offered_a=6.0)
    assert (order.kind, order.limit, order.then_limit) == (ProfileKind.TX_DEFAULT, 16.0, 6.0)


def test_pitfall_11_who_draws_just_the_safe_current_for_a_minute_gets_limits_by_the_default_profile() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    assert charger.draw(6, 50) == []
    (order,) = charger.draw(6, 40)
    assert (order.kind, order.limit) == (ProfileKind.TX_DEFAULT, 16.0)


def test_pitfall_11_the_composite_schedule_tells_it_at_once() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    assert charger.limit.unit_to_ask() is RateUnit.AMPERES
    charger.limit.schedule_told(6.0, RateUnit.AMPERES, charger.now_s)
    (order,) = charger.pump()
    assert (order.kind, order.limit) == (ProfileKind.TX_DEFAULT, 16.0)


@pytest.mark.parametrize("told", [None, 16.0, 13.0], ids=["nothing", "the limit", "a cable for less"])
def test_pitfall_11_a_composite_schedule_that_is_right_or_unclear_changes_nothing(told: float | None) -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.limit.schedule_told(told, RateUnit.AMPERES, charger.now_s)
    assert charger.pump() == []
    assert charger.limit.unit_to_ask() is None


def test_pitfall_11_who_ignores_is_tried_again_after_a_quarter_of_an_hour_by_a_limit_that_can_be_seen() -> None:
    charger = ignoring()
    trial, after_s = next_trial(charger)
    assert (trial.limit, after_s > 600) == (8.0, True)
    charger.draw(16, 60)
    assert not charger.limit.is_controlled
    trial, after_s = next_trial(charger)
    assert (trial.limit, after_s > 600) == (8.0, True)
    charger.draw(8, 40)
    assert (charger.limit.obedience, charger.limit.is_controlled) == (Obedience.OBEYS, True)
    assert charger.draw(8, 60)[-1].limit == 32.0, "and it gets what it is offered again"


def next_trial(charger: Charger) -> tuple[LimitOrder, float]:
    """The next order to one that does not obey, and after how long."""
    began_s = charger.now_s
    while charger.now_s < began_s + 1000:
        charger.renew(RATING_KW)
        for order in charger.draw(16, 10):
            return order, charger.now_s - began_s
    raise AssertionError("it is never tried again")


def ignoring() -> Charger:
    charger = Charger().car()
    charger.offer(6.9)
    charger.draw(16, 200)
    assert charger.limit.obedience is Obedience.IGNORES
    return charger


# ---------------------------------------------------------------------- 12: which profile carries limits


@pytest.mark.parametrize("kind", [ProfileKind.TX_DEFAULT, ProfileKind.CHARGE_POINT_MAX])
def test_pitfall_12_a_profile_that_has_to_carry_limits_goes_on_with_the_safe_current(kind: ProfileKind) -> None:
    charger = Charger(Quirks(kinds=(kind,)))
    assert [(order.kind, order.limit, order.duration_s) for order in charger.orders] == [(kind, 6.0, None)]
    charger.car()
    (order,) = charger.offer(11.04)
    assert (order.kind, order.limit, order.duration_s, order.then_limit) == (kind, 16.0, 840, 6.0)
    charger.limit.disconnected(charger.now_s)
    charger.wait(870)
    assert charger.held_kw == SAFE_KW


def test_pitfall_12_when_the_car_leaves_such_a_profile_falls_to_the_safe_current_at_once() -> None:
    charger = Charger(Quirks(kinds=(ProfileKind.TX_DEFAULT,))).car()
    charger.offer(11.04)
    charger.limit.end(charger.now_s)
    (order,) = charger.pump()
    assert (order.limit, order.duration_s) == (6.0, None)


def test_pitfall_12_no_default_profile_at_all_is_made_up_for_by_two_periods_in_the_other() -> None:
    charger = refusing(ProfileKind.TX_DEFAULT).car()
    (order,) = charger.offer(11.04)
    assert (order.kind, order.then_limit) == (ProfileKind.TX, 6.0)
    assert charger.limit.fallback_kw == pytest.approx(SAFE_KW)


def test_pitfall_12_where_nothing_stands_under_a_car_it_is_booked_at_the_rating() -> None:
    charger = refusing(ProfileKind.TX_DEFAULT).car()
    assert charger.held_kw == charger.limit.fallback_kw == RATING_KW


def test_pitfall_12_a_limit_of_0_that_is_refused_is_written_as_the_least() -> None:
    charger = refusing(0.0).car()
    assert limits(charger.offer(0.0)) == [0.0], "the least is what its TxDefaultProfile says"
    charger.offer(11.04)
    assert limits(charger.offer(0.0)) == [6.0]
    charger.draw(6, 10)
    assert charger.held_kw == SAFE_KW
    assert charger.limit.is_controlled


def refusing(*what: ProfileKind | RateUnit | float) -> Charger:
    return Charger(refuses=what)


# ---------------------------------------------------------------------- 13: levels and ids


def test_pitfall_13_a_profile_is_updated_under_its_id_and_level() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.offer(6.9)
    charger.wait(400)
    first, *_, last = [order for order in charger.orders if order.kind is ProfileKind.TX]
    assert (first.profile_id, first.stack_level) == (last.profile_id, last.stack_level) == (11, 0)
    assert charger.orders[0].profile_id == 12, "in 2.x an id is one profile's only"


def test_pitfall_13_the_level_is_0_which_every_charger_has_unless_its_model_is_known_to_differ() -> None:
    assert DEFAULT.stack_level == 0
    assert Table.load().of("go-e", "go-eCharger_V4").stack_level == 1


# ---------------------------------------------------------------------- 14: fallback by expiry


def test_pitfall_14_a_limit_has_an_end_within_its_lease_and_the_safe_current_lies_under_it() -> None:
    charger = Charger().car()
    charger.limit.offered(Offer(1, 11.04, charger.now_s + 300), charger.now_s)
    (order,) = charger.pump()
    assert order.duration_s == 285
    _, payload = set_charging_profile(order, OcppVersion.V16, 0.0)
    assert payload["csChargingProfiles"]["validTo"] == "1970-01-01T00:04:45Z"
    assert charger.held_kw == 11.04
    charger.wait(310)
    assert charger.held_kw == SAFE_KW


def test_pitfall_14_without_a_new_lease_nothing_is_renewed() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    assert charger.wait(3600) == []


# ---------------------------------------------------------------------- 15: clocks


@pytest.mark.parametrize("skew_s", [-40.0, 0.0, 40.0])
def test_pitfall_15_a_schedule_begins_in_the_past_and_ends_by_the_chargers_own_clock(skew_s: float) -> None:
    charger = Charger().car()
    charger.limit.clock(skew_s)
    (order,) = charger.offer(11.04)
    _, payload = set_charging_profile(order, OcppVersion.V16, 1_000_000.0, skew_s)
    schedule = payload["csChargingProfiles"]["chargingSchedule"]
    begins = {-40.0: "13:45:00", 0.0: "13:45:40", 40.0: "13:46:20"}[skew_s]
    assert schedule["startSchedule"] == f"1970-01-12T{begins}Z"  # a minute before its now
    assert schedule["duration"] == 60 + 840


def test_pitfall_15_with_a_clock_of_1970_nothing_depends_on_it() -> None:
    charger = Charger().car()
    charger.limit.clock(-1.8e9)
    (order,) = charger.offer(11.04)
    _, payload = set_charging_profile(order, OcppVersion.V16, 1.8e9, -1.8e9)
    profile = payload["csChargingProfiles"]
    assert (profile["chargingProfileKind"], profile["chargingSchedule"]["duration"]) == ("Relative", 825)
    assert "validTo" not in profile
    assert "startSchedule" not in profile["chargingSchedule"]


def test_pitfall_15_a_relative_profile_that_comes_late_is_held_until_it_ends() -> None:
    charger = Charger(Quirks(is_relative=True)).car()
    charger.limit.offered(Offer(1, 11.04, charger.now_s + 900), charger.now_s)
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    assert order.duration_s == 825, "shorter by the time that an answer may take"
    charger.limit.sent(order, charger.now_s)
    charger.now_s += 50
    charger.limit.answered(order, True, charger.now_s)
    charger.limit.disconnected(charger.now_s)
    charger.wait(825)
    assert charger.held_kw == 11.04
    charger.wait(25)
    assert charger.held_kw == SAFE_KW


@pytest.mark.parametrize("lease_s", [20.0, 40.0, 60.0, 80.0])
def test_pitfall_15_with_a_short_lease_there_is_time_left_for_a_relative_profile(lease_s: float) -> None:
    charger = Charger(Quirks(is_relative=True)).car()
    charger.limit.offered(Offer(1, 11.04, charger.now_s + lease_s), charger.now_s)
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    assert order.limit == 16
    assert lease_s / 2 <= (order.duration_s or 0) <= lease_s * 3 / 4


def test_pitfall_15_as_long_as_a_relative_profile_may_still_begin_it_is_held() -> None:
    charger = Charger(Quirks(is_relative=True)).car()
    charger.limit.offered(Offer(1, 11.04, charger.now_s + 60), charger.now_s)
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    assert order.duration_s == 39
    sent_s = charger.now_s
    charger.limit.sent(order, sent_s)
    charger.now_s = sent_s + 15 + 39  # it may have begun after a quarter of the lease
    assert charger.held_kw == 11.04
    charger.now_s = sent_s + 59.5  # and it answers later still
    charger.limit.answered(order, True, charger.now_s)
    charger.now_s = sent_s + 59.5 + 39
    assert charger.held_kw == 11.04
    charger.now_s += 30
    assert charger.held_kw == SAFE_KW


def test_pitfall_15_a_clock_that_is_put_right_has_the_profile_written_anew() -> None:
    charger = Charger().car()
    charger.limit.clock(-1.8e9)
    charger.offer(11.04)
    charger.limit.clock(0.5)
    (order,) = charger.pump()
    assert not order.is_relative
    charger.limit.clock(45.0)
    assert charger.pump() == []


def test_pitfall_15_the_default_profile_cannot_end_without_a_clock_so_the_safe_current_rules() -> None:
    charger = Charger(Quirks(kinds=(ProfileKind.TX_DEFAULT,))).car()
    charger.limit.clock(-1.8e9)
    assert charger.offer(11.04) == []
    assert charger.held_kw == SAFE_KW


# ---------------------------------------------------------------------- 16: flash wear


def test_pitfall_16_a_day_of_small_changes_is_not_written() -> None:
    charger = Charger().car()
    for minute in range(24 * 60):
        charger.offer(11.04 + 0.3 * (minute % 2))
        charger.wait(60)
    assert charger.limit_writes() <= 24 * 60 / 7 + 2, "a renewal each 7 minutes, and no more"


def test_pitfall_16_after_too_many_writes_a_day_there_are_falls_and_late_renewals_only() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    for _ in range(DAILY_WRITES):
        charger.pace.wrote(charger.now_s)
    charger.renew(20.7)
    assert charger.wait(430) == []
    assert limits(charger.offer(6.9)) == [10.0]
    charger.wait(700)
    charger.renew(6.9)
    assert limits(charger.wait(60)) == [10.0]
    charger.wait(24 * 3600)
    assert limits(charger.offer(20.7)) == [30.0]


def test_pitfall_16_what_is_said_already_is_not_written_again() -> None:
    charger = Charger().car()
    assert charger.offer(SAFE_KW) == [], "the TxDefaultProfile says it"
    charger.limit.disconnected(charger.now_s)
    charger.limit.reconnected(charger.now_s)
    assert charger.pump() == []


# ---------------------------------------------------------------------- 17: rounding and units


@given(
    kw=st.floats(0, 60),
    voltage=st.floats(207, 253),
    phases=st.integers(1, 3),
    rating=st.sampled_from([10.0, 16.0, 32.0, 80.0]),
    unit=st.sampled_from(RateUnit),
)
def test_pitfall_17_a_limit_never_allows_more_than_offered(
    kw: float, voltage: float, phases: int, rating: float, unit: RateUnit
) -> None:
    limit = amps.limit(kw, unit, voltage, phases, rating, 6.0)
    assert amps.to_kw(limit, unit, voltage, phases) <= kw * (1 + 1e-6) + 1e-9
    assert amps.to_amperes(limit, unit, voltage, phases) <= rating + 1e-6
    assert limit == round(limit, 1)
    assert limit == 0 or amps.to_amperes(limit, unit, voltage, phases) >= 6 - 0.01


@pytest.mark.parametrize("phases", [1, 3])
def test_pitfall_17_a_power_that_is_just_a_limit_loses_no_tenth_to_rounding(phases: int) -> None:
    for tenths in range(60, 321):
        kw = tenths / 10 * 230 * phases / 1000
        assert amps.limit(kw, RateUnit.AMPERES, 230, phases, 32, 6) == tenths / 10


def test_pitfall_17_who_refuses_amperes_is_written_watts_with_the_number_of_phases() -> None:
    charger = refusing(RateUnit.AMPERES)
    assert [(order.unit, order.limit) for order in charger.orders] == [
        (RateUnit.AMPERES, 6.0),
        (RateUnit.WATTS, 4140.0),
    ]
    charger.car()
    (order,) = charger.offer(11.0)
    assert (order.unit, order.limit, order.phases) == (RateUnit.WATTS, 11000.0, 3)


def test_pitfall_17_a_charger_that_says_its_unit_is_not_asked_by_trial() -> None:
    limit = ConnectorLimit(1, ConnectorSpec(), DEFAULT, OcppVersion.V16)
    limit.told_unit(RateUnit.WATTS)
    limit.fallback(6.0, 0.0)
    order = limit.next_order(0.0)
    assert order is not None
    assert (order.unit, order.limit) == (RateUnit.WATTS, 4140.0)


# ---------------------------------------------------------------------- 18: phases


def test_pitfall_18_a_car_of_one_phase_gets_the_amperes_of_one_phase_once_it_is_seen() -> None:
    charger = Charger().car()
    assert limits(charger.offer(6.9)) == [10.0]
    assert charger.draw(10, 30, phases=1) == []
    assert limits(charger.draw(10, 40, phases=1)) == [30.0]
    assert charger.limit.phases == 1
    assert charger.held_kw == 6.9


def test_pitfall_18_more_phases_are_believed_at_once_and_the_amperes_fall() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.draw(10, 70, phases=1)
    assert limits(charger.meter(10, phases=3)) == [10.0]
    assert charger.held_kw > 20, "of the three phases, until it has followed"
    charger.draw(10, 20)
    assert charger.held_kw == 6.9


@pytest.mark.parametrize(
    "values",
    [
        {"currents_a": (16.0, 0.0, 0.0), "voltages_v": (230.0, 0.0, 0.0)},
        {"currents_a": (16.0, None, None), "voltages_v": (230.0, None, None)},
        {"currents_a": (16.0, 0.0, 0.0), "power_kw": 11.04},
        {"currents_a": (16.0, 0.0, 0.0), "power_kw": 11.04, "voltages_v": (230.0, 0.0, 0.0)},
        {"currents_a": (2.0, 0.0, 0.0), "voltages_v": (230.0, 230.0, 230.0)},
    ],
    ids=["0 V", "not told", "power of three", "power of three, 0 V", "hardly any"],
)
def test_pitfall_18_what_may_be_a_placeholder_is_no_phase_that_is_free(values: dict[str, object]) -> None:
    charger = Charger().car()
    charger.offer(11.04)
    for _ in range(6):
        charger.wait(10)
        charger.read(**values)
    assert charger.limit.phases == 3


def overall(charger: Charger, amps: float, seconds: int, volts: float = 230.0) -> None:
    """Meter values with one current, as many programs make it: the power by 230 V, whatever the phases."""
    for _ in range(0, seconds, 10):
        charger.wait(10)
        charger.read(power_kw=amps * volts / 1000, currents_a=(amps, None, None), is_overall=True)


def test_pitfall_18_a_current_that_is_all_phases_added_up_is_neither_one_phase_nor_too_much() -> None:
    charger = Charger().car()
    assert limits(charger.offer(6.9)) == [10.0]
    overall(charger, 30.0, 120)
    assert charger.limit.phases == 3
    assert charger.limit.obedience is not Obedience.IGNORES
    assert limits(charger.orders)[-1] == 10.0
    assert charger.held_kw == 6.9


def test_pitfall_18_nor_where_it_is_about_what_one_phase_may_draw_by_chance_for_a_moment() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    overall(charger, 15.0, 20)
    overall(charger, 48.0, 40)
    assert charger.limit.phases == 3


def test_pitfall_18_one_that_stays_at_the_limit_of_a_phase_is_one() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    overall(charger, 10.0, 70)
    assert charger.limit.phases == 1
    assert limits(charger.orders)[-1] == 30.0
    overall(charger, 90.0, 10)
    assert charger.limit.phases == 3, "and when it proves to have been three it is three at once"


def test_pitfall_18_a_limit_in_watts_is_never_above_the_current_that_is_built_in() -> None:
    charger = Charger(Quirks(unit=RateUnit.WATTS)).car()
    charger.offer(20.7)
    charger.draw(16, 70, phases=1)
    charger.offer(20.7)
    assert charger.orders[-1].phases == 1
    assert charger.orders[-1].limit == 32 * 230, "EVerest #1060: 20 A on a phase of 16"


def test_pitfall_18_the_voltage_is_metered_never_below_it_and_steady() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    assert limits(charger.meter(10, voltage_v=239.1)) == [15.3]
    assert charger.limit.voltage_v == 240
    for voltage_v in (238.0, 236.5, 239.9, 235.1):
        assert charger.meter(10, voltage_v=voltage_v) == []
    for voltage_v in (0.0, 400.0, 12.0, math.inf):
        charger.read(voltages_v=(voltage_v, None, None))
    assert charger.limit.voltage_v == 240


# ---------------------------------------------------------------------- 19: below 6 A, and back


@pytest.mark.parametrize("kw", [0.0, 1.0, 4.13, -3.0])
def test_pitfall_19_what_would_be_less_than_6_a_is_0(kw: float) -> None:
    charger = Charger(safe_a=0.0).car()
    charger.offer(11.04)
    assert limits(charger.offer(kw)) == [0.0]


def test_pitfall_19_a_car_that_was_paused_stays_so_for_half_a_minute() -> None:
    charger = Charger(safe_a=0.0).car()
    charger.offer(11.04)
    charger.wait(21)
    charger.offer(0.0)
    charger.offer(11.04)
    assert charger.wait(29) == []
    assert limits(charger.wait(2)) == [16.0], "and waits for no minute between rises"


@pytest.mark.parametrize("quirks", [DEFAULT, Quirks(kinds=(ProfileKind.TX_DEFAULT,))])
def test_pitfall_19_a_car_that_has_only_waited_does_not_pause(quirks: Quirks) -> None:
    charger = Charger(quirks).car()
    assert limits(charger.offer(0.0)) == [0.0]
    assert limits(charger.offer(11.04)) == [16.0]


def test_pitfall_19_a_model_that_needs_longer_gets_it() -> None:
    charger = Charger(Table.load().of("Easee ASA", "Easee One"), safe_a=0.0).car()
    charger.offer(11.04)
    charger.offer(0.0)
    charger.offer(11.04)
    assert charger.wait(290) == []
    assert limits(charger.wait(20)) == [16.0]


def test_pitfall_19_a_car_that_resumes_without_its_limit_is_told_it_again() -> None:
    charger = Charger(safe_a=0.0).car()
    charger.offer(11.04)
    charger.offer(0.0)
    charger.offer(6.9)
    charger.wait(125)
    assert limits(charger.draw(16, 40)) == [10.0]
    charger.draw(10, 60)
    assert charger.limit.obedience is Obedience.OBEYS


def test_pitfall_19_a_paused_car_that_draws_nothing_holds_its_limit_all_the_same() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.draw(0, 120)
    assert charger.held_kw == 11.04


# ---------------------------------------------------------------------- 20: falls first, and cars take time


def test_pitfall_20_a_fall_is_not_held_lower_before_it_is_confirmed() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.answers = None
    charger.offer(6.9)
    assert charger.held_kw == 11.04
    charger.wait(40)
    assert charger.held_kw == 11.04


def test_pitfall_20_a_reading_within_the_reaction_of_a_car_does_not_count_as_followed() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.draw(16, 40)
    charger.offer(6.9)
    charger.wait(4)
    charger.meter(9)
    assert charger.held_kw == 11.04
    charger.wait(2)
    charger.meter(9)
    assert charger.held_kw == 6.9


def test_pitfall_20_a_charger_that_looks_each_half_minute_is_held_until_its_meter_shows_it() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.draw(16, 40)
    charger.offer(6.9)
    charger.draw(16, 20)
    assert charger.held_kw == 11.04
    charger.draw(10, 10)
    assert charger.held_kw == 6.9
    assert charger.limit.is_controlled


def test_pitfall_20_rises_of_two_connectors_of_a_charger_are_a_minute_apart() -> None:
    pace = Pace()
    one, two = Charger(pace=pace).car(), Charger(pace=pace).car()
    one.offer(6.9)
    two.offer(6.9)
    for charger in (one, two):
        charger.wait(61)
    assert limits(one.offer(8.28)) == [12.0]
    assert two.offer(8.28) == []
    assert limits(two.wait(60)) == [12.0]


# ---------------------------------------------------------------------- and what these rules must not do


def test_pitfall_17_the_composite_schedule_is_asked_for_in_the_unit_that_the_charger_takes() -> None:
    charger = Charger(refuses=[RateUnit.AMPERES]).car()
    charger.offer(11.04)
    assert charger.limit.unit_to_ask() is RateUnit.WATTS


def unanswering() -> tuple[Charger, LimitOrder]:
    """One that has left three orders without an answer."""
    charger = Charger()
    charger.limit = ConnectorLimit(1, ConnectorSpec(), DEFAULT, OcppVersion.V16)
    charger.limit.fallback(6.0, charger.now_s)
    for _ in range(3):
        assert charger.limit.obedience is Obedience.UNKNOWN
        order = next_order(charger)
        charger.limit.timed_out(order, charger.now_s)
    return charger, next_order(charger)


def next_order(charger: Charger) -> LimitOrder:
    charger.now_s += 60
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    charger.limit.sent(order, charger.now_s)
    return order


def test_one_that_answers_nothing_rejects_and_is_booked_at_its_rating() -> None:
    charger, _ = unanswering()
    assert charger.limit.obedience is Obedience.REJECTS
    assert (charger.held_kw, charger.limit.fallback_kw) == (RATING_KW, RATING_KW)


def test_until_it_answers() -> None:
    charger, order = unanswering()
    charger.limit.answered(order, True, charger.now_s)
    assert (charger.limit.obedience, charger.limit.is_controlled) == (Obedience.UNKNOWN, True)
    charger.pump()
    assert charger.limit.fallback_kw == pytest.approx(SAFE_KW)
    charger.limit.timed_out(order, charger.now_s)
    assert charger.limit.obedience is Obedience.UNKNOWN, "they are counted from there"


def test_what_it_refuses_is_an_answer_too_and_then_tried_otherwise() -> None:
    charger, order = unanswering()
    charger.limit.answered(order, False, charger.now_s)
    assert charger.limit.obedience is Obedience.UNKNOWN
    assert next_order(charger).unit is RateUnit.WATTS


def test_that_its_car_follows_an_old_limit_makes_up_for_no_answers() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    for _ in range(3):
        charger.limit.timed_out(charger.orders[-1], charger.now_s)
    charger.draw(10, 60)
    assert (charger.limit.obedience, charger.held_kw) == (Obedience.REJECTS, 6.9)


def test_a_charger_is_not_judged_before_it_was_told_again() -> None:
    charger = Charger().car()
    charger.offer(6.9)
    charger.answers = None
    assert limits(charger.draw(16, 40))[:1] == [10.0]
    charger.draw(16, 200)
    assert charger.limit.is_controlled
    assert set(charger.kinds()[1:]) == {ProfileKind.TX}


def test_a_car_at_the_safe_current_says_nothing_where_no_other_profile_is_left() -> None:
    charger = Charger(Quirks(kinds=(ProfileKind.TX,))).car()
    charger.offer(11.04)
    assert charger.draw(6, 300) == []
    assert charger.limit.is_controlled


def test_each_pause_is_a_pause_of_its_own() -> None:
    charger = Charger(safe_a=0.0).car()
    for _ in range(2):
        charger.offer(11.04)
        charger.wait(40)
        charger.offer(0.0)
        charger.offer(11.04)
        assert charger.wait(25) == []
        assert limits(charger.wait(10)) == [16.0]


def test_where_the_unit_was_refused_0_is_tried_in_the_other() -> None:
    charger = Charger(refuses=[RateUnit.AMPERES], safe_a=0.0)
    assert [(order.unit, order.limit) for order in charger.orders] == [
        (RateUnit.AMPERES, 0.0),
        (RateUnit.AMPERES, 6.0),
        (RateUnit.WATTS, 0.0),
    ]


def test_a_clock_at_the_edge_of_being_bad_does_not_have_profiles_written_again_and_again() -> None:
    charger = Charger().car()
    charger.offer(11.04)
    charger.limit.clock(61.0)
    assert len(charger.pump()) == 1
    for skew_s in (59.0, 61.0, 45.0):
        charger.limit.clock(skew_s)
        assert charger.pump() == []
    charger.limit.clock(29.0)
    assert len(charger.pump()) == 1
