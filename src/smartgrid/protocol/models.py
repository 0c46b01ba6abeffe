"""The bodies that travel between clients and services."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import to_json

from smartgrid.domain.request import DEFAULT_MAX_POWER_KW, PowerRange, default_min_power_kw
from smartgrid.domain.session import EndReason, SessionState
from smartgrid.protocol.session_id import is_session_id

MEMBER_NAME = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
)  # a DNS label: no dot, as dots separate the parts of an id
LEAST_POWER_KW = 0.1  # below half an ampere nothing charges, and a flood of such sessions would fill the books
MAX_REGIONS = 16
"""Named in one request."""
LAST_TIME = datetime(9998, 12, 31, tzinfo=UTC)  # in every zone a year that calendars can count


def printable(value: str) -> str:
    """Raises ValueError for what is not."""
    if not value.isprintable() or not value.strip():
        raise ValueError("must be printable characters, and not only spaces")
    return value


def _member_name(value: str) -> str:
    if not MEMBER_NAME.fullmatch(value):
        raise ValueError("must be a DNS label: a-z, 0-9 and inner hyphens, 63 characters at the most")
    return value


def within_calendar(value: datetime) -> datetime:
    """Raises ValueError for what is not."""
    if value.replace(tzinfo=UTC) > LAST_TIME:
        raise ValueError(f"must be before the year {LAST_TIME.year + 1}")
    return value


def _region(value: object) -> object:
    """One sentence for whatever is wrong with it; what of pydantic's union is, is one for each of its members."""
    names = value if isinstance(value, list) else [value]
    if value is not None and not (
        1 <= len(names) <= MAX_REGIONS and all(isinstance(n, str) and MEMBER_NAME.fullmatch(n) for n in names)
    ):
        raise ValueError(f"must be the name of a region, or a list of 1 to {MAX_REGIONS} names, such as west")
    return value


def _session_id(value: str) -> str:
    if not is_session_id(value):
        raise ValueError("must be the id of a session")
    return value


MemberName = Annotated[str, AfterValidator(_member_name)]
SessionId = Annotated[str, AfterValidator(_session_id)]


class WireModel(BaseModel):
    """Unknown fields, wrong types, NaN and infinities are refused, in what clients send."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class ChargeBody(WireModel):
    """A car that asks to charge."""

    vehicle_id: Annotated[str, Field(min_length=1, max_length=64, examples=["EV-042"]), AfterValidator(printable)]
    energy_kwh: float | None = Field(
        gt=0,
        le=500,
        description="Energy wanted; null where nobody knows: then it charges until it leaves.",
        examples=[12.5],
    )
    max_power_kw: float = Field(
        DEFAULT_MAX_POWER_KW, ge=LEAST_POWER_KW, le=500, description="Most power that the car can take.", examples=[11]
    )
    min_power_kw: float | None = Field(
        None,
        ge=LEAST_POWER_KW,
        le=500,
        description="Least power worth having; equal to max_power_kw for a car that cannot be regulated. "
        "By default 6 A: 1.38 kW up to 7.4 kW (one phase), 4.14 kW up to 22 kW (three phases), 5 kW above (DC).",
    )
    departure_time: Annotated[AwareDatetime, AfterValidator(within_calendar)] | None = Field(
        None, description="When the car leaves at the latest, RFC 3339 with an offset. Until it is full if not given."
    )
    wait: bool = Field(
        False,
        description="Where no substation has room: wait for it at one (202, state `Waiting`) instead of 503. "
        "The header `Prefer: respond-async` asks for the same.",
    )
    wait_until: Annotated[AwareDatetime, AfterValidator(within_calendar)] | None = Field(
        None, description="With `wait`: until when it waits at the latest; until the departure if not given."
    )
    region: Annotated[str | list[str] | None, BeforeValidator(_region)] = Field(
        None,
        description="The only region that will do, or several, the best first, where the grid has regions. Any region "
        "if not given. A repeat of a key finds its session wherever it is.",
        examples=["west"],
    )

    @model_validator(mode="after")
    def _ordered(self) -> ChargeBody:
        if self.min_power_kw is not None and self.min_power_kw > self.max_power_kw:
            raise ValueError(f"min_power_kw must not exceed max_power_kw, which is {self.max_power_kw:g}")
        if self.wait_until is not None and not self.wait:
            raise ValueError("wait_until needs wait: true")
        return self

    @property
    def power(self) -> PowerRange:
        floor_kw = self.min_power_kw if self.min_power_kw is not None else default_min_power_kw(self.max_power_kw)
        return PowerRange(floor_kw, self.max_power_kw)

    @property
    def wanted_kwh(self) -> float:
        """As the domain has it: infinite where nobody knows."""
        return math.inf if self.energy_kwh is None else self.energy_kwh

    @property
    def regions(self) -> tuple[str, ...] | None:
        """The regions that it names, the best first; None where any will do."""
        if self.region is None:
            return None
        return (self.region,) if isinstance(self.region, str) else tuple(self.region)

    def filled_in(self, *, with_region: bool = True) -> bytes:
        """The same request as JSON with nothing left out, so that whoever gets it means the same by it.

        `with_region` is False where a region has been chosen: within it the wish for it means nothing.
        """
        whole: dict[str, object] = {
            "vehicle_id": self.vehicle_id,
            "energy_kwh": self.energy_kwh,
            "max_power_kw": self.max_power_kw,
            "min_power_kw": self.power.min_kw,
        }
        if self.departure_time is not None:
            whole["departure_time"] = self.departure_time
        if self.wait:
            whole["wait"] = True
        if self.wait_until is not None:
            whole["wait_until"] = self.wait_until
        if self.region is not None and with_region:
            whole["region"] = self.region
        return to_json(whole)


class CapacityBody(WireModel):
    """The grid operator's limit for a substation."""

    capacity_kw: float = Field(ge=0, le=100_000, description="Most power that the substation may give.", examples=[80])


