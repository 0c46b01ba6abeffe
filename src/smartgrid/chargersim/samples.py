"""What a connector's meter says at one moment, as much as the charger has meters for."""

from __future__ import annotations

from smartgrid.chargersim.behaviour import Behaviour
from smartgrid.chargersim.dialect import Sample
from smartgrid.chargersim.outlet import Outlet

PHASES = ("L1", "L2", "L3")


def samples_of(outlet: Outlet, behaviour: Behaviour, offered_a: float) -> list[Sample]:
    found = [Sample("Energy.Active.Import.Register", outlet.register_kwh * 1000, "Wh")]
    if behaviour.has_power_meter:
        found.append(Sample("Power.Active.Import", outlet.power_kw * 1000, "W"))
    if behaviour.has_phase_meters:
        for phase, current_a in zip(PHASES, outlet.currents_a, strict=False):
            found.append(Sample("Current.Import", current_a, "A", phase))
        for number, phase in enumerate(PHASES[: outlet.phases]):
            is_zero = behaviour.unused_phases_read_zero_volts and number >= outlet.used_phases
            found.append(Sample("Voltage", 0.0 if is_zero else outlet.voltage_v, "V", f"{phase}-N"))
        found.append(Sample("Current.Offered", offered_a, "A"))
    return found
