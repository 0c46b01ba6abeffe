"""All orders in which policies look for a member, behind one door: `FleetIndex`."""

from __future__ import annotations

from smartgrid.domain.routing.index.fleet_index import FleetIndex

__all__ = ["FleetIndex"]
