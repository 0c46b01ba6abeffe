"""What both versions of OCPP say, in each its own words: between the state machine and the wire.

`charger` says what happens (a car came, a transaction ended) to a `Dialect`, which makes a call of it. A call that
comes in goes the other way: the `Dialect` reads it and carries it out by the `Commands` that the charger implements. So
the machine knows no version, but for one thing that changes its course: who gives a transaction its id
(`names_transactions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from smartgrid.chargersim.profiles import Profile, Purpose
from smartgrid.chargersim.transaction import Transaction

Payload = Mapping[str, Any]


class Said(NamedTuple):
    """A call to make."""

    action: str
    payload: Payload


class State(StrEnum):
    """Of a connector (1.6 ChargePointStatus; 2.x knows only Available and Occupied)."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    FAULTED = "Faulted"


class Sample(NamedTuple):
    """One sampled value, in OCPP's own names of measurands and units."""

    measurand: str
    value: float
    unit: str
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a charger says it is."""

    name: str
    vendor: str = "Simulated"
    model: str = "chargersim"
    firmware: str = "1"


class UnknownActionError(Exception):
    """There is no such command here."""


class Commands(Protocol):
    """What a charger lets others do; `charger.Charger` is it."""

    identity: Identity

    def set_profile(self, profile: Profile) -> bool: ...

    def clear_profiles(
        self, profile_id: int | None, connector: int | None, purpose: Purpose | None, level: int | None
    ) -> int: ...

    def allowed_a(self, connector: int) -> float: ...

    def connectors(self) -> Sequence[int]: ...

    def remote_start(self, connector: int | None, tag: str) -> bool: ...

    def remote_stop(self, transaction_id: str) -> bool: ...

    def unlock(self, connector: int) -> bool: ...

    def reset(self) -> bool: ...

    def configuration(self) -> Mapping[str, str]: ...

    def configure(self, key: str, value: str) -> bool: ...

    def trigger(self, message: str, connector: int | None) -> bool: ...

    def wall_s(self) -> float: ...


class Dialect(Protocol):
    """One version of OCPP."""

    subprotocol: str

    def boot(self, identity: Identity) -> Said: ...

    def status(self, connector: int, state: State, wall_s: float) -> Said: ...

    def heartbeat(self) -> Said: ...

    def authorize(self, tag: str) -> Said: ...

    def began(self, transaction: Transaction, state: State, samples: Sequence[Sample]) -> Said: ...

    def reading(
        self, transaction: Transaction, state: State, samples: Sequence[Sample], wall_s: float, *, offline: bool
    ) -> Said: ...

    def authorized(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        """The token came after the beginning; None where there is no such message."""

    def changed(self, transaction: Transaction, state: State, wall_s: float, *, offline: bool) -> Said | None:
        """The charging state is another; None where a status is all."""

    def ended(self, transaction: Transaction, samples: Sequence[Sample], *, offline: bool) -> Said: ...

    def names_transactions(self) -> bool:
        """Whether the charger itself gives a transaction its id."""

    def is_accepted(self, answer: Payload) -> bool:
        """Whether an answer to Authorize, Start or an event lets the car charge."""

    def transaction_id(self, answer: Payload) -> str | None: ...

    def handle(self, commands: Commands, action: str, payload: Payload) -> Payload:
        """Do what was commanded and answer. Raises UnknownActionError."""


def iso(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall_of(text: str | None) -> float | None:
    """Seconds since 1970; None for None. Raises ValueError."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
