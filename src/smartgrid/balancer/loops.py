"""A fleet must not contain itself.

A balancer looks like a substation, so one could be made a member of itself, or of a balancer beneath it: by hand, in
the settings, or behind a Service that leads back. Each would add the other's totals to its own, for ever, and send cars
in a circle. So a balancer tells in `GET /status` who it is and which balancers it knows beneath it, each by its epoch
(docs/protocol.md), and takes no member in which it finds its own.

That reaches over any number of balancers, whichever of them is joined last, and takes no clock and no bound of hops. Of
two that join each other at the same moment both may refuse; each tries again after its own pause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smartgrid.protocol.status_header import MAX_COUNT

MAX_BALANCERS = 1000
"""Told and believed at the most; a loop over more is not seen."""


def told_by(status: Mapping[str, Any]) -> frozenset[int]:
    """The epochs of the balancers that a member's `GET /status` names: none where it is a substation.

    Raises ValueError for what names none.
    """
    found = status.get("balancers", [])
    if not isinstance(found, list) or len(found) > MAX_BALANCERS:
        raise ValueError(f"balancers must be a list of {MAX_BALANCERS} at the most")
    if not all(isinstance(each, int) and 0 <= each <= MAX_COUNT for each in found):
        raise ValueError("balancers must be epochs")
    return frozenset(found)
