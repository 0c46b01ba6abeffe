"""What a charger says, whatever the version of OCPP it says it in. Times are wall times, put right.

`v16` and `v2x` make these values of payloads, and nobody behind them sees a payload again. Where the versions differ,
the value has what both can tell: 1.6 begins and ends a transaction by messages of their own (`StartTold`, `StopTold`),
2.x by events of one transaction (`EventTold`). All else has one form.

A value tells what was said and not what follows from it. What is needed to judge that is in it: whether it comes from a
queue (`is_late`), and when it came and of when the charger says it is (`heard`), for what a clock that is off does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from smartgrid.edge.ports import CarState, Heard, Reading


class ConnectorStatus(StrEnum):
    """OCPP 1.6 ChargePointStatus, and of 2.x Occupied where no more is known."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"
    UNKNOWN = "Unknown"


CAR_OF_STATUS = {
    ConnectorStatus.PREPARING: CarState.EV_CONNECTED,
    ConnectorStatus.CHARGING: CarState.CHARGING,
    ConnectorStatus.SUSPENDED_EV: CarState.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE: CarState.SUSPENDED_EVSE,
    ConnectorStatus.FINISHING: CarState.EV_CONNECTED,
}


@dataclass(frozen=True, slots=True)
class Booted:
    """BootNotification: what the charger is."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class StatusTold:
    """StatusNotification; connector 0 is the charger itself. `plug` is which one of an EVSE's, in 2.x."""

    connector: int
    status: ConnectorStatus
    wall_s: float
    error: str = ""
    plug: int = 0


@dataclass(frozen=True, slots=True)
class StartTold:
    """StartTransaction of 1.6. `identity` is what repeats of it have in common."""

    connector: int
    id_tag: str
    wall_s: float
    meter_kwh: float
    identity: str
    is_late: bool = False
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class StopTold:
    """StopTransaction of 1.6; `transaction_id` is None for 0 and -1, which chargers invent offline."""

    transaction_id: str | None
    id_tag: str
    wall_s: float
    meter_kwh: float | None
    reason: str
    readings: Sequence[Reading] = ()
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class ValuesTold:
    """MeterValues; `connector` 0 is the charger's main meter. `transaction_id` as in StopTold."""

    connector: int
    transaction_id: str | None
    readings: Sequence[Reading]


class EventKind(StrEnum):
    """Of a TransactionEvent."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class EventTold:
    """TransactionEvent of 2.x. `connector` is its EVSE, None where it is left out.

    `id_tag` is None where no token was told. `is_authorized` and `is_plugged` are what the event shows by itself.
    `may_be_plugged`: it tells nothing of the car, as the events of some chargers never do; then the EVSE's status or
    the meter may. One that says that there is no car (Idle, `is_unplugged`) is believed.
    """

    kind: EventKind
    transaction_id: str
    seq_no: int
    wall_s: float
    connector: int | None
    id_tag: str | None
    is_authorized: bool
    is_plugged: bool
    car: CarState | None
    reason: str
    readings: Sequence[Reading] = ()
    is_late: bool = False
    may_be_plugged: bool = False
    is_unplugged: bool = False
    heard: Heard | None = None
