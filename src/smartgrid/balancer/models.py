"""The bodies that only the balancer answers with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smartgrid.protocol.models import StatusBody, WireModel


class FleetStatusBody(StatusBody):
    """The fleet's totals, in the form of a substation's status."""

    substations: int = Field(description="Substations known.")
    balancers: list[int] = Field(
        description="Epochs of this balancer and of those beneath it: one that finds its own there does not take it in."
    )


class SubstationBody(WireModel):
    """A substation as the balancer sees it; null where it has not answered yet."""

    name: str
    url: str
    in_rotation: bool = Field(description="Whether it may get cars.")
    age_s: float | None = Field(description="Seconds since its last answer that changed something.")
    state: Literal["Available", "Draining"] | None
    capacity_kw: float | None
    load_kw: float | None
    load_percentage: float | None
    committed_kw: float | None
    demand_kw: float | None
    active_sessions: int | None
    waiting_sessions: int | None
    revision: int | None
    connectors: int | None = Field(description="Connectors of chargers; null where no chargers are known.")
    free_connectors: int | None = Field(description="How many of them a car can still be promised.")
    booked_kw: float | None = Field(description="The most that chargers may draw; null where none are known.")
    metered_kw: float | None = Field(description="What they draw, as far as their meters have said so lately.")
    overbooked_kw: float | None = Field(description="By how much booked_kw is above the capacity.")
    host: str | None = Field(description="What requests name as their host, where that is not the URL's.")


class FleetBody(WireModel):
    substations: list[SubstationBody]


class WantedBody(WireModel):
    """What the autoscaler of the substations is told (docs/autoscaling.md)."""

    demand_kw: float = Field(
        description="What the cars of the scaled substations could take, those that wait included."
    )
    busy_floor: int = Field(description="1 + the highest ordinal that has a car, or of which nobody knows.")
    substations: int = Field(description="Substations of the StatefulSet that are known, those that are away included.")
