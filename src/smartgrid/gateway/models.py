"""The bodies that only the gateway answers with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smartgrid.protocol.models import WireModel


class ChargeCounts(WireModel):
    """Requests to charge since the gateway started."""

    admitted: int
    waiting: int = Field(description="No room yet: they wait at a substation.")
    replayed: int = Field(description="Retries that got the session that the key had.")
    rejected: int = Field(description="No room anywhere.")
    failed: int


class SubstationSummary(WireModel):
    """A substation as clients may know it; null where it has not answered the balancer yet."""

    name: str
    in_rotation: bool = Field(description="Whether it may get cars.")
    state: Literal["Available", "Draining"] | None
    capacity_kw: float | None
    load_kw: float | None
    load_percentage: float | None
    active_sessions: int | None


class FleetSummary(WireModel):
    substations: list[SubstationSummary]


class GatewayStatus(WireModel):
    """State of the gateway."""

    name: Literal["gateway"]
    uptime_s: float
    balancer_reachable: bool
    charge_requests: ChargeCounts
    active_sessions: int | None = Field(description="Of the whole grid; null while the balancer does not answer.")
