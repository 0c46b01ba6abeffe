"""The header by which every answer of a substation carries its fresh status.

It is written for every car, so it is put together by hand; it is read from outside, so it is checked against bounds.
What does not fit them is no status at all: one absurd number of one substation must not spoil the sums of a fleet.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import to_json

from smartgrid.domain.status import MAX_ENERGY_KWH, MAX_POWER_KW, ROUNDING_KW, Status

WANTED = "wanted"
"""The header's value in a request: a balancer sends its status only to who asks for it."""
MAX_SESSIONS = 100_000_000
MAX_COUNT = 2**53
MAX_RELEASE_S = 366 * 86400.0
MAX_LENGTH = 2048

PowerKw = Annotated[float, Field(ge=0, le=MAX_POWER_KW)]


class StatusHeader(BaseModel):
    """`GET /status` and what routing needs besides. `next_release_s` is in seconds of wall time from now."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str = Field(max_length=63)
    state: Literal["Available", "Draining"]
    capacity_kw: PowerKw
    load_kw: PowerKw
    committed_kw: PowerKw
    demand_kw: PowerKw
    active_sessions: int = Field(ge=0, le=MAX_SESSIONS)
    revision: int = Field(ge=0, le=MAX_COUNT)
    epoch: int = Field(0, ge=0, le=MAX_COUNT)
    next_release_s: float | None = Field(None, le=MAX_RELEASE_S)
    largest_free_kw: PowerKw | None = None
    waiting_sessions: int = Field(0, ge=0, le=MAX_SESSIONS)
    waiting_kw: PowerKw = 0.0
    waiting_kwh: float = Field(0.0, ge=0, le=MAX_ENERGY_KWH)
    connectors: int | None = Field(None, ge=0, le=MAX_SESSIONS)
    free_connectors: int | None = Field(None, ge=0, le=MAX_SESSIONS)
    reserved_kw: PowerKw = 0.0
    booked_kw: PowerKw | None = None
    metered_kw: PowerKw | None = None
    overbooked_kw: PowerKw = 0.0

    @model_validator(mode="after")
    def _room_within_capacity(self) -> StatusHeader:
        if self.largest_free_kw is not None and self.largest_free_kw > self.capacity_kw + ROUNDING_KW:
            raise ValueError("largest_free_kw is more than capacity_kw")
        return self

    def to_status(self, now_s: float) -> Status:
        """As the domain sees it, with `now_s` the receiver's clock at the time of the answer."""
        free_kw = max(0.0, self.capacity_kw - self.committed_kw)
        return Status(
            capacity_kw=self.capacity_kw,
            load_kw=self.load_kw,
            committed_kw=self.committed_kw,
            demand_kw=self.demand_kw,
            active_sessions=self.active_sessions,
            revision=self.revision,
            next_release_s=None if self.next_release_s is None else now_s + max(0.0, self.next_release_s),
            largest_free_kw=free_kw if self.largest_free_kw is None else self.largest_free_kw,
            draining=self.state == "Draining",
            epoch=self.epoch,
            waiting_sessions=self.waiting_sessions,
            waiting_kw=self.waiting_kw,
            waiting_kwh=self.waiting_kwh,
            connectors=self.connectors,
            free_connectors=self.free_connectors,
            reserved_kw=self.reserved_kw,
            booked_kw=self.booked_kw,
            metered_kw=self.metered_kw,
            overbooked_kw=self.overbooked_kw,
        )


def encode(name: str, status: Status, release_in_s: float | None) -> str:
    """The header's value: compact JSON. `release_in_s` is `status.next_release_s` as wall seconds from now."""
    header = wire_status(name, status)
    header["next_release_s"] = None if release_in_s is None else min(release_in_s, MAX_RELEASE_S)
    header["largest_free_kw"] = status.largest_free_kw
    if status.reserved_kw:  # of a balancer alone
        header["reserved_kw"] = round(status.reserved_kw, 9)
    header["waiting_kwh"] = round(status.waiting_kwh, 9)
    return to_json(header).decode()


def wire_status(name: str, status: Status) -> dict[str, Any]:
    """`GET /status` as the design fixes it, and where there are chargers their connectors and what they draw."""
    shown: dict[str, Any] = {
        "name": name,
        "state": "Draining" if status.draining else "Available",
        "capacity_kw": round(status.capacity_kw, 9),
        "load_kw": round(status.load_kw, 9),
        "load_percentage": round(status.load_percentage, 9),
        "committed_kw": round(status.committed_kw, 9),
        "demand_kw": round(status.demand_kw, 9),
        "active_sessions": status.active_sessions,
        "waiting_sessions": status.waiting_sessions,
        "waiting_kw": round(status.waiting_kw, 9),
        "revision": status.revision,
        "epoch": status.epoch,
    }
    if status.connectors is not None:
        shown["connectors"], shown["free_connectors"] = status.connectors, status.free_connectors or 0
    if status.booked_kw is not None:
        shown["booked_kw"], shown["metered_kw"] = round(status.booked_kw, 9), round(status.metered_kw or 0.0, 9)
        shown["overbooked_kw"] = round(status.overbooked_kw, 9)
    return shown


def decode(value: str | None, now_s: float) -> tuple[str, Status] | None:
    """Name and status from the header's value; None where there is none, or none that can be."""
    if not value or len(value) > MAX_LENGTH:
        return None
    try:
        header = StatusHeader.model_validate_json(value)
    except ValidationError:
        return None
    return header.name, header.to_status(now_s)
