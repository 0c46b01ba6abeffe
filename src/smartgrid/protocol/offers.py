"""The bodies that travel between an edge and a substation (docs/chargers-protocol.md).

An edge says what may be drawn, and what is booked and shared follows from it: so every number has bounds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from smartgrid.domain.status import MAX_ENERGY_KWH
from smartgrid.protocol.models import ChargeBody, WireModel, printable, within_calendar

MAX_CHARGER_KW = 1000.0
"""More than any charger gives."""
MAX_NUMBER = 2**53
MAX_REPORTS = 200
"""Sessions in one batch of reports: a body has 64 KiB at the most."""
MAX_CONNECTOR = 1000
"""The greatest number of a connector; that a charger can have as many is not said (`protocol.chargers`)."""
MAX_CONNECTORS_SEEN = 100_000
"""By one edge at one substation."""
MAX_WAIT_S = 30
"""Of a poll for offers: an answer without news renews the lease, long before it is over."""
MAX_EDGE = 80
"""Characters of an edge's name."""
HAS_LEFT = "EVDisconnected"
"""The reason of an end whose car has been plugged out (OCPP): it has left, and was not stopped."""
NOBODY = "nobody"
"""In whose name an edge claims a session that it gives back: nobody asks in this name, so its lease runs out."""

PowerKw = Annotated[float, Field(ge=0, le=MAX_CHARGER_KW)]
EnergyKwh = Annotated[float, Field(ge=0, le=MAX_ENERGY_KWH)]
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Name = Annotated[str, Field(min_length=1, max_length=48), AfterValidator(printable)]
EdgeName = Annotated[str, Field(min_length=1, max_length=MAX_EDGE), AfterValidator(printable)]
SessionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Time = Annotated[AwareDatetime, AfterValidator(within_calendar)]


class PlugBody(WireModel):
    """Where a car is plugged in, and what its charger lets it draw at this moment."""

    charger: Name
    connector: int = Field(ge=1, le=MAX_CONNECTOR)
    transaction_id: Name | None = None
    edge: EdgeName = Field(description="Who starts it and so holds it: a name, and a part drawn at its start.")
    rating_kw: PowerKw = Field(description="The most that the connector can give.")
    fallback_kw: PowerKw = Field(description="What may be drawn without any word.")
    held_kw: PowerKw = Field(description="The most that may be drawn just now.")
    is_controlled: bool = Field(True, description="Whether it does what it is told; else it is booked at its rating.")
    started_at: Time | None = Field(None, description="When it was plugged in, if that was before.")
    meter_kwh: EnergyKwh = Field(0.0, description="The charger's register at the start.")


class PluggedChargeBody(ChargeBody):
    """A car that asks to charge, or is plugged in already; the latter is believed from a service only."""

    charger: PlugBody | None = Field(None, description="Where it is plugged in: from an edge.")


class EndBody(WireModel):
    """A charging transaction is over."""

    energy_kwh: EnergyKwh | None = Field(description="The whole of it; null where the charger never said.")
    ended_at: Time | None = None
    reason: str = Field("", max_length=64, description="In OCPP's words.", examples=[HAS_LEFT])


class ConnectorsBody(WireModel):
    """How many connectors an edge sees at the substation, and how many have neither a car nor a fault."""

    total: int = Field(ge=0, le=MAX_CONNECTORS_SEEN)
    free: int = Field(ge=0, le=MAX_CONNECTORS_SEEN)


class ReportBody(WireModel):
    """The state of one session, as its edge has it. The latest counts."""

    session_id: SessionId
    number: Number = Field(description="Of the last offer that was adopted.")
    held_kw: PowerKw | None = Field(description="The most that may be drawn in the lease; null if not known.")
    fallback_kw: PowerKw = Field(description="What may be drawn without any word.")
    rating_kw: PowerKw
    is_controlled: bool = True
    power_kw: PowerKw | None = Field(None, description="By the meter.")
    energy_kwh: EnergyKwh | None = Field(None, description="Since the session's start.")
    measured_at: Time | None = None
    car: Literal["Charging", "EVConnected", "SuspendedEV", "SuspendedEVSE"] | None = None


class ReportsBody(WireModel):
    """What an edge says of its sessions at a substation."""

    epoch: Number = Field(description="Of the offers that it goes by.")
    edge: EdgeName
    sequence: Number = Field(
        0, description="Greater with every batch of this edge: one that comes after a later one lowers nothing."
    )
    connectors: ConnectorsBody | None = None
    claims: list[tuple[SessionId, Number]] = Field(
        default_factory=list,
        max_length=MAX_REPORTS,
        description="Sessions whose holder it would be, with the number by which it knows them.",
    )
    sessions: list[ReportBody] = Field(default_factory=list, max_length=MAX_REPORTS)


class ReportsAnswer(WireModel):
    """Where the substation is by now, and which sessions of the batch are not open there."""

    epoch: int
    revision: int
    gone: list[str]


class OfferBody(WireModel):
    """What one session with a charger may draw."""

    session_id: str
    vehicle_id: str
    state: Literal["Waiting", "Charging", "SuspendedEVSE", "SuspendedEV", "Stopping"]
    number: int = Field(description="Grows with every change of the offer.")
    offer_kw: float
    edge: str = Field(description="Its holder, whose reports may lower what is booked.")
    charger: str
    connector: int
    transaction_id: str | None
    meter_kwh: float = Field(description="The charger's register at the start.")
    position: int | None = Field(None, description="While it waits: its place in the list.")
    expected_start: str | None = None
    lapsed: bool = Field(False, description="Whether no edge that holds it has asked for a lease. Absent if not.")


class OffersBody(WireModel):
    """All open sessions with a charger. Good for `lease_s` from when it was asked for."""

    epoch: int = Field(description="Drawn when the substation's process starts.")
    revision: int = Field(description="Grows with every change of offers within an epoch.")
    lease_s: float
    capacity_kw: float
    firm_capacity_kw: float = Field(description="What the fallbacks of all connectors may take together.")
    sessions: list[OfferBody]
