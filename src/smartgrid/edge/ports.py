"""What the parts of an edge promise each other.

    chargers ══ OCPP ══ ocpp/ ── Upward ──▶ chargers/ ── Grid ──▶ grid/ ══ HTTP ══ substations
                        sockets              one Charger each       one poll a substation
                                             with its ConnectorLimits (limits/)

All of it runs in one event loop, in one thread: nothing here is called from another, and nothing here blocks. Whoever
comes from a thread of the HTTP API goes through `loop.call_soon_threadsafe`. Times named `now_s` are of
`time.monotonic`, wall times are named `wall_s`. What happens is told by calling a method; what takes time ends in a
callback, which is always called, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, Protocol

Payload = Mapping[str, Any]


class OcppVersion(StrEnum):
    """As named in the subprotocol. 2.1 is treated as 2.0.1 with more in it."""

    V16 = "ocpp1.6"
    V201 = "ocpp2.0.1"
    V21 = "ocpp2.1"


class ChargerId(NamedTuple):
    """A charger is known by its substation and its own name, both as in its URL, percent-decoded."""

    substation: str
    charger: str


# ---------------------------------------------------------------------- between ocpp/ and chargers/


class CallFailure(StrEnum):
    """Why a call has no result."""

    REFUSED = "refused"  # CALLERROR
    TIMEOUT = "timeout"
    CLOSED = "closed"  # the connection, before an answer came
    REPLACED = "replaced"  # by a later call of its slot, before it was sent
    FULL = "full"  # too many calls wait already


@dataclass(frozen=True, slots=True)
class Answer:
    """To a call that the edge has made: a payload (CALLRESULT), or why there is none."""

    payload: Payload | None
    failure: CallFailure | None = None
    code: str = ""
    """Of a CALLERROR, such as NotSupported."""


class CloseCode(IntEnum):
    """Why the edge ends a connection (RFC 6455, 7.4.1, and IANA's list)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    POLICY = 1008
    SERVICE_RESTART = 1012  # come again


class Link(Protocol):
    """One WebSocket connection of one charger."""

    charger: ChargerId
    version: OcppVersion
    opened_s: float

    def call(
        self,
        action: str,
        payload: Payload,
        on_answer: Callable[[Answer], None],
        *,
        slot: str | None = None,
        timeout_s: float = 60.0,
        first: bool = False,
    ) -> None:
        """Send a CALL once those before it are answered: one is under way at a time.

        Of calls with the same `slot` that wait only the latest is sent. `first` goes before all that wait. The payload
        is held against the schema before: what a charger must not get is a programming error, and raises ValueError.
        """

    def reply(self, message_id: str, payload: Payload) -> None:
        """Answer a call of the charger, now or later. Without effect once the connection is closed."""

    def refuse(self, message_id: str, code: str, description: str) -> None:
        """Answer with a CALLERROR: only for what is the charger's fault."""

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection. The reason is for whoever reads the charger's log."""


class Upward(Protocol):
    """What the sockets tell; `chargers.fleet.Fleet` is it."""

    def connected(self, link: Link) -> None:
        """A charger of the registry has proved itself. An older connection of it has been closed, and is over."""

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        """A CALL whose JSON is whole; lenient: it may be against the schema. To be answered by `reply` or `refuse`.

        A repeat of a message id is answered by the link itself, from its cache.
        """

    def disconnected(self, link: Link) -> None:
        """The connection is over; never told of one that a newer has replaced."""


# ---------------------------------------------------------------------- the registry: who may connect


class RateUnit(StrEnum):
    """In which unit a charger takes limits."""

    AMPERES = "A"
    WATTS = "W"


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """What is built in. `rating_a` is per phase."""

    phases: int = 3
    rating_a: float = 32.0


@dataclass(frozen=True, slots=True)
class ChargerSpec:
    """A charger as it is registered. Connectors are numbered from 1; in 2.x these are EVSEs.

    `key_hash` is of its Basic key (`registry.hash_key`), empty where none is asked for (profile 3, or an open edge).
    `certificate_subject` is what a client certificate must name, where one is wanted.
    """

    connectors: tuple[ConnectorSpec, ...] = (ConnectorSpec(),)
    security_profile: int = 0
    key_hash: str = ""
    certificate_subject: str = ""
    quirks: str = ""
    """Name of an entry of the table of quirks; empty: by vendor and model."""


# ---------------------------------------------------------------------- limits/: pure


@dataclass(frozen=True, slots=True)
class Offer:
    """What a substation lets a session draw, `number` of it, until `lease_end_s` at the latest."""

    number: int
    power_kw: float
    lease_end_s: float


class ProfileKind(StrEnum):
    """Which profile carries a limit (OCPP: ChargingProfilePurpose)."""

    TX = "TxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    CHARGE_POINT_MAX = "ChargePointMaxProfile"


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """One SetChargingProfile: give `connector` this limit. `limit` is in `unit`, already rounded down.

    After `duration_s` it ends, or goes on with `then_limit` if there is one; `duration_s` is None for one that stays.
    `is_relative`: the charger's clock is not to be used. `sequence` tells orders of a connector apart.
    """

    connector: int
    kind: ProfileKind
    limit: float
    unit: RateUnit
    phases: int
    duration_s: int | None
    sequence: int
    transaction_id: str | None = None
    profile_id: int = 1
    stack_level: int = 0
    then_limit: float | None = None
    is_relative: bool = False


class Obedience(StrEnum):
    """Whether a charger does what it is told."""

    UNKNOWN = "unknown"
    OBEYS = "obeys"
    REJECTS = "rejects"
    IGNORES = "ignores"  # accepts, and its meter says otherwise


class Heard(NamedTuple):
    """When a message came, by our wall clock, and of when it is by its charger's clock, as it was told."""

    received_s: float
    told_s: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment of a meter, at the charger's time put right; None where the charger does not say.

    `energy_kwh` is the register of active import. Currents and voltages are by phase, L1 first, None for a phase that
    is not told; `power_kw` is of all phases.
    """

    wall_s: float
    energy_kwh: float | None = None
    power_kw: float | None = None
    currents_a: tuple[float | None, float | None, float | None] = (None, None, None)
    voltages_v: tuple[float | None, float | None, float | None] = (None, None, None)
    offered_a: float | None = None
    is_late: bool = False
    """From a queue: it counts for the energy, never for what is drawn now."""
    is_overall: bool = False
    """The current was told without a phase, and is in L1's place: it may be of each phase, or of all together."""
    heard: Heard | None = field(default=None, compare=False)


# ---------------------------------------------------------------------- between chargers/ and grid/


class CarState(StrEnum):
    """What a charger says of its car (OCPP 2.0.1 ChargingStateEnumType)."""

    CHARGING = "Charging"
    EV_CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"


@dataclass(frozen=True, slots=True)
class SessionReport:
    """The state of one open session, for its substation; the latest counts (docs/chargers-protocol.md).

    `number` is of the last offer that was adopted; `held_kw` the most that may be drawn until the lease ends whatever
    else happens, None where that is not known (no limit was confirmed on this connection yet): what is booked stays.
    `fallback_kw` is what may be drawn after. `energy_kwh` is since the session's start, absolute.
    """

    session_id: str
    number: int
    held_kw: float | None
    fallback_kw: float
    rating_kw: float
    is_controlled: bool = True
    power_kw: float | None = None
    energy_kwh: float | None = None
    measured_wall_s: float | None = None
    car: CarState | None = None


@dataclass(frozen=True, slots=True)
class StartOrder:
    """A car has plugged in and may charge: let its session begin, or find it. The same `key` has the same session."""

    key: str
    charger: ChargerId
    connector: int
    transaction_id: str | None
    vehicle_id: str
    min_power_kw: float
    max_power_kw: float
    rating_kw: float
    fallback_kw: float
    held_kw: float
    is_controlled: bool = True
    started_wall_s: float | None = None
    meter_kwh: float = 0.0
    """The charger's register at the start."""


@dataclass(frozen=True, slots=True)
class EndOrder:
    """A charging transaction is over; `energy_kwh` is the whole of it, None where the charger never said."""

    key: str
    """Of its start: who has lost the answer finds the session by it."""
    charger: ChargerId
    session_id: str | None
    energy_kwh: float | None
    ended_wall_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of a charger, as its substation tells it. Its offer is for us only where `is_ours`; `is_lapsed` is one
    whose holder has not asked for a lease, so all that its charger was told has run out."""

    session_id: str
    vehicle_id: str
    state: str
    number: int
    offer_kw: float
    charger: str
    connector: int
    transaction_id: str | None
    meter_kwh: float
    position: int | None = None
    expected_start: str | None = None
    is_ours: bool = False
    is_lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Offers:
    """All that a substation offers at one moment; `lease_end_s` is reckoned from when it was asked (`asked_s`)."""

    substation: str
    epoch: int
    revision: int
    lease_end_s: float
    capacity_kw: float
    firm_capacity_kw: float
    sessions: Sequence[OpenSession] = field(default_factory=tuple)
    asked_s: float = float("inf")

    @property
    def lease_s(self) -> float:
        """For how long it holds."""
        return self.lease_end_s - self.asked_s


class Outcome(StrEnum):
    """What has become of an order."""

    DONE = "done"
    REFUSED = "refused"  # for good: asking again would not help
    LATER = "later"  # not reached, or not now: ask again
    UNUSABLE = "unusable"  # could not be said, or not be understood: ask again, but not for ever


class Grid(Protocol):
    """The substations; `grid.grid.SubstationGrid` is it."""

    def knows(self, substation: str) -> bool:
        """Whether there is such a substation, as far as is known."""

    def watch(self, substation: str) -> None:
        """Keep its offers coming (`Downward.offered`); also to be called again."""

    async def reach(self, substation: str, timeout_s: float) -> bool:
        """Watch it, and wait until its offers have come; whether they have, and come on."""

    def start(self, order: StartOrder, on_done: Callable[[Outcome, OpenSession | None, str], None]) -> None:
        """One try. The text says why where it was refused."""

    def end(self, order: EndOrder, on_done: Callable[[Outcome, str], None]) -> None: ...

    def report(self, substation: str, report: SessionReport) -> None:
        """Soon, with the others of its substation, the latest of each session; sent again until it has arrived."""

    def is_told(self, substation: str, session_id: str) -> bool:
        """Whether the newest report of the session was answered."""

    def claim(self, substation: str, session_id: str, number: int) -> None:
        """Become the edge that holds the session, if `number` is still its number there; `is_ours` tells."""

    def give_back(self, substation: str, session_id: str, number: int) -> None:
        """Hold the session no longer, if `number` is still its number: its lease runs out unless it is claimed."""

    def connectors(self, substation: str, total: int, free: int) -> None:
        """How many there are, and how many have neither a car nor a fault."""


class Downward(Protocol):
    """What the grid tells; `chargers.fleet.Fleet` is it."""

    def offered(self, offers: Offers) -> None:
        """Each answer: also one with nothing new in it, as it renews the lease."""

    def gone(self, substation: str, session_ids: Sequence[str]) -> None:
        """Sessions in a report that the substation does not have (any more)."""
