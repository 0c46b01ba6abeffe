"""The bodies about chargers that travel between clients, gateways, balancers and edges (docs/chargers.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from smartgrid.protocol.models import WireModel

MAX_NAME = 48
MAX_CONNECTORS = 32
"""Of one charger."""
MIN_KEY, MAX_KEY = 16, 64


UNFIT = frozenset("/\\\ufffd")
"""The last is what stands for bytes that were no text: it would be one name for many."""


def is_charger(text: str) -> bool:
    """Whether this can name a charger: printable, without slashes, at most 48 characters, and no step in a path."""
    return 1 <= len(text) <= MAX_NAME and text.isprintable() and not UNFIT & set(text) and text not in (".", "..")


Connector = Annotated[int, Field(ge=1, le=MAX_CONNECTORS)]


class ConnectorSpecBody(WireModel):
    """What is built in."""

    phases: int = Field(3, ge=1, le=3, description="Phases to which it is wired.")
    rating_a: float = Field(32, ge=6, le=1000, description="Most current that it gives, per phase.")


class ChargerSpecBody(WireModel):
    """A charger as it is registered."""

    connectors: list[ConnectorSpecBody] = Field(
        default_factory=lambda: [ConnectorSpecBody()],
        min_length=1,
        max_length=MAX_CONNECTORS,
        description="By number, from 1; in OCPP 2 these are EVSEs.",
    )
    security_profile: int = Field(
        1,
        ge=0,
        le=3,
        description="OCPP's: 1 a key, 2 a key over TLS, 3 a certificate; 0 asks nothing, for a closed network.",
    )
    key: str | None = Field(
        None,
        min_length=MIN_KEY,
        max_length=MAX_KEY,
        pattern=r"^[!-~]+$",
        description="Its key, of profiles 1 and 2; kept as a hash. Without it that of before stays.",
    )
    certificate_subject: str = Field("", max_length=200, description="What its certificate must name, of profile 3.")
    quirks: str = Field("", max_length=64, description="An entry of the table of quirks; by vendor and model if empty.")


class ConnectorBody(WireModel):
    """One connector (in OCPP 2 an EVSE) as it stands. Null is what is not known."""

    connector: int
    status: str | None = Field(description="As the charger says: Available, Charging, Faulted, ...")
    session_id: str | None
    offer_kw: float | None = Field(description="What its substation lets it draw.")
    limit_a: float | None = Field(description="What the charger was last told, per phase.")
    phases: int | None = Field(description="That the car is seen to use, else those it is wired to.")
    power_kw: float | None = Field(description="By its meter.")
    currents_a: list[float | None] = Field(description="By phase, L1 first, by its meter.")
    held_kw: float | None = Field(description="The most that it may still draw.")
    fallback_a: float | None = Field(
        description="Its safe current, with no word from the edge, as it has confirmed it."
    )
    obedience: Literal["unknown", "obeys", "rejects", "ignores"]


class ChargerBody(WireModel):
    """One charger as it stands. Null is what is not known."""

    substation: str
    charger: str
    registered: bool
    connected: bool
    since: AwareDatetime | None = Field(description="When it connected; of one that is not connected when it left.")
    version: str | None = Field(description="ocpp1.6, ocpp2.0.1 or ocpp2.1.")
    vendor: str | None
    model: str | None
    firmware: str | None
    edge: str = Field(description="The edge that answers for it.")
    security_profile: int
    obedience: Literal["unknown", "obeys", "rejects", "ignores"] = Field(description="The worst of its connectors.")
    quirks: str | None = Field(description="The entry of the table of quirks that is used.")
    profile_writes: int = Field(description="Charging profiles sent to it: each may wear its memory.")
    connectors: list[ConnectorBody]


class ChargersPage(WireModel):
    """Chargers by substation and name."""

    chargers: list[ChargerBody]
    next_cursor: str | None = Field(description="Null at the end.")


class CommandBody(WireModel):
    """Something that an operator has a charger do."""

    command: Literal["remote-start", "remote-stop", "unlock", "reset", "trigger", "rotate-key", "probe"]
    connector: Connector | None = Field(
        None, description="Of remote-start, unlock and probe; may be given with trigger."
    )
    id_tag: Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=r"^[ -~]+$")] | None = Field(
        None, description="Of remote-start: on whose account."
    )
    session_id: str | None = Field(None, max_length=200, description="Of remote-stop, if not `connector`.")
    kind: Literal["soft", "hard"] = Field("soft", description="Of reset: soft waits for cars to end (OCPP 2: OnIdle).")
    message: Literal["BootNotification", "StatusNotification", "MeterValues", "Heartbeat"] | None = Field(
        None, description="Of trigger: what the charger is to send."
    )

    step: str | None = Field(
        None, max_length=32, description="Of probe: one question of those that `smartgrid charger probe` asks."
    )

    @model_validator(mode="after")
    def _complete(self) -> CommandBody:
        if self.command == "remote-start" and self.id_tag is None:
            raise ValueError("remote-start needs id_tag")
        if self.command == "remote-stop" and (self.session_id is None) == (self.connector is None):
            raise ValueError("remote-stop needs session_id or connector")
        if self.command == "unlock" and self.connector is None:
            raise ValueError("unlock needs connector")
        if self.command == "probe" and (self.step is None or self.connector is None):
            raise ValueError("probe needs step and connector")
        if self.command == "trigger" and self.message is None:
            raise ValueError("trigger needs message")
        return self


class CommandResult(WireModel):
    """What a charger answered."""

    result: str = Field(description="Its status in its own word: Accepted, Rejected, Unlocked, ...")


class MessageBody(WireModel):
    """One message of a conversation, as it was; long ones are cut."""

    at: AwareDatetime
    direction: Literal["in", "out"]
    type: str = Field(description="call, result or error.")
    id: str
    action: str | None
    payload: Any


class ProfileBody(WireModel):
    """A charging profile that may stand at a charger, as its edge has written it."""

    connector: int
    purpose: Literal["TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"]
    limit: float = Field(description="That rules now, in `unit`: amperes of each phase, or watts of all.")
    unit: Literal["A", "W"]
    ends_in_s: int | None = Field(description="When it is over at the latest; null of one that stays.")
    then_limit: float | None = Field(description="What rules from then on, where the profile itself says so.")
    confirmed: bool = Field(description="Whether the charger has accepted it; else its answer is not known.")


class DiagnosticsBody(WireModel):
    """What helps to find out why a charger does not do what it should."""

    charger: ChargerBody
    profiles: list[ProfileBody] = Field(description="The profiles that may stand at it, by connector and purpose.")
    messages: list[MessageBody] = Field(description="The last ones, the oldest first. Keys and tags are not in them.")
