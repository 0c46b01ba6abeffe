"""Rows of the registry as edges tell them to each other: `GET /registry/changes`. Hashes of keys are in it, no keys.

What another edge tells is believed within the bounds of the API, row by row, and merged by the rule of `replica`. While
a grid is being upgraded edges are of two versions: a field that is not known is ignored, and a row that cannot be read
is passed over, so that it keeps no other from coming.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry import spec
from smartgrid.edge.registry.replica import MAX_FACT, MAX_FACTS, MAX_TEXT, About, Registered
from smartgrid.protocol.chargers import MAX_CONNECTORS, ConnectorSpecBody
from smartgrid.protocol.models import WireModel

MAX_VERSION = 2**53
MAX_ROWS = 500
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Hash = Annotated[str, StringConstraints(max_length=200)]
Version = Annotated[int, Field(ge=0, le=MAX_VERSION)]


class _Tolerant(WireModel):
    """An edge of a newer version may tell more, while a grid is being upgraded."""

    model_config = ConfigDict(extra="ignore")


class AboutBody(_Tolerant):
    """What a charger has said of itself."""

    vendor: Text
    model: Text
    firmware: Text
    connectors: int = Field(ge=0, le=MAX_CONNECTORS)
    facts: dict[Text, Annotated[str, StringConstraints(max_length=MAX_FACT)]] = Field(max_length=MAX_FACTS)


class RowBody(_Tolerant):
    """A row; `gone` is one that was deleted."""

    substation: str
    charger: str
    origin: Literal["api", "file", "gone"]
    connectors: Annotated[list[ConnectorSpecBody], Field(min_length=1, max_length=MAX_CONNECTORS)]
    security_profile: int = Field(ge=0, le=3)
    key_hash: Hash
    certificate_subject: Annotated[str, StringConstraints(max_length=200)]
    quirks: Annotated[str, StringConstraints(max_length=64)]
    next_key_hash: Hash
    version: Version
    about: AboutBody
    about_version: Version


class ChangesBody(_Tolerant):
    """The rows that have changed since a sequence of the same epoch, the oldest change first; all where the epoch is
    another. There may be more unless `is_end`."""

    epoch: str = Field(min_length=1, max_length=64)
    sequence: int = Field(ge=0, le=MAX_VERSION)
    is_end: bool
    rows: Annotated[list[RowBody], Field(max_length=MAX_ROWS)]


class ToldChanges(ChangesBody):
    """As it is read: a row that this version cannot read is for `rows_of` to pass over."""

    rows: Annotated[list[Any], Field(max_length=MAX_ROWS)]


def rows_of(told: ToldChanges) -> tuple[list[Registered], list[str]]:
    """The rows that can be, and why the others cannot."""
    found, bad = list[Registered](), list[str]()
    for each in told.rows:
        try:
            found.append(from_wire(RowBody.model_validate(each)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            bad.append(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        except spec.SpecError as error:
            bad.append(str(error))
    return found, bad


def to_wire(row: Registered) -> dict[str, Any]:
    """As a `RowBody`."""
    about, of = row.about, row.spec
    return {
        **row.charger._asdict(),
        "origin": row.origin,
        "connectors": [{"phases": each.phases, "rating_a": each.rating_a} for each in of.connectors],
        "security_profile": of.security_profile,
        "key_hash": of.key_hash,
        "certificate_subject": of.certificate_subject,
        "quirks": of.quirks,
        "next_key_hash": row.next_key_hash,
        "version": row.version,
        "about": {
            "vendor": about.vendor,
            "model": about.model,
            "firmware": about.firmware,
            "connectors": about.connectors,
            "facts": dict(about.facts),
        },
        "about_version": row.about_version,
    }


def from_wire(body: RowBody) -> Registered:
    """Raises SpecError for a registration that cannot be."""
    charger = ChargerId(body.substation, body.charger)
    found = ChargerSpec(
        connectors=spec.connectors(body.connectors),
        security_profile=body.security_profile,
        key_hash=body.key_hash,
        certificate_subject=body.certificate_subject,
        quirks=body.quirks,
    )
    spec.check(charger, found)
    said = body.about
    about = About(said.vendor, said.model, said.firmware, said.connectors, said.facts)
    return Registered(charger, found, body.origin, body.next_key_hash, about, body.version, body.about_version)
