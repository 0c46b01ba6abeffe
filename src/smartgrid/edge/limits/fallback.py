"""The safe currents of a substation: what its chargers may let flow when nobody tells them anything any more.

Each session has one as the TxDefaultProfile of its connector; a connector without a session has 0 A, so a car that
plugs in draws nothing before it is booked. The sum over all sessions must fit the firm capacity: 6 A for each, in their
order, while that fits, and 0 A for the rest. Lowered at once when the firm capacity falls, raised at most hourly: each
change is a profile in the memory of a charger. A session that is new gets its safe current at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from smartgrid.edge.limits.amps import MINIMUM_A, NOMINAL_V
from smartgrid.edge.ports import ConnectorSpec

RAISE_SPACING_S = 3_600.0
_ROUNDING = 1e-9


def plan(connectors: Sequence[ConnectorSpec], firm_capacity_kw: float, voltage_v: float = NOMINAL_V) -> list[float]:
    """The current for each, in their order; one that does not fit does not keep a smaller one after it from it."""
    left_kw = firm_capacity_kw + _ROUNDING
    currents_a = []
    for spec in connectors:
        safe_a = MINIMUM_A if spec.rating_a >= MINIMUM_A else 0.0
        needs_kw = safe_a * spec.phases * voltage_v / 1_000
        fits = needs_kw <= left_kw
        currents_a.append(safe_a if fits else 0.0)
        left_kw -= needs_kw if fits else 0.0
    return currents_a


@dataclass(slots=True)
class SafeCurrents:
    """Of one substation, over time. Connectors with a session are named as their owner likes."""

    _planned_a: dict[str, float] = field(default_factory=dict)
    _raised_s: float | None = None

    def update(
        self,
        connectors: Sequence[tuple[str, ConnectorSpec]],
        firm_capacity_kw: float,
        now_s: float,
        still_a: Mapping[str, float] = MappingProxyType({}),
        others_kw: float = 0.0,
    ) -> dict[str, float]:
        """What each is to have now. `still_a` is what those may still have that have not confirmed a lower one.

        `others_kw` is what may be drawn by the safe currents of connectors that are not in the list (any more).
        """
        firm_capacity_kw -= others_kw
        specs = dict(connectors)
        wanted_a = dict(zip(specs, plan(list(specs.values()), firm_capacity_kw), strict=True))
        lower_a = {name: min(current, self._planned_a.get(name, current)) for name, current in wanted_a.items()}
        if lower_a != wanted_a:
            may_raise = self._raised_s is None or now_s >= self._raised_s + RAISE_SPACING_S
            most_kw = sum(
                max(wanted_a[name], still_a.get(name, 0.0)) * spec.phases * NOMINAL_V / 1_000
                for name, spec in connectors
            )
            if may_raise and most_kw <= firm_capacity_kw + _ROUNDING:
                self._raised_s = now_s
                lower_a = wanted_a
        self._planned_a = lower_a
        return lower_a
