"""What is known of a substation, and when the plan of its safe currents is reckoned anew."""

from __future__ import annotations

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.substations import SubstationSeen
from smartgrid.edge.limits.quirks import DEFAULT
from smartgrid.edge.ports import ChargerId, ChargerSpec, Offers


def offers(firm_kw: float) -> Offers:
    return Offers("s0", 1, 1, 900.0, 1000.0, firm_kw, (), 0.0)


def test_a_plan_of_many_chargers_is_not_reckoned_anew_at_each_change_but_at_once_for_another_capacity() -> None:
    seen = SubstationSeen(
        "s0", chargers=[Charger(ChargerId("s0", f"c{n}"), ChargerSpec(), DEFAULT) for n in range(200)]
    )
    seen.take(offers(500.0))
    assert seen.wants_plan(100.0)
    seen.is_plan_due, seen.planned_s = False, 100.0  # as who reckons it notes
    assert not seen.wants_plan(200.0)
    seen.is_plan_due = True
    assert not seen.wants_plan(101.9)
    assert seen.wants_plan(102.0)
    seen.take(offers(500.0))
    assert not seen.wants_plan(101.9)
    seen.take(offers(400.0))
    assert seen.wants_plan(101.9)
