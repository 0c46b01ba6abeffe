"""Settings of the substation service."""

from __future__ import annotations

import socket

from pydantic import Field

from smartgrid.domain.substation import RESERVATION_S
from smartgrid.domain.waiting_list import MOST_CARS
from smartgrid.protocol.models import MemberName
from smartgrid.runtime.quotas import QUOTAS_DESCRIPTION, QuotasText
from smartgrid.runtime.settings import ServiceSettings
from smartgrid.substation.ledger import KEEP_ENDED
from smartgrid.substation.limits import LEASE_S
from smartgrid.substation.recovery import MAX_CLOCK_BACK_S


def _host_label() -> str:
    return socket.gethostname().split(".")[0].lower()


class SubstationSettings(ServiceSettings):
    """`SMARTGRID_NAME` and so on."""

    port: int = Field(8082, ge=1, le=65535, description="TCP port to listen on.")
    name: MemberName = Field(default_factory=_host_label, description="Its name in the grid; by default the host's.")
    capacity_kw: float | None = Field(
        None,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="Most power that it gives. When not set: drawn once in 80-120 kW and kept.",
    )
    time_scale: float = Field(
        1, ge=0.001, le=100_000, allow_inf_nan=False, description="How much faster than the wall clock its clock runs."
    )
    keep_ended: int = Field(KEEP_ENDED, ge=0, description="How many ended sessions to keep on record.")
    max_active: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Most sessions at once. When not set: one for each kW of capacity, but at least 2000.",
    )
    max_session_h: float = Field(
        48,
        gt=0,
        le=8784,
        allow_inf_nan=False,
        description="Longest session in hours of its own clock; it ends then as if the car had departed.",
    )
    max_waiting: int = Field(
        MOST_CARS,
        ge=0,
        le=MOST_CARS,
        description="Most cars on the waiting list; with 0 nobody waits here.",
    )
    lease_s: float = Field(
        LEASE_S,
        ge=10,
        le=3600,
        allow_inf_nan=False,
        description="How long an edge may go by an answer to what its chargers are offered; for so long what a charger "
        "was told stays booked if nobody asks any more.",
    )
    firm_capacity_kw: float | None = Field(
        None,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="What chargers may draw together without any word from their edge. When not set: the capacity.",
    )
    reservation_s: float = Field(
        RESERVATION_S,
        ge=1,
        le=86400,
        allow_inf_nan=False,
        description="How long a connector is kept for a car that has asked, and has not plugged in yet.",
    )
    quotas: QuotasText = Field("", description=QUOTAS_DESCRIPTION)
    max_clock_back_s: float = Field(
        MAX_CLOCK_BACK_S,
        ge=0,
        allow_inf_nan=False,
        description="How far the clock may be behind the last sign of life in the data at a start.",
    )