class DrainingBody(WireModel):
    """Whether a substation takes no new cars; those that charge there go on."""

    draining: bool = Field(examples=[True])


class RegistrationBody(WireModel):
    """A substation (or a balancer of a region) to route to."""

    url: str = Field(min_length=8, max_length=512, examples=["http://127.0.0.1:8082"])
    name: MemberName | None = Field(None, description="The name that it gives itself, to be sure of who is there.")


class SessionBody(WireModel):
    """A charging session."""

    session_id: str
    vehicle_id: str
    substation: str
    state: SessionState
    energy_kwh: float | None = Field(description="Energy wanted; null where nobody knows.")
    delivered_kwh: float
    power_kw: float
    max_power_kw: float
    min_power_kw: float
    started_at: str | None = Field(description="Null as long as it waits.")
    ended_at: str | None
    departure_time: str | None
    end_reason: EndReason | None
    joined_at: str | None = Field(None, description="Since when it waited; absent where it never did.")
    wait_until: str | None = Field(
        None, description="Until when it waits at the latest; absent where nothing was said."
    )
    position: int | None = Field(None, description="While it waits: its place in the list, 1 for the first.")
    expected_start: str | None = Field(
        None,
        description="While it waits: when it will start if nothing unforeseen happens; null if it will not, or nobody "
        "knows, as it waits for a car at a charger whose energy nobody has named.",
    )
    reserved_until: str | None = Field(
        None, description="While it is `Reserved`: by when its car has to plug in; absent in all other states."
    )
    charger: str | None = Field(None, description="Where it is plugged in; absent of a session without a charger.")
    connector: int | None = Field(None, description="Of that charger.")
    offer_kw: float | None = Field(None, description="What the charger may be told to let it draw.")
    held_kw: float | None = Field(None, description="The most that it may still draw, whatever it was offered last.")
    metered_kw: float | None = Field(
        None, description="What it draws, by the charger's meter; null where that has said nothing for five minutes."
    )
    is_controlled: bool | None = Field(None, description="False of a charger that does not do what it is told.")
    superseded_by: str = Field("", description="The session that counts in its place; absent where there is none.")
    as_of: str | None = Field(
        None, description="Its substation is away: this is what was known of it then, powers too. Absent otherwise."
    )


class SessionPage(WireModel):
    """A page of sessions; `next_cursor` is null on the last one."""

    sessions: list[SessionBody]
    next_cursor: str | None


class ForecastBody(WireModel):
    """When a car would start to charge if it came now."""

    expected_start_in_s: float | None = Field(description="In seconds from now; null if not before it leaves.")
    takes: bool = Field(description="Whether it may wait here.")


class WaitingCarBody(WireModel):
    """A car on a waiting list, with all that it takes to let it charge elsewhere under the same key."""

    session_id: str
    digest: str = Field(description="Of owner and key, for Smartgrid-Key-Digest.")
    number: str = Field(description="Of its latest try.")
    fingerprint: str
    owner: str | None
    body: dict[str, Any] = Field(description="The request, as for POST /charge, without `wait`.")


class WaitingPage(WireModel):
    """The first cars on a waiting list, in its order."""

    cars: list[WaitingCarBody]


class StatusBody(WireModel):
    """A substation's state, or a balancer's for its whole fleet."""

    name: str
    state: Literal["Available", "Draining"]
    capacity_kw: float
    load_kw: float = Field(
        description="What of the capacity is given, so never more than that. What chargers may draw against their "
        "orders, or until they have confirmed a cut, is in booked_kw, and above the capacity in overbooked_kw."
    )
    load_percentage: float = Field(description="load_kw of capacity_kw, at most 100.")
    committed_kw: float = Field(description="Sum of the guaranteed minimums.")
    demand_kw: float = Field(description="Sum of the maximums.")
    active_sessions: int
    waiting_sessions: int = Field(description="Cars that wait for power.")
    waiting_kw: float = Field(description="Sum of the maximums of those that wait; not in demand_kw.")
    revision: int = Field(description="Grows with every change within one epoch; never goes back.")
    epoch: int = Field(description="Drawn when the process starts: revisions of two epochs do not compare.")
    connectors: int | None = Field(None, description="Connectors of chargers; absent where no chargers are known.")
    free_connectors: int | None = Field(None, description="How many of them a car can still be promised.")
    booked_kw: float | None = Field(
        None, description="The most that chargers may draw; absent where no chargers are known."
    )
    metered_kw: float | None = Field(None, description="What they draw, as far as their meters have said so lately.")
    overbooked_kw: float | None = Field(None, description="By how much booked_kw is above the capacity.")
    keys: dict[str, Any] | None = Field(None, description="With `keys`: a page of the log of keys (docs/protocol.md).")


class FieldError(WireModel):
    field: str
    message: str


class Problem(WireModel):
    """An error (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] | None = None
    needs: list[str] | None = Field(None, description="With `forbidden`: the scopes of which one is needed.")
    superseded_by: str | None = Field(None, description="With `superseded`: the session of the key that counts.")


class Health(WireModel):
    status: Literal["ok"]


class Readiness(WireModel):
    status: Literal["ready"]
