"""The physics of a connector: what flows, when, and that the register counts it."""

from __future__ import annotations

import pytest

from smartgrid.chargersim.busbar import Busbar
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.outlet import Outlet


def charging(car: Car, pilot_a: float = 32.0, **options: object) -> Outlet:
    """An outlet whose car has followed the pilot, 5 s after it was plugged in at 0."""
    outlet = Outlet(1, **options)  # type: ignore[arg-type]
    outlet.plug(car, 0.0)
    outlet.allow(pilot_a, 0.0)
    outlet.close(0.0)
    outlet.advance(5.0)
    return outlet


def test_a_car_takes_what_it_can_on_its_phases() -> None:
    assert charging(Car(max_current_a=16, phases=3)).power_kw == pytest.approx(11.04)
    assert charging(Car(max_current_a=16, phases=1)).currents_a == (16.0, 0.0, 0.0)
    assert charging(Car(max_current_a=32, phases=3), phases=1).power_kw == pytest.approx(7.36)


def test_a_car_follows_its_pilot_after_its_reaction_time_and_not_before() -> None:
    outlet = charging(Car(reaction_s=5.0), pilot_a=16)
    outlet.allow(6.0, 100.0)

    outlet.advance(104.9)
    assert outlet.current_a == 16
    outlet.advance(105.0)
    assert outlet.current_a == 6


def test_below_six_amperes_nothing_flows() -> None:
    assert charging(Car(), pilot_a=5.9).current_a == 0
    assert charging(Car(), pilot_a=6.0).current_a == 6


def test_the_register_counts_each_second_of_what_flowed() -> None:
    outlet = charging(Car(reaction_s=5.0), pilot_a=16)
    outlet.allow(8.0, 3605.0)
    outlet.advance(3605.0 + 5.0 + 3600.0)

    assert outlet.register_kwh == pytest.approx(11.04 * 3605 / 3600 + 5.52)


def test_the_register_does_not_depend_on_how_often_it_is_read() -> None:
    rarely, often = charging(Car(), 16), charging(Car(), 16)
    for second in range(6, 601):
        often.advance(float(second))
    rarely.advance(600.0)

    assert often.register_kwh == pytest.approx(rarely.register_kwh)


def test_a_car_tapers_and_ends_full() -> None:
    outlet = charging(Car(battery_kwh=10, energy_kwh=7.5), 16)
    currents = []
    for minute in range(1, 180):
        outlet.advance(minute * 60.0)
        currents.append(outlet.current_a)

    assert currents == sorted(currents, reverse=True)
    assert currents[0] == 16
    assert currents[-1] == 0
    assert outlet.register_kwh == pytest.approx(2.5, abs=0.05)


def test_unplugged_or_opened_nothing_flows_at_once() -> None:
    outlet = charging(Car(), 16)
    outlet.open(10.0)
    assert outlet.power_kw == 0

    outlet = charging(Car(), 16)
    outlet.unplug(10.0)
    assert outlet.power_kw == 0


def test_a_sleepy_car_does_not_wake_after_a_pause_until_it_is_plugged_in_anew() -> None:
    car = Car(sleeps_when_paused=True)
    outlet = charging(car, 16)
    outlet.allow(0.0, 10.0)
    outlet.advance(20.0)
    outlet.allow(16.0, 30.0)
    outlet.advance(60.0)
    assert outlet.current_a == 0

    outlet.unplug(70.0)
    outlet.plug(car, 80.0)
    outlet.close(80.0)
    outlet.advance(90.0)
    assert outlet.current_a == 16


def test_a_busbar_knows_what_all_draw_at_each_moment() -> None:
    busbar = Busbar()
    left = Outlet(1, on_power=busbar.change)
    right = Outlet(1, on_power=busbar.change)
    for outlet in (left, right):
        outlet.plug(Car(reaction_s=5.0), 0.0)
        outlet.allow(16.0, 0.0)
        outlet.close(0.0)
    left.advance(5.0)
    left.open(50.0)
    right.advance(50.0)

    assert [moment.power_kw for moment in busbar.moments()] == pytest.approx([22.08, 11.04])
    assert busbar.most_between_kw(0.0, 4.0) == 0
    assert busbar.most_between_kw(49.0, 60.0) == pytest.approx(22.08)
    assert busbar.most_between_kw(50.5, 60.0) == pytest.approx(11.04)
