"""One car's charging session at one substation.

A session counts no energy of its own while it charges. It is connected to a *supply*, which has a reading that grows by
what each of its sessions is given, as a meter in front of all of them would; and the session keeps the reading at which
it will be full (`full_at`). What it still lacks is the difference of the two. So a thousand sessions that get the same
power cost one reading and not a thousand sums, none of them is ever out of date, and to look at one changes nothing. A
session with a charger has a supply of its own: the charger's meter.

While it is not connected (it is suspended, or only reserved) it keeps what it lacks. Energies are whole quanta
(`quanta`), so whatever is asked in between, the sums are the same to the last bit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from smartgrid.domain import quanta
from smartgrid.domain.request import ChargeRequest

SECONDS_PER_HOUR = 3600.0


class SessionState(StrEnum):
    """OCPP 2.0.1 charging states (part 2, ChargingStateEnumType); `Idle` is a session that has ended.

    `Waiting` is ours: a session on a substation's waiting list, which has not begun to charge. So is `Reserved`: its
    minimum and a connector are kept for a car that has not plugged in yet.
    """

    WAITING = "Waiting"
    RESERVED = "Reserved"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    IDLE = "Idle"


class EndReason(StrEnum):
    """Why a session ended.

    `PowerLoss` is a car that left while its substation was out of service, so without what it would have got.
    `Superseded` is a session whose key has another one elsewhere, of a later try (docs/protocol.md). `WaitExpired` is
    one that waited until the time that its client had set, and never began to charge. `NotPluggedIn` is one whose car
    did not come to the connector that was kept for it.
    """

    ENERGY_DELIVERED = "EnergyDelivered"
    DEPARTED = "Departed"
    STOPPED = "Stopped"
    POWER_LOSS = "PowerLoss"
    SUPERSEDED = "Superseded"
    WAIT_EXPIRED = "WaitExpired"
    NOT_PLUGGED_IN = "NotPluggedIn"


class Supply(Protocol):
    """What a charging session gets its power from, with all that always get the same (`domain.water_level.Group`), or
    alone from its charger (`domain.charger_sessions.ChargerSession`)."""

    @property
    def power_kw(self) -> float:
        """What each of them gets now."""

    @property
    def state(self) -> SessionState:
        """Whether that is anything, and why not."""

    def reading(self) -> int:
        """What one that was there all the time would have been given until now, in quanta of energy."""


class Session:
    """A session, as it is at the present time of its substation. Times are seconds on the caller's clock.

    While it charges it does not count its energy: it keeps the reading of its supply at which it will be full. So it is
    never out of date, and to look at it changes nothing. Its owner (`domain.substation.Substation`) changes it;
    everyone else only reads.
    """

    __slots__ = (
        "_lacks",
        "_supply",
        "_wanted",
        "end_reason",
        "ended_s",
        "full_at",
        "number",
        "request",
        "session_id",
        "started_s",
    )

    def __init__(self, session_id: str, request: ChargeRequest, started_s: float, delivered_kwh: float = 0.0) -> None:
        self.session_id = session_id
        self.request = request
        self.started_s = started_s
        self.ended_s: float | None = None
        self.end_reason: EndReason | None = None
        self.number = 0  # the order in which its substation took it in
        self._wanted = quanta.of_kwh(request.energy_kwh)
        self._lacks = self._wanted - quanta.of_kwh(delivered_kwh)  # while it is not connected
        self._supply: Supply | None = None
        self.full_at = 0  # the reading of its supply

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, {self.state}, {self.delivered_kwh:g} of {self.request.energy_kwh:g} kWh)"

    @property
    def active(self) -> bool:
        return self.ended_s is None

    @property
    def state(self) -> SessionState:
        if self.ended_s is not None:
            return SessionState.IDLE
        if self._supply is None:
            return SessionState.RESERVED if self.request.is_metered else SessionState.SUSPENDED_EVSE
        return self._supply.state

    @property
    def power_kw(self) -> float:
        return 0.0 if self._supply is None else self._supply.power_kw

    @property
    def delivered_kwh(self) -> float:
        """What it has been given, never more than was asked for."""
        lacks = self.lacks()
        return quanta.to_kwh(self._wanted - lacks) if lacks > 0 else float(self.request.energy_kwh)

    def lacks(self) -> int:
        """What it still needs to be full, in quanta of energy; it is full where that is not positive."""
        return self._lacks if self._supply is None else self.full_at - self._supply.reading()

    def copy(self) -> Session:
        """The same session once more, not connected to any supply."""
        twin = Session(self.session_id, self.request, self.started_s)
        twin._lacks = self.lacks()
        return twin

    def is_full_in(self, duration_s: float) -> bool:
        """Whether it is full by then if its power stays as it is."""
        return self.lacks() <= quanta.of_kw(self.power_kw) * quanta.of_s(duration_s)

    def connect(self, supply: Supply) -> None:
        """Charge from now on."""
        self.full_at = supply.reading() + self._lacks
        self._supply = supply

    def disconnect(self) -> None:
        """Get no power from now on."""
        self._lacks = self.lacks()
        self._supply = None

    def begin_anew(self) -> None:
        """Have had nothing yet; it is not connected."""
        self._lacks = self._wanted

    def round(self, reading: int | None = None) -> int:
        """Have been delivered just `delivered_kwh`, which is rounded; returns how much more that is, in quanta.

        While it is connected, `reading` is the present one of its supply.
        """
        before = self._lacks if reading is None else self.full_at - reading
        delivered_kwh = quanta.to_kwh(self._wanted - before) if before > 0 else self.request.energy_kwh
        self._lacks = self._wanted - quanta.of_kwh(delivered_kwh)
        if reading is not None:
            self.full_at = reading + self._lacks
        return before - self._lacks

    def end(self, ended_s: float, reason: EndReason) -> int:
        """Returns what it is delivered in this moment, in quanta: the clock is too coarse to meter the very last."""
        self.disconnect()
        rest = self._lacks if reason is EndReason.ENERGY_DELIVERED else min(0, self._lacks)
        self._lacks -= rest
        self.ended_s, self.end_reason = ended_s, reason
        return rest
