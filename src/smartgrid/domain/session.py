"""One car's charging session at one substation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from smartgrid.domain.request import ChargeRequest

SECONDS_PER_HOUR = 3600.0


class SessionState(StrEnum):
    """OCPP 2.0.1 charging states (part 2, ChargingStateEnumType); `Idle` is a session that has ended."""

    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class EndReason(StrEnum):
    """Why a session ended.

    `PowerLoss` is a car that left while its substation was out of service, so without what it would have got.
    `Superseded` is a session whose key has another one elsewhere, of a later try (docs/protocol.md).
    """

    ENERGY_DELIVERED = "EnergyDelivered"
    DEPARTED = "Departed"
    STOPPED = "Stopped"
    POWER_LOSS = "PowerLoss"
    SUPERSEDED = "Superseded"


@dataclass(slots=True)
class Session:
    """A session and its meter. Times are seconds on the caller's clock.

    The owner (`domain.substation.Substation`) changes it; everyone else only reads.
    """

    session_id: str
    request: ChargeRequest
    started_s: float
    state: SessionState = SessionState.CHARGING
    power_kw: float = 0.0
    delivered_kwh: float = 0.0
    ended_s: float | None = None
    end_reason: EndReason | None = None

    @property
    def active(self) -> bool:
        return self.ended_s is None

    def grant(self, power_kw: float) -> None:
        """Charge at `power_kw` from now on; 0 suspends."""
        self.power_kw = power_kw
        self.state = SessionState.CHARGING if power_kw > 0 else SessionState.SUSPENDED_EVSE

    def meter(self, duration_s: float) -> float:
        """Count the energy of `duration_s` at the present power, and return it; never more than was asked for."""
        before_kwh, gained_kwh = self.delivered_kwh, self.power_kw * duration_s / SECONDS_PER_HOUR
        self.delivered_kwh = min(self.request.energy_kwh, before_kwh + gained_kwh)
        return self.delivered_kwh - before_kwh

    def end(self, ended_s: float, reason: EndReason) -> None:
        self.state, self.power_kw = SessionState.IDLE, 0.0
        self.ended_s, self.end_reason = ended_s, reason

    def full_s(self, now_s: float) -> float | None:
        """When it is full if its power stays as it is; None if never: while suspended, or at next to no power."""
        if self.power_kw <= 0:
            return None
        full_s = now_s + (self.request.energy_kwh - self.delivered_kwh) / self.power_kw * SECONDS_PER_HOUR
        return full_s if math.isfinite(full_s) else None
