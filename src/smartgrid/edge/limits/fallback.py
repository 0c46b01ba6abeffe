"""The safe currents of a substation: what its chargers may let flow when nobody tells them anything any more.

Each session has one as the TxDefaultProfile of its connector; a connector without a session has 0 A, so a car that
plugs in draws nothing before it is booked. The sum over all sessions must fit the firm capacity: 6 A for each, in their
order, while that fits, and 0 A for the rest. When they are changed is `chargers.safe_plans`' business.
"""

from __future__ import annotations

from collections.abc import Sequence

from smartgrid.edge.limits.amps import MINIMUM_A, NOMINAL_V
from smartgrid.edge.ports import ConnectorSpec

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
