"""The header by which every answer of a substation carries its fresh status."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from smartgrid.domain.status import Status

NAME = "Smartgrid-Status"


class StatusHeader(BaseModel):
    """`GET /status` and what routing needs besides. `next_release_s` is in seconds of wall time from now."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str
    state: Literal["Available", "Draining"]
    capacity_kw: float
    load_kw: float
    load_percentage: float
    committed_kw: float
    demand_kw: float
    active_sessions: int
    revision: int
    next_release_s: float | None = None
    largest_free_kw: float | None = None

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
        )


def encode(name: str, status: Status, release_in_s: float | None) -> str:
    """The header's value: compact JSON. `release_in_s` is `status.next_release_s` as wall seconds from now."""
    header = StatusHeader(
        **wire_status(name, status),
        next_release_s=release_in_s,
        largest_free_kw=status.largest_free_kw,
    )
    return header.model_dump_json()


def wire_status(name: str, status: Status) -> dict[str, Any]:
    """`GET /status` as the design fixes it."""
    return {
        "name": name,
        "state": "Draining" if status.draining else "Available",
        "capacity_kw": round(status.capacity_kw, 9),
        "load_kw": round(status.load_kw, 9),
        "load_percentage": round(status.load_percentage, 9),
        "committed_kw": round(status.committed_kw, 9),
        "demand_kw": round(status.demand_kw, 9),
        "active_sessions": status.active_sessions,
        "revision": status.revision,
    }


def decode(value: str | None, now_s: float) -> tuple[str, Status] | None:
    """Name and status from the header's value; None where there is none or it is not readable."""
    if not value:
        return None
    try:
        header = StatusHeader.model_validate_json(value)
    except ValidationError:
        return None
    return header.name, header.to_status(now_s)
