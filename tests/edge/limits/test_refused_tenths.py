"""Chargers that hold limits against the schema of OCPP 1.6 (multiples of 0.1) by dividing: npm `ocpp-ts` is one."""

from __future__ import annotations

import pytest

from smartgrid.edge.limits import amps
from smartgrid.edge.limits.quirks import DEFAULT
from smartgrid.edge.limits.ways import Ways
from smartgrid.edge.ports import LimitOrder, Obedience, Offer, ProfileKind, RateUnit
from support.limited_charger import LEASE_S, Charger, limits

AMPERE_KW = 0.69  # of three phases


class Dividing(Charger):
    """`value / 0.1` has to be whole, as Ajv and Python's jsonschema reckon it."""

    def answer(self, order: LimitOrder) -> bool | None:
        is_whole = all((each / 0.1).is_integer() for each in (order.limit, order.then_limit or 0.0))
        return super().answer(order) if is_whole else False


def test_a_third_of_all_tenths_is_none_by_division() -> None:
    refused = [tenths for tenths in range(60, 321) if not amps.divisible(tenths / 10)]
    assert len(refused) == 82
    assert {81, 82, 107} <= set(refused)


def test_a_limit_that_is_one_by_division_is_less_by_two_tenths_at_the_most() -> None:
    for tenths in range(60, 321):
        limit = amps.limit(tenths / 10 * AMPERE_KW, RateUnit.AMPERES, 230, 3, 32, 6, is_divided=True)
        assert amps.divisible(limit)
        assert 0 <= tenths / 10 - limit <= 0.2 + 1e-9


def test_one_that_refuses_such_a_tenth_gets_the_next_lower_one_at_once_by_the_same_profile() -> None:
    charger = Dividing().car()
    assert limits(charger.offer(10.7 * AMPERE_KW)) == [10.7, 10.5]
    assert charger.kinds()[-2:] == [ProfileKind.TX, ProfileKind.TX]
    assert charger.limit.is_controlled
    assert charger.held_kw == pytest.approx(10.5 * AMPERE_KW)


def test_from_then_on_it_is_written_no_other() -> None:
    charger = Dividing().car()
    charger.offer(10.7 * AMPERE_KW)
    assert limits(charger.offer(8.2 * AMPERE_KW)) == [8.0]
    assert limits(charger.offer(6.1 * AMPERE_KW)) == [6.0]
    charger.wait(61)
    assert limits(charger.offer(15.7 * AMPERE_KW)) == [15.6]


def test_its_first_profile_is_not_cleared_for_it() -> None:
    charger = Dividing().car()
    charger.offer(10.8 * AMPERE_KW)
    (refused, order) = charger.offer(8.2 * AMPERE_KW)
    assert (refused.limit, order.limit) == (8.2, 8.0)
    assert not charger.limit.must_clear(order)


def test_one_that_refuses_the_profile_whatever_its_limit_is_tried_another_way_with_every_tenth() -> None:
    charger = Charger(refuses=[ProfileKind.TX]).car()
    orders = charger.offer(10.7 * AMPERE_KW)
    assert [(each.kind, each.limit) for each in orders] == [
        (ProfileKind.TX, 10.7),
        (ProfileKind.TX, 10.5),
        (ProfileKind.TX_DEFAULT, 10.7),
    ]


def test_one_that_takes_all_of_them_gets_all_of_them() -> None:
    charger = Charger().car()
    assert limits(charger.offer(10.7 * AMPERE_KW)) == [10.7]
    assert limits(charger.offer(8.2 * AMPERE_KW)) == [8.2]


def test_a_profile_that_is_taken_after_another_was_refused_goes_on_carrying_limits() -> None:
    """Two were on their way when the first was refused: the second stands, and rules over any TxDefaultProfile."""
    charger = Charger(refuses=[20.0])
    charger.answers = None
    charger.limit.begin("7", charger.now_s, is_new=True)
    first = sent(charger, 20.0)
    second = sent(charger, 10.0)
    charger.limit.answered(first, False, charger.now_s)
    charger.limit.answered(second, True, charger.now_s)
    charger.answers = True

    (fall,) = charger.offer(6.5 * AMPERE_KW)
    assert (fall.kind, fall.limit) == (ProfileKind.TX, 6.5)
    assert charger.limit.obedience is Obedience.UNKNOWN


def sent(charger: Charger, current_a: float) -> LimitOrder:
    """A limit that is on its way."""
    charger.number += 1
    charger.limit.offered(Offer(charger.number, current_a * AMPERE_KW, charger.now_s + LEASE_S), charger.now_s)
    order = charger.limit.next_order(charger.now_s)
    assert order is not None
    assert (order.kind, order.limit) == (ProfileKind.TX, current_a)
    charger.limit.sent(order, charger.now_s)
    return order


def test_what_is_refused_after_a_reboot_is_tried_with_every_tenth_again() -> None:
    ways = Ways(DEFAULT)
    ways.refused(ProfileKind.TX, RateUnit.AMPERES, 10.7)
    assert not ways.takes_all_tenths
    ways.forget_refusals()
    assert ways.takes_all_tenths
